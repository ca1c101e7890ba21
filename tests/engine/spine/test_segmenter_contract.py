"""What every backend owes the seam: the same promises, asked of each of them.

The embedded one runs as it ships. The other two run with random weights: nnU-Net's in our own
prediction, and TotalSegmentator's process with a stand-in for the library (its own tests run the
real one).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import pytest

from engine.errors import MemoryShortError
from engine.imaging.volumes import Volume
from engine.settings import Settings
from engine.spine.backends import open_segmenter
from engine.spine.phantoms import spine_phantom
from engine.spine.segmenters import (
    BACKENDS,
    LABEL_NAMES,
    Backend,
    Progress,
    RunWatch,
    Segmentation,
    SpineSegmenter,
)
from tests.engine.spine.tiny_weights import write_weights
from tests.engine.spine.totalsegmentator.stand_in import write_stand_in
from tests.processes import started_here

pytest.importorskip("totalsegmentator")


@final
@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A backend that is ready, and what one run of it said and gave."""

    name: Backend
    settings: Settings
    segmenter: SpineSegmenter
    volume: Volume
    before: np.ndarray
    result: Segmentation
    progress: tuple[Progress, ...]
    needs: tuple[tuple[float, str], ...]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings with random weights of the 3 mm model."""
    folder = tmp_path_factory.mktemp("weights")
    write_weights(folder / "totalseg", [297])
    return Settings(home=folder / "home", totalseg_home=folder / "totalseg", threads=1)


@pytest.fixture(scope="module", params=BACKENDS)
def backend(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Backend]:
    """Each backend; TotalSegmentator's process finds our stand-in before the library."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "totalsegmentator":
            folder = write_stand_in(tmp_path_factory.mktemp("library"))
            patch.setenv("PYTHONPATH", str(folder))
        yield request.param


@pytest.fixture(scope="module")
def volume() -> Volume:
    """A lumbar CT, its axes from left, back and head in another order: P, S, R."""
    return spine_phantom(
        np.random.default_rng(5),
        levels=("L2", "L4"),
        spacing_mm=3.0,
        fov_mm=(130, 130),
        axis_codes="PSR",
    ).volume


@pytest.fixture(scope="module")
def contestant(backend: Backend, settings: Settings, volume: Volume) -> Contestant:
    """Each backend after one run."""
    progress: list[Progress] = []
    needs: list[tuple[float, str]] = []
    segmenter = open_segmenter(backend, settings)
    before = volume.voxels.copy()
    result = segmenter.segment(
        volume,
        RunWatch(on_progress=progress.append, before=lambda need, what: needs.append((need, what))),
    )
    return Contestant(
        name=backend,
        settings=settings,
        segmenter=segmenter,
        volume=volume,
        before=before,
        result=result,
        progress=tuple(progress),
        needs=tuple(needs),
    )


def test_a_backend_that_is_there_misses_nothing(contestant: Contestant) -> None:
    """Its name is the one it was opened by, and it says that it is ready."""
    assert contestant.segmenter.name == contestant.name
    assert contestant.segmenter.missing() is None


def test_forecasts_grow_with_the_ct(contestant: Contestant) -> None:
    """Time and memory are above 0, and more for eight times as many voxels of the same size."""
    small = contestant.segmenter.forecast((128, 128, 100), (3.0, 3.0, 3.0))
    large = contestant.segmenter.forecast((256, 256, 200), (3.0, 3.0, 3.0))
    assert 0 < small.seconds < large.seconds
    assert 0 < small.memory_mb < large.memory_mb
    assert "256×256×200" in large.what


def test_labels_lie_on_the_grid_that_was_given(contestant: Contestant) -> None:
    """Shape of the volume in its own axis order, uint8, and only codes that have a name."""
    labels = contestant.result.labels
    assert labels.shape == contestant.volume.shape
    assert labels.dtype == np.uint8
    assert set(np.unique(labels).tolist()) <= {0, *LABEL_NAMES}


def test_the_ct_itself_is_left_as_it_was(contestant: Contestant) -> None:
    """Voxels and affine still belong to the caller."""
    assert np.array_equal(contestant.volume.voxels, contestant.before)
    assert contestant.volume.axis_codes == ("P", "S", "R")


def test_opinions_are_about_codes_in_the_map(contestant: Contestant) -> None:
    """Confidences, agreement and centres name vertebrae of the map; centres lie in the picture."""
    result = contestant.result
    present = set(np.unique(result.labels).tolist()) - {0}
    assert set(result.confidences) <= present
    assert set(result.agreement or {}) <= present
    assert set(result.centres_mm or {}) <= present
    for centre in (result.centres_mm or {}).values():
        voxel = contestant.volume.voxel([centre])[0]
        assert (voxel > -1).all()
        assert (voxel < contestant.volume.shape).all()


def test_the_answer_says_who_gave_it(contestant: Contestant) -> None:
    """A name and version for people; notes are sentences."""
    assert len(contestant.result.model) > 3
    assert all(note.endswith(".") for note in contestant.result.notes)


def test_progress_never_falls_and_ends_at_one(contestant: Contestant) -> None:
    """Several steps with words; the last says that all is done."""
    done = [progress.done for progress in contestant.progress]
    assert len(done) >= 3
    assert done == sorted(done)
    assert done[-1] == 1.0
    assert all(progress.text and progress.step for progress in contestant.progress)


def test_memory_is_asked_for_as_forecast(contestant: Contestant) -> None:
    """At least as much as the forecast says is asked for, with the step in words."""
    forecast = contestant.segmenter.forecast(contestant.volume.shape, contestant.volume.spacing_mm)
    assert max(need for need, _ in contestant.needs) >= 0.99 * forecast.memory_mb
    assert all(what for _, what in contestant.needs)


class Stopped(Exception):  # noqa: N818 – no error
    """What a listener raises to cancel."""


def listener_that_stops(at: float) -> Callable[[Progress], None]:
    def listen(progress: Progress) -> None:
        if progress.done >= at:
            raise Stopped

    return listen


@pytest.mark.parametrize("at", [0.0, 0.3])
def test_raising_from_progress_cancels_and_leaves_nothing(
    contestant: Contestant, at: float
) -> None:
    """The very exception comes back; no process is left, and no temporary file."""
    watch = RunWatch(on_progress=listener_that_stops(at))
    segmenter = open_segmenter(contestant.name, contestant.settings)
    with pytest.raises(Stopped):
        segmenter.segment(contestant.volume, watch)
    assert started_here() == []
    left = contestant.settings.temp_folder
    assert not left.exists() or not [path for path in left.rglob("*") if path.is_file()]


def test_too_little_memory_ends_it_before_the_network_begins(contestant: Contestant) -> None:
    """The guard's error comes back; no patch was looked at."""
    heard: list[Progress] = []

    def refuse(need_mb: float, what: str) -> None:
        raise MemoryShortError(f"Too little for {what}: {need_mb:.0f} MB.")

    segmenter = open_segmenter(contestant.name, contestant.settings)
    with pytest.raises(MemoryShortError, match="Too little for"):
        segmenter.segment(contestant.volume, RunWatch(on_progress=heard.append, before=refuse))
    assert not any(progress.text.startswith("Patch") for progress in heard)


@pytest.mark.parametrize("name", ["nnunet", "totalsegmentator"])
@pytest.mark.parametrize("task", ["total", "vertebrae_pp"])
def test_weights_that_are_not_there_are_told(name: Backend, task: str, settings: Settings) -> None:
    """A sentence that says what to do, and opening and forecasting work all the same."""
    segmenter = open_segmenter(name, settings, task=task)
    lacking = segmenter.missing()
    assert lacking is not None
    assert "ownload" in lacking
    assert lacking.endswith(".")
    assert segmenter.forecast((256, 256, 200), (1.5, 1.5, 1.5)).seconds > 0
