"""The backend ``nnunet`` from a CT to labels, and beside the real TotalSegmentator."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import MemoryShortError, MissingBackendError, ModelError
from engine.imaging.volumes import Volume
from engine.settings import Settings
from engine.spine.nnunet.mapping import code_table
from engine.spine.nnunet.segmenter import NnunetSegmenter
from engine.spine.segmenters import TASKS, Progress, RunWatch, Task
from tests.engine.spine.tiny_weights import class_names, model_folder

QUIET = RunWatch()


def dice(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> dict[int, float]:
    """Return Dice of each code above 0 in either map."""
    codes = np.union1d(np.unique(one), np.unique(other))
    return {
        int(code): 2
        * ((one == code) & (other == code)).sum()
        / ((one == code).sum() + (other == code).sum())
        for code in codes
        if code
    }


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["f32", "auto"])
def test_labels_are_those_of_totalsegmentator(
    ct: Volume, settings: Settings, peer_codes: NDArray[np.uint8], precision: str
) -> None:
    """The same weights give the same map: Dice at least 0.99 (f32: 0.995) for every vertebra."""
    expected = code_table(class_names(297)).to_ours[peer_codes]
    own = replace(settings, precision=precision)
    found = NnunetSegmenter(own).segment(ct, QUIET).labels
    assert expected.shape == found.shape
    shares = dice(expected, found)
    assert set(shares) == {19, 24}
    assert min(shares.values()) > (0.995 if precision == "f32" else 0.98)
    assert np.mean(list(shares.values())) > 0.99


@pytest.mark.parametrize("task", TASKS)
def test_each_task_labels_the_grid_that_it_was_given(
    ct: Volume, settings: Settings, task: Task
) -> None:
    """Labels lie on the CT's own grid with our codes, and every one has a confidence."""
    small = ct.cropped(((0, 24), (0, 20), (0, 24)))
    found = NnunetSegmenter(settings, task).segment(small, QUIET)
    codes = set(np.unique(found.labels[found.labels > 0]).tolist())
    assert found.labels.shape == small.shape
    assert codes
    assert codes <= {*range(1, 27)}
    assert set(found.confidences) == codes - {26}
    assert found.whole == (task != "vertebrae_pp")
    assert found.labels.flags.c_contiguous


def test_turning_the_ct_turns_the_labels(ct: Volume, settings: Settings) -> None:
    """The same CT in another axis order gives the same label at every place in the patient."""
    segmenter = NnunetSegmenter(settings)
    canonical, turn = ct.canonical()
    canonical = Volume(voxels=np.ascontiguousarray(canonical.voxels), affine=canonical.affine)
    expected = segmenter.segment(ct, QUIET).labels
    assert np.array_equal(expected, turn.back(segmenter.segment(canonical, QUIET).labels))


def test_progress_grows_patch_by_patch(ct: Volume, settings: Settings) -> None:
    """Whoever listens hears of every patch, and the share done never falls."""
    told: list[Progress] = []
    NnunetSegmenter(settings).segment(ct, RunWatch(on_progress=told.append))
    shares = [progress.done for progress in told]
    texts = [progress.text for progress in told if progress.step == "network"]
    assert shares == sorted(shares)
    assert texts[0].startswith("Patch 1 of ")
    assert len(texts) == int(texts[0].rpartition(" ")[2]) + 1


def test_cancelling_between_patches_leaves_nothing(ct: Volume, settings: Settings) -> None:
    """What the listener raises comes out as it is; files are those of before."""
    NnunetSegmenter(settings).segment(ct.cropped(((0, 8), (0, 8), (0, 8))), QUIET)
    before = sorted(settings.home.rglob("*"))

    def cancel(progress: Progress) -> None:
        if progress.step == "network" and progress.done > 0.06:
            raise InterruptedError("enough")

    with pytest.raises(InterruptedError, match="enough"):
        NnunetSegmenter(settings).segment(ct, RunWatch(on_progress=cancel))
    assert before == sorted(settings.home.rglob("*"))


def test_memory_is_asked_for_before_it_is_taken(ct: Volume, settings: Settings) -> None:
    """A guard that refuses ends the run before the first patch."""
    told: list[Progress] = []

    def refuse(need_mb: float, what: str) -> None:
        raise MemoryShortError(f"{need_mb:.0f} MB for {what}")

    with pytest.raises(MemoryShortError, match="MB for finding vertebrae in"):
        NnunetSegmenter(settings).segment(ct, RunWatch(on_progress=told.append, before=refuse))
    assert all(progress.step == "model" for progress in told)


def test_air_alone_has_no_vertebra(settings: Settings) -> None:
    """A CT of nothing but air gives an empty map and no anchors."""
    air = Volume(voxels=np.full((20, 20, 20), -1000, np.float32), affine=np.diag([3.0, 3, 3, 1]))
    found = NnunetSegmenter(settings).segment(air, QUIET)
    assert not found.labels.any()
    assert found.confidences == {}
    assert found.anchors.sacrum_mm is None


def test_a_frame_of_zeros_is_left_out_as_nnunet_does(ct: Volume, settings: Settings) -> None:
    """Zeros around a CT of the network's own spacing do not change the labels inside."""
    inner = Volume(voxels=ct.voxels[:20, :20, :20], affine=np.diag([3.0, 3.0, 3.0, 1.0]))
    framed = np.zeros((30, 30, 30), np.float32)
    framed[4:24, 5:25, 6:26] = inner.voxels
    segmenter = NnunetSegmenter(settings)
    expected = segmenter.segment(inner, QUIET).labels
    found = segmenter.segment(Volume(voxels=framed, affine=inner.affine), QUIET).labels
    assert np.array_equal(expected, found[4:24, 5:25, 6:26])
    assert found.sum() == expected.sum()


def test_missing_weights_are_told_with_what_to_do(tmp_path: Path, ct: Volume) -> None:
    """Without weights the sentence names the model and how to download it; nothing runs."""
    segmenter = NnunetSegmenter(Settings(home=tmp_path))
    assert "total_fast" in (segmenter.missing() or "")
    assert "download" in (segmenter.missing() or "")
    with pytest.raises(MissingBackendError, match="total_fast"):
        segmenter.segment(ct, QUIET)


def test_weights_of_another_spacing_are_refused(
    totalseg_home: Path, settings: Settings, ct: Volume, tmp_path: Path
) -> None:
    """A model of 1.5 mm is not run as one of 3 mm."""
    folder = tmp_path / "Dataset297" / "inner"
    shutil.copytree(model_folder(totalseg_home, 292), folder)
    with pytest.raises(ModelError, match="Expected a model of 3 mm"):
        NnunetSegmenter(settings, model=folder).segment(ct, QUIET)


def test_weights_of_something_else_are_refused(
    totalseg_home: Path, settings: Settings, ct: Volume, tmp_path: Path
) -> None:
    """A model whose labels name no vertebra ends in a sentence."""
    folder = tmp_path / "Dataset297" / "inner"
    shutil.copytree(model_folder(totalseg_home, 297), folder)
    dataset = json.loads((folder / "dataset.json").read_text())
    dataset["labels"] = {f"organ_{code}" if code else "background": code for code in range(118)}
    (folder / "dataset.json").write_text(json.dumps(dataset))
    with pytest.raises(ModelError, match="name vertebrae"):
        NnunetSegmenter(settings, model=folder).segment(ct, QUIET)


def test_the_forecast_grows_with_the_ct(settings: Settings) -> None:
    """Twice as long a scan takes longer, but hardly more memory: there is only one slab."""
    segmenter = NnunetSegmenter(settings)
    short = segmenter.forecast((512, 512, 200), (0.8, 0.8, 1.5))
    tall = segmenter.forecast((512, 512, 400), (0.8, 0.8, 1.5))
    assert short.seconds < tall.seconds
    assert short.memory_mb < tall.memory_mb < 2 * short.memory_mb
    assert "512×512×400" in tall.what


def test_a_forecast_needs_no_weights(tmp_path: Path) -> None:
    """Before anything is downloaded, the figures are those of the published networks."""
    forecast = NnunetSegmenter(Settings(home=tmp_path)).forecast((512, 512, 275), (0.8, 0.8, 1.5))
    assert 1 < forecast.seconds < 600
    assert 500 < forecast.memory_mb < 8000
