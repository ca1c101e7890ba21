"""The real TotalSegmentator behind the seam, on a CT whose grey values say the answer."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from engine.imaging.volumes import Volume
from engine.settings import Settings
from engine.spine.phantoms import SpinePhantom, spine_phantom
from engine.spine.segmenters import LABEL_NAMES, Progress, RunWatch, Segmentation
from engine.spine.totalsegmentator import TotalSegmentatorSegmenter
from tests.engine.spine.tiny_weights import class_names
from tests.engine.spine.totalsegmentator.grey_weights import (
    drawn_in_greys,
    grey_values,
    write_grey_weights,
)
from tests.processes import started_here

pytest.importorskip("totalsegmentator")


@dataclass(kw_only=True)
class Run:
    """One run of the real library, and what was seen meanwhile."""

    settings: Settings
    phantom: SpinePhantom
    labels: NDArray[np.uint8]  # VerSe codes on the grid that was sent
    volume: Volume
    result: Segmentation
    progress: list[Progress]
    needs: list[tuple[float, str]]
    processes: set[psutil.Process]


def turned(phantom: SpinePhantom) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return labels with their axes running to the feet, right and front, and the affine."""
    depth = phantom.labels.shape[2]
    back = np.array([[0, 1, 0, 0], [0, 0, 1, 0], [-1, 0, 0, depth - 1], [0, 0, 0, 1]], float)
    labels = np.ascontiguousarray(phantom.labels[:, :, ::-1].transpose(2, 0, 1))
    return labels.astype(np.uint8), phantom.volume.affine @ back


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Segment T11 to the sacrum at 3 mm, sent with its axes in another order and turned."""
    home = tmp_path_factory.mktemp("totalsegmentator")
    phantom = spine_phantom(
        np.random.default_rng(5), levels=("T11", "L5"), spacing_mm=3.0, fov_mm=(150, 150)
    )
    labels, affine = turned(phantom)
    present = [code for code in np.unique(labels).tolist() if code]
    greys = grey_values(present)
    by_name = {name: code for code, name in class_names(297).items()}
    names = {code: "sacrum" if code == 26 else f"vertebrae_{LABEL_NAMES[code]}" for code in present}
    model_greys = {by_name[names[code]] if code else 0: grey for code, grey in greys.items()}
    settings = Settings(home=home / "lightbox", totalseg_home=home / "weights", threads=1)
    write_grey_weights(home / "weights", 297, model_greys)
    volume = Volume(voxels=drawn_in_greys(labels, greys), affine=affine)

    progress: list[Progress] = []
    processes: set[psutil.Process] = set()
    needs: list[tuple[float, str]] = []

    def listen(said: Progress) -> None:
        progress.append(said)
        processes.update(started_here())

    watch = RunWatch(on_progress=listen, before=lambda need, what: needs.append((need, what)))
    result = TotalSegmentatorSegmenter(settings).segment(volume, watch)
    return Run(
        settings=settings,
        phantom=phantom,
        labels=labels,
        volume=volume,
        result=result,
        progress=progress,
        needs=needs,
        processes=processes,
    )


@pytest.mark.slow
def test_labels_come_back_on_the_grid_that_was_sent(run: Run) -> None:
    """Whatever the order of the axes, every voxel has the VerSe code that was drawn there."""
    assert run.result.labels.dtype == np.uint8
    assert np.array_equal(run.result.labels, run.labels)


@pytest.mark.slow
def test_confidences_are_one_for_each_code(run: Run) -> None:
    """The library has no opinion about its labels; every code that occurs has an entry."""
    present = np.unique(run.labels).tolist()[1:]
    assert run.result.confidences == dict.fromkeys(present, 1.0)
    assert run.result.whole
    assert run.result.model.startswith("TotalSegmentator 2.")


@pytest.mark.slow
def test_the_sacrum_is_an_anchor_in_millimetres(run: Run) -> None:
    """The landmark lies where the phantom has the sacrum's upper end, in RAS+ mm."""
    assert run.result.anchors.sacrum_mm is not None
    points = run.volume.world(np.argwhere(run.labels == 26))
    assert points[:, 2].min() <= run.result.anchors.sacrum_mm[2] <= points[:, 2].max()
    assert abs(run.result.anchors.sacrum_mm[0] - points[:, 0].mean()) < 15


@pytest.mark.slow
def test_progress_comes_first_at_once_then_for_each_patch(run: Run) -> None:
    """It never falls, counts the patches, and is repeated while the library is silent."""
    done = [said.done for said in run.progress]
    assert done == sorted(done)
    assert run.progress[0].step == "starting"
    patches = [said.text for said in run.progress if said.step == "network"]
    assert list(dict.fromkeys(patches)) == ["Patch 1 of 2", "Patch 2 of 2"]
    assert {said.step for said in run.progress} >= {"loading", "resampling", "labelling"}


@pytest.mark.slow
def test_nothing_is_left_of_a_run(run: Run) -> None:
    """All processes that it started have ended, and its folder is gone."""
    assert len(run.processes) >= 3  # watcher, worker, and what nnU-Net starts
    assert [process for process in run.processes if process.is_running()] == []
    assert list((run.settings.temp_folder / "totalsegmentator").iterdir()) == []


@pytest.mark.slow
def test_the_weights_folder_is_as_it_was(run: Run) -> None:
    """No counter, no home and no download appears beside the weights."""
    home = run.settings.totalseg_home
    assert home is not None
    config = json.loads((home / "config.json").read_text())
    assert config["prediction_counter"] == 0
    assert {path.name for path in home.iterdir()} == {"config.json", "nnunet"}


@pytest.mark.slow
def test_memory_was_asked_for_before(run: Run) -> None:
    """The forecast of the whole run is told once, with the step in words."""
    ((need_mb, what),) = run.needs
    assert need_mb > 1000
    assert "50" in what


@pytest.mark.slow
def test_the_network_was_not_asked_for(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """With telemetry off and no download, the real library never tries to reach anybody."""
    assert [record for record in caplog.get_records("setup") if "network" in record.message] == []
