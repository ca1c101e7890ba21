"""What headers tell of a CT before anything is read: its size, and what each backend would take."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from engine.errors import VolumeError
from engine.imaging.volume_files import read_volume
from engine.imaging.volume_files.results import ReadForecast, SeriesNote, Watch
from engine.memory_guard import MemoryGuard
from engine.settings import Settings
from engine.spine.backends import open_segmenter
from engine.spine.documents import series_json
from engine.spine.examples import Example, find_example
from engine.spine.limits import limits_of
from engine.spine.segmenters import BACKENDS, TASKS, Backend, Task
from engine.spine.weights import WeightsModel, missing_models, models, models_needed

__all__ = ["look_at"]

Document = dict[str, Any]


def look_at(source: Path | None, example: str | None, settings: Settings) -> Document:
    """Return ``{"input": facts, "forecasts": …}`` from headers alone.

    ``forecasts`` has, for each backend, ``{"ready", "why", "download", "seconds", "memory_mb",
    "fits"}``; for those with a choice of weights one of these for each task. ``download`` names
    the models whose download would make it ready; ``fits`` is about memory, reading included.

    Raises
    ------
    InputError
        As reading does: no CT, too large, damaged.
    """
    forecast = _of_example(find_example(example)) if source is None else _of_files(source, settings)
    spacing = forecast.spacing_mm or (1.0, 1.0, 1.0)
    return {
        "input": {
            "kind": forecast.kind,
            "shape": list(forecast.shape),
            "spacing_mm": [round(step, 4) for step in spacing],
            "series": None if forecast.series is None else series_json(forecast.series),
            "other_series": [series_json(other) for other in forecast.others],
            "read_memory_mb": round(forecast.need_mb),
        },
        "forecasts": {name: _of_backend(name, forecast, spacing, settings) for name in BACKENDS},
    }


class _Seen(Exception):  # noqa: N818 – no error: it ends the reading once the headers are known
    def __init__(self, forecast: ReadForecast) -> None:
        super().__init__()
        self.forecast = forecast


def _of_files(source: Path, settings: Settings) -> ReadForecast:
    def stop(forecast: ReadForecast) -> NoReturn:
        raise _Seen(forecast)

    try:
        read_volume(source, limits=limits_of(settings), watch=Watch(before_reading=stop))
    except _Seen as seen:
        return seen.forecast
    raise VolumeError("Expected a CT, but the file could be read without one; send it again.")


def _of_example(example: Example) -> ReadForecast:
    i, j, k = example.shape
    return ReadForecast(
        shape=example.shape,
        need_mb=i * j * k * 48 / 1e6,  # drawing takes 40 bytes for each voxel
        what=f"drawing an example of {i}×{j}×{k} voxels",
        spacing_mm=example.spacing_mm,
        kind="nifti",
        series=SeriesNote(
            description=f"{example.title}, a drawn example",
            slices=k,
            reason="the only volume",
            is_usable=True,
        ),
    )


def _of_backend(
    backend: Backend,
    forecast: ReadForecast,
    spacing: tuple[float, float, float],
    settings: Settings,
) -> Document:
    if backend == "embedded":
        return _of_task(backend, "total_fast", forecast, spacing, settings)
    return {task: _of_task(backend, task, forecast, spacing, settings) for task in TASKS}


def _of_task(
    backend: Backend,
    task: Task,
    forecast: ReadForecast,
    spacing: tuple[float, float, float],
    settings: Settings,
) -> Document:
    segmenter = open_segmenter(backend, settings, task=task)
    expected = segmenter.forecast(forecast.shape, spacing)
    lacking = segmenter.missing()
    absent = _absent_weights(backend, task, settings, lacking)
    if absent:  # the full sentence names a folder, which is the operator's business
        lacking = f"Not installed yet: {'; '.join(model.title for model in absent)}."
    guard = MemoryGuard(floor_mb=settings.memory_floor_mb)
    return {
        "ready": lacking is None,
        "why": lacking,
        "download": [model.name for model in absent],
        "seconds": round(expected.seconds, 1),
        "memory_mb": round(expected.memory_mb),
        "fits": guard.has_room(forecast.need_mb + expected.memory_mb),
    }


def _absent_weights(
    backend: Backend, task: Task, settings: Settings, lacking: str | None
) -> tuple[WeightsModel, ...]:
    """Return the models that have to be downloaded, when nothing else is lacking."""
    if lacking is None or lacking != missing_models(settings, backend, task):
        return ()
    states = {state.model.name: state.status for state in models(settings)}
    needed = models_needed(backend, task)
    return tuple(model for model in needed if states[model.name] != "installed")
