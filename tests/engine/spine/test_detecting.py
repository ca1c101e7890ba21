"""Detection: places in mm and voxels for every axis order, names that move, refusals in time."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest

from engine.errors import MemoryShortError, MissingBackendError, RequestError
from engine.imaging.volume_files import read_volume
from engine.imaging.volumes import Volume
from engine.spine.audit import Anchors
from engine.spine.detecting import NOTHING_FOUND, detect, renamed
from engine.spine.results import Detection
from engine.spine.segmenters import Progress, RunWatch, Segmentation
from tests.engine.spine.oracle import (
    OracleSegmenter,
    coded_volume,
    lumbar_phantom,
    read_of,
    write_nifti,
)

ORDERS = ["".join(codes) for order in permutations(("RL", "AP", "SI")) for codes in product(*order)]


@pytest.fixture(scope="module")
def detection() -> Detection:
    """The lumbar phantom through the oracle."""
    return detect(read_of(coded_volume(lumbar_phantom())), OracleSegmenter())


class Answering(OracleSegmenter):
    """Gives the label map it was made with."""

    def __init__(self, labels: np.ndarray, **fields: object) -> None:
        super().__init__()
        self._labels, self._fields = labels, fields

    def segment(self, _volume: Volume, _watch: RunWatch) -> Segmentation:
        """Answer."""
        told = {"anchors": Anchors(), "confidences": {}, "whole": True, "model": "test 1"}
        return Segmentation(labels=self._labels.copy(), **{**told, **self._fields})


def blocks(*codes: int, shape: tuple[int, int, int] = (20, 20, 60)) -> np.ndarray:
    """Blocks of 12×12×8 voxels, one above the other from the top, with gaps of 2."""
    labels = np.zeros(shape, np.uint8)
    for number, code in enumerate(codes):
        top = shape[2] - 5 - 10 * number
        labels[4:16, 4:16, top - 8 : top] = code
    return labels


def block_ct(labels: np.ndarray, affine: np.ndarray | None = None) -> Volume:
    affine = np.diag([3.0, 3.0, 3.0, 1.0]) if affine is None else affine
    return Volume(voxels=np.where(labels > 0, 200, 30).astype(np.float32), affine=affine)


def test_vertebrae_are_where_the_phantom_has_them(detection: Detection) -> None:
    """Body centres lie within a voxel or two of the truth, whole volumes within a tenth."""
    truth = {one.label: one for one in lumbar_phantom().vertebrae}
    whole = [found for found in detection.found if not found.vertebra.truncated]
    assert [found.label for found in whole] == ["T11", "T12", "L1", "L2", "L3", "L4", "L5"]
    for found in whole:
        told = np.subtract(found.vertebra.centre_mm, truth[found.label].centre_mm)
        assert np.linalg.norm(told) < 6.0
        assert found.vertebra.volume_ml == pytest.approx(truth[found.label].volume_ml, rel=0.1)


def test_voxels_and_millimetres_name_the_same_place(detection: Detection) -> None:
    """``centre_voxel`` through the affine is ``centre_mm``; the box holds exactly the object."""
    for found in detection.found:
        world = detection.volume.world([found.centre_voxel])[0]
        assert world == pytest.approx(found.vertebra.centre_mm, abs=1e-6)
        voxels = np.argwhere(detection.labels == found.code)
        assert found.bounds_voxel[0] == tuple(voxels.min(axis=0).tolist())
        assert found.bounds_voxel[1] == tuple(voxels.max(axis=0).tolist())


def test_vertebrae_run_from_the_head_down_scraps_too(detection: Detection) -> None:
    """Of T9 only the process is in view, below the body of T10; it comes first all the same."""
    labels = [found.label for found in detection.found]
    assert labels == ["T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5"]


def test_a_vertebra_at_the_border_is_marked_and_not_dropped(detection: Detection) -> None:
    """T9 and T10 reach out of the picture."""
    cut = [found.label for found in detection.found if found.vertebra.truncated]
    assert cut == ["T9", "T10"]
    assert detection.audit.has("border")


def test_the_sacrum_is_a_landmark_and_no_vertebra(detection: Detection) -> None:
    """Code 26 stays in the label map; the list ends with L5."""
    assert detection.has_sacrum
    assert (detection.labels == 26).any()
    assert "S1" not in [found.label for found in detection.found]
    assert detection.anchors.sacrum_mm is not None


@pytest.mark.parametrize("codes", ORDERS)
def test_every_axis_order_gives_the_same_vertebrae(
    codes: str, detection: Detection, tmp_path: Path
) -> None:
    """Written by nibabel in one of 48 orders: same names and mm, voxels of that very array."""
    image = nibabel.Nifti1Image(
        coded_volume(lumbar_phantom()).voxels.astype(np.int16), lumbar_phantom().volume.affine
    )
    own = nibabel.orientations.io_orientation(image.affine)
    wanted = nibabel.orientations.axcodes2ornt(codes)
    turned = image.as_reoriented(nibabel.orientations.ornt_transform(own, wanted))
    turned.to_filename(tmp_path / "turned.nii")
    found = detect(read_volume(tmp_path / "turned.nii"), OracleSegmenter())
    assert "".join(found.volume.axis_codes) == codes
    assert [one.label for one in found.found] == [one.label for one in detection.found]
    assert found.audit.verdict == detection.audit.verdict
    array = np.asarray(turned.dataobj)
    for one, expected in zip(found.found, detection.found, strict=True):
        assert one.vertebra.centre_mm == pytest.approx(expected.vertebra.centre_mm, abs=0.1)
        assert np.ravel(one.vertebra.bounds_mm) == pytest.approx(
            np.ravel(expected.vertebra.bounds_mm), abs=0.1
        )
        voxels = np.argwhere(array == 600 + 20 * one.code)
        assert one.bounds_voxel[0] == tuple(voxels.min(axis=0).tolist())
        assert one.bounds_voxel[1] == tuple(voxels.max(axis=0).tolist())
        world = nibabel.affines.apply_affine(turned.affine, one.centre_voxel)
        assert world == pytest.approx(one.vertebra.centre_mm, abs=0.01)


def test_an_oblique_ct_keeps_its_place(tmp_path: Path, detection: Detection) -> None:
    """A patient who lies turned by 20 degrees: centres turn with the affine."""
    angle = np.radians(20.0)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    volume = coded_volume(lumbar_phantom())
    oblique = Volume(voxels=volume.voxels, affine=turn @ volume.affine)
    found = detect(read_volume(write_nifti(oblique, tmp_path / "ct.nii")), OracleSegmenter())
    for one, expected in zip(found.found, detection.found, strict=True):
        away = nibabel.affines.apply_affine(turn, expected.vertebra.centre_mm)
        assert one.label == expected.label
        assert np.linalg.norm(np.subtract(one.vertebra.centre_mm, away)) < 3.0


def test_nothing_found_is_an_answer_with_a_sentence() -> None:
    """An empty map: no vertebra, no error, and that it excludes nothing."""
    labels = blocks()
    found = detect(read_of(block_ct(labels)), Answering(labels))
    assert found.found == ()
    assert found.notes == (NOTHING_FOUND,)
    assert "does not exclude" in NOTHING_FOUND
    assert found.audit.sentences


def test_crumbs_are_neither_listed_nor_in_the_map() -> None:
    """A few voxels of another code are no vertebra; map and list always agree."""
    labels = blocks(20, 21, 22)
    labels[0, 0, 0] = 5
    found = detect(read_of(block_ct(labels)), Answering(labels))
    assert set(np.unique(found.labels)) == {0, 20, 21, 22}
    assert {one.code for one in found.found} == {20, 21, 22}


def test_a_crumb_apart_does_not_widen_the_box() -> None:
    """One voxel of the same code far away is left out of the bounds."""
    labels = blocks(20, 21, 22)
    labels[0, 0, 0] = 21
    found = detect(read_of(block_ct(labels)), Answering(labels))
    assert found.found[1].bounds_voxel == ((4, 4, 37), (15, 15, 44))


def test_the_finders_own_centres_and_confidences_count() -> None:
    """Given centres replace measured ones; confidences and agreement reach the audit."""
    labels = blocks(20, 21, 22)
    told = {"centres_mm": {21: (30.0, 30.0, 120.0)}, "confidences": {20: 0.5}}
    told["agreement"] = {22: 0.25}
    found = detect(read_of(block_ct(labels)), Answering(labels, **told))
    plain = detect(read_of(block_ct(labels)), Answering(labels))
    assert found.found[1].vertebra.centre_mm == (30.0, 30.0, 120.0)
    assert found.found[1].centre_voxel == pytest.approx((10.0, 10.0, 40.0))
    assert found.own == (0.5, 1.0, 1.0)
    assert found.agreement == (1.0, 1.0, 0.25)
    ratios = [
        one.vertebra.confidence / other.vertebra.confidence
        for one, other in zip(found.found, plain.found, strict=True)
    ]
    # Confidence and agreement count by their geometric mean: √(0.5·1) and √(1·0.25).
    assert ratios == pytest.approx([0.707, 1.0, 0.5], rel=0.05)


def test_noise_is_left_out_quickly_and_told() -> None:
    """A map of random codes, as untrained weights write it, has no vertebra and takes no time."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 26, (90, 90, 110), dtype=np.uint8)  # 270 × 270 × 330 mm
    began = time.monotonic()
    found = detect(read_of(block_ct(labels)), Answering(labels))
    assert time.monotonic() - began < 20.0
    assert found.found == ()
    assert not found.labels.any()
    assert found.notes[0].startswith("What the model called C1, C2,")


def test_an_object_too_large_for_a_vertebra_is_left_out() -> None:
    """Four litres in one label: told, and the vertebra beside it stays."""
    labels = blocks(20, 21, 22, shape=(20, 80, 60))
    labels[:, 25:75, :] = 5
    found = detect(read_of(block_ct(labels)), Answering(labels))
    assert [one.label for one in found.found] == ["L1", "L2", "L3"]
    assert "What the model called C5 is" in found.notes[0]


def test_progress_grows_to_one(detection: Detection) -> None:
    """Over all steps of the detection, and each step's time is told."""
    heard: list[Progress] = []
    detect(
        read_of(coded_volume(lumbar_phantom())),
        OracleSegmenter(),
        watch=RunWatch(on_progress=heard.append),
    )
    done = [progress.done for progress in heard]
    assert done == sorted(done)
    assert done[-1] == 1.0
    assert list(detection.timings_ms) == ["segmenting", "measuring", "auditing"]


def test_raising_from_progress_cancels() -> None:
    """The caller's own exception comes back as it is."""

    class Stopped(Exception):  # noqa: N818 – no error
        pass

    def stop(progress: Progress) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        detect(
            read_of(coded_volume(lumbar_phantom())),
            OracleSegmenter(),
            watch=RunWatch(on_progress=stop),
        )


def test_too_little_memory_stops_it_before_anything_begins() -> None:
    """The guard hears the forecast first; the segmenter is not even asked."""

    class Untouched(OracleSegmenter):
        def segment(self, _volume: Volume, _watch: RunWatch) -> Segmentation:
            raise AssertionError("it was asked")

    def refuse(need_mb: float, what: str) -> None:
        raise MemoryShortError(f"Too little for {what}: {need_mb:.0f} MB")

    with pytest.raises(MemoryShortError, match=r"finding in .* voxels: 777 MB"):
        detect(
            read_of(coded_volume(lumbar_phantom())),
            Untouched(memory_mb=777.0),
            watch=RunWatch(before=refuse),
        )


def test_a_backend_that_is_not_there_says_what_to_do() -> None:
    """Its sentence is the error's."""

    class Absent(OracleSegmenter):
        def missing(self) -> str:
            return "Download the weights first."

    with pytest.raises(MissingBackendError, match="Download the weights first"):
        detect(read_of(coded_volume(lumbar_phantom())), Absent())


def test_labels_on_another_grid_are_refused() -> None:
    """A segmenter that returns another shape is at fault, and told so."""
    labels = blocks(20)
    with pytest.raises(RequestError, match="returned labels"):
        detect(read_of(block_ct(labels)), Answering(labels[:-1]))


@pytest.mark.parametrize("steps", [-2, -1])
def test_all_names_move_with_map_records_and_audit(detection: Detection, steps: int) -> None:
    """Moved up, every place carries the name so many levels higher, everywhere alike."""
    moved = renamed(detection, steps)
    names = ["T7", "T8", "T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5"]
    start = 2 + steps
    assert [one.label for one in moved.found] == names[start : start + 9]
    assert moved.shift == steps
    assert moved.audit != detection.audit
    for old, new in zip(detection.found, moved.found, strict=True):
        assert new.vertebra.centre_mm == old.vertebra.centre_mm
        assert np.array_equal(moved.labels == new.code, detection.labels == old.code)
    assert np.array_equal(moved.labels == 26, detection.labels == 26)


def test_there_and_back_is_where_it_was(detection: Detection) -> None:
    """Two opposite steps give the same detection again."""
    back = renamed(renamed(detection, -3), 3)
    assert back.found == detection.found
    assert back.audit == detection.audit
    assert np.array_equal(back.labels, detection.labels)
    assert renamed(detection, 0) is detection


def test_l5_does_not_become_a_second_sacrum(detection: Detection) -> None:
    """With a sacrum below, one step down is refused with a sentence."""
    with pytest.raises(RequestError, match="L5 would become S1, but a sacrum was found"):
        renamed(detection, 1)


def test_what_was_called_l5_may_be_s1_where_no_sacrum_was_found() -> None:
    """A first sacral vertebra that was taken for L5: renamed, and back."""
    labels = blocks(22, 23, 24)
    found = detect(read_of(block_ct(labels)), Answering(labels))
    moved = renamed(found, 1)
    assert [(one.label, one.code) for one in moved.found] == [("L4", 23), ("L5", 24), ("S1", 26)]
    assert np.array_equal(renamed(moved, -1).labels, found.labels)


def test_names_do_not_leave_the_spine() -> None:
    """Above C1 there is nothing."""
    labels = blocks(1, 2, 3)
    found = detect(read_of(block_ct(labels)), Answering(labels))
    with pytest.raises(RequestError, match="leaves the spine"):
        renamed(found, -1)


def test_rare_names_are_steps_of_their_own() -> None:
    """With L6 in the list, L5 moves to L6 and not past it; codes follow VerSe."""
    labels = blocks(23, 24, 25)
    found = detect(read_of(block_ct(labels)), Answering(labels))
    moved = renamed(found, -1)
    assert [(one.label, one.code) for one in moved.found] == [("L3", 22), ("L4", 23), ("L5", 24)]


def test_a_detection_holds_labels_of_its_own_ct(detection: Detection) -> None:
    """Labels of another shape or type cannot be put into a detection."""
    with pytest.raises(RequestError, match="Expected labels"):
        replace(detection, labels=detection.labels.astype(np.int16))
