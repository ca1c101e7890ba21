"""TotalSegmentator behind the seam: a CT in, VerSe codes on the CT's own grid out.

TotalSegmentator has no opinion about its own labels, so that every confidence is 1: what a name is
worth is the audit's to say.
"""

from __future__ import annotations

import json
import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import MissingBackendError, ModelError
from engine.imaging.volumes import Volume
from engine.inference.processors import usable_cores
from engine.spine.nnunet.mapping import code_table
from engine.spine.segmenters import Backend, Forecast, Progress, RunWatch, Segmentation, Task
from engine.spine.totalsegmentator.forecasting import forecast_run
from engine.spine.totalsegmentator.landmarks import anchors_in
from engine.spine.totalsegmentator.pace import RunPace
from engine.spine.totalsegmentator.running import RunProcess, error_after
from engine.spine.totalsegmentator.workplace import Workplace, environment_for, workplace
from engine.spine.weights.states import missing_models

if TYPE_CHECKING:
    from engine.settings import Settings

__all__ = ["TotalSegmentatorSegmenter"]

_LOG = logging.getLogger(__name__)
_INSTALL = "pip install 'TotalSegmentator>=2.18'"


@final
class TotalSegmentatorSegmenter:
    """Runs the real ``totalsegmentator()`` in a process of its own, one for each CT."""

    def __init__(self, settings: Settings, task: Task = "total_fast") -> None:
        self._settings = settings
        self._task: Task = task
        self._threads = settings.threads or usable_cores()

    @property
    def name(self) -> Backend:
        """Which of the backends this is."""
        return "totalsegmentator"

    def missing(self) -> str | None:
        """Return what to install or download; None when all is there."""
        return self._missing_library() or missing_models(
            self._settings, "totalsegmentator", self._task
        )

    def forecast(
        self, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]
    ) -> Forecast:
        """Return the memory of all processes of a run together, and its time."""
        return forecast_run(self._settings, self._task, shape, spacing_mm, threads=self._threads)

    def segment(self, volume: Volume, watch: RunWatch) -> Segmentation:
        """Find vertebrae; see :class:`engine.spine.segmenters.SpineSegmenter`.

        What ``watch.on_progress`` raises ends all processes of the run, within about half a second.

        Raises
        ------
        MissingBackendError
            When TotalSegmentator is not installed.
        ModelError
            When the weights are missing or damaged, or TotalSegmentator failed.
        MemoryShortError
            From ``watch.before``; or when the run did not fit after all.
        DiskShortError
            When the CT does not fit into the folder for temporary files.
        """
        self._require_all()
        forecast = self.forecast(volume.shape, volume.spacing_mm)
        watch.before(forecast.memory_mb, forecast.what)
        with workplace(self._settings, self._task, volume) as place:
            self._run(place, volume, watch)
            labels = np.load(place.folder / "labels.npy")
            about = json.loads((place.folder / "result.json").read_text(encoding="utf-8"))
        watch.on_progress(Progress(step="naming", done=0.95, text="Looking for landmarks"))
        found = self._segmentation(labels, about, volume)
        watch.on_progress(Progress(step="done", done=1.0, text="Vertebrae are found"))
        return found

    def _require_all(self) -> None:
        lack = self._missing_library()
        if lack is not None:
            raise MissingBackendError(lack)
        lack = self.missing()
        if lack is not None:
            raise ModelError(lack)

    def _missing_library(self) -> str | None:
        if find_spec("totalsegmentator") is not None:
            return None
        return (
            "Expected TotalSegmentator (the extra 'spine'), but it is not installed; install it "
            f"with `{_INSTALL}`, or choose the backend nnunet or embedded."
        )

    def _run(self, place: Workplace, volume: Volume, watch: RunWatch) -> None:
        request = {
            "folder": str(place.folder),
            "sockets": str(place.sockets),
            "task": self._task,
            "affine": volume.affine.tolist(),
            "device": self._settings.device,
            "threads": self._threads,
        }
        pace, failed, status, is_done = RunPace(self._task), None, 0, False
        watch.on_progress(pace.last)
        with RunProcess(request, environment_for(place.folder, self._threads)) as process:
            for event in process.events():
                if event["event"] == "failed":
                    failed = event
                elif event["event"] == "ended":
                    status = int(event["status"])
                elif event["event"] == "labelled":
                    is_done = True
                    _tell_refusals(int(event["refused"]))
                watch.on_progress(pace.after(event))
        if not is_done:
            raise error_after(failed, status)

    def _segmentation(
        self, labels: NDArray[np.uint8], about: dict[str, Any], volume: Volume
    ) -> Segmentation:
        if labels.shape != volume.shape:
            raise ModelError(
                f"Expected labels of {volume.shape} voxels from TotalSegmentator, but got "
                f"{labels.shape}; choose the backend nnunet or embedded."
            )
        _LOG.info("TotalSegmentator took %s MB (worker, largest child)", about["peak_mb"])
        names = {int(code): str(name) for code, name in about["names"].items()}
        table = code_table(names, "TotalSegmentator")
        ours = table.to_ours[labels]
        present = np.flatnonzero(np.bincount(ours.ravel(), minlength=256)).tolist()
        return Segmentation(
            labels=ours,
            whole=self._task != "vertebrae_pp",
            anchors=anchors_in(labels, volume.affine, table),
            confidences={code: 1.0 for code in present if code},
            model=f"TotalSegmentator {about['version']}, {self._task}, {about['device']}",
            notes=("Vertebrae by TotalSegmentator (Apache-2.0; doi 10.1148/ryai.230024).",),
        )


def _tell_refusals(count: int) -> None:
    if count:
        _LOG.warning("TotalSegmentator asked for the network %d times and was refused", count)
