"""A runner that finds nothing and knows everything: a drawn spine with its true labels.

What comes out is a real saved detection of the engine, so that pictures and files are real, too.
"""

from __future__ import annotations

import itertools
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import BusyError, RequestError, VolumeError
from engine.imaging.volume_files.results import ReadVolume, SeriesNote
from engine.spine.audit import Anchors
from engine.spine.detecting import detect
from engine.spine.examples import Example
from engine.spine.phantoms import SpinePhantom, spine_phantom
from engine.spine.runner import Look, Request, RunState
from engine.spine.saved import SavedDetection, save
from engine.spine.segmenters import TASKS, Forecast, RunWatch, Segmentation


@cache
def phantom() -> SpinePhantom:
    """Return a small lumbar spine."""
    return spine_phantom(
        np.random.default_rng(5), levels=("T11", "L5"), spacing_mm=3.0, fov_mm=(300.0, 300.0)
    )


def read_phantom() -> ReadVolume:
    """Return :func:`phantom` as if it had been read from a file."""
    return ReadVolume(
        volume=phantom().volume,
        kind="nifti",
        series=SeriesNote(
            description="a drawing", slices=1, reason="the only volume", is_usable=True
        ),
        others=(),
        frame="array indices (i, j, k) of the NIfTI file, from 0",
        removed=(),
        warnings=("This is a drawing of a spine, not a patient.",),
    )


class Oracle:
    """Answers with the truth of :func:`phantom`."""

    name = "embedded"

    def forecast(self, shape: tuple, spacing_mm: tuple) -> Forecast:
        """Nearly nothing."""
        return Forecast(seconds=1.0, memory_mb=10.0, what="knowing the truth")

    def missing(self) -> None:
        """Nothing."""

    def segment(self, volume: object, watch: RunWatch) -> Segmentation:
        """Return the true labels."""
        labels = phantom().labels
        return Segmentation(
            labels=labels,
            whole=True,
            anchors=Anchors(),
            confidences={int(code): 0.9 for code in np.unique(labels) if code},
            model="oracle 1",
        )


@cache
def found_folder() -> Path:
    """Return the folder of a saved detection, made once."""
    base = Path(tempfile.mkdtemp(prefix="lightbox-stand-in-"))
    save(detect(read_phantom(), Oracle()), base / "found")
    return base / "found"


class StandInRun:
    """One run; its state is set by the runner's thread."""

    def __init__(self, runner: StandInRunner, request: Request) -> None:
        self.id = secrets.token_urlsafe(24)
        self.state = RunState(state="queued", text="Next")
        self.request = request
        self.folder = runner.folder / self.id
        self.cancelled = threading.Event()
        self._runner = runner
        self._saved: SavedDetection | None = None

    @property
    def saved(self) -> SavedDetection:
        """Return the result."""
        if self._saved is None:
            raise RequestError("There is no result yet.")
        return self._saved

    def cancel(self) -> None:
        """End and forget it."""
        self.cancelled.set()
        if not self.state.has_ended or self._saved:
            self.state = replace(self.state, state="cancelled", text="Cancelled")
        self._runner.runs.pop(self.id, None)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.remove_source()

    def shift(self, steps: int) -> None:
        """Move all names."""
        self._saved = self.saved.renamed(steps)

    def export(self, name: str) -> tuple[str, str, bytes]:
        """Return a download."""
        from engine.spine.exports import EXPORTS

        chosen = EXPORTS[name]
        if reason := chosen.why_not(self.saved):
            raise RequestError(reason)
        return chosen.file_name, chosen.media_type, chosen.make(self.saved)

    def remove_source(self) -> None:
        """Remove what was uploaded, as the engine does."""
        source = self.request.source
        if self.request.delete_source and isinstance(source, Path):
            if source.is_dir():
                shutil.rmtree(source)
            else:
                source.unlink(missing_ok=True)

    def work(self) -> None:
        """Pretend to work, then give the result."""
        began = time.monotonic()
        for done in range(self._runner.steps):
            if self.cancelled.wait(self._runner.step_s):
                return
            share = (done + 1) / (self._runner.steps + 1)
            elapsed = time.monotonic() - began
            self.state = RunState(
                state="running",
                step="reading" if share < 0.2 else "finding",
                progress=share,
                text=f"Patch {done + 1} of {self._runner.steps}",
                elapsed_s=elapsed,
                remaining_s=round(elapsed * (1 - share) / share, 1),
            )
        self._finish(time.monotonic() - began)

    def _finish(self, elapsed_s: float) -> None:
        first = self._first_bytes()
        self.remove_source()
        if first.startswith(b"fail"):
            words = "Expected a CT, but the file is empty; send it again."
            error = ("bad_volume", words)
            self.state = replace(self.state, state="failed", text=words, error=error)
            return
        shutil.copytree(found_folder(), self.folder)
        self._saved = SavedDetection.open(self.folder)
        self.state = RunState(
            state="done", step="done", progress=1.0, text="Done", elapsed_s=elapsed_s
        )

    def _first_bytes(self) -> bytes:
        source = self.request.source
        if isinstance(source, Example):
            return b""
        file = source if source.is_file() else min(source.iterdir())
        return file.read_bytes()[:4]


@dataclass
class StandInRunner:
    """One run at a time, at most ``most`` of them, ``steps`` of ``step_s`` each."""

    folder: Path
    steps: int = 4
    step_s: float = 0.02
    most: int = 4
    runs: dict[str, StandInRun] = field(default_factory=dict)
    all_runs: list[StandInRun] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(run.state.state == "queued" for run in list(self.runs.values()))

    @property
    def busy(self) -> bool:
        """Whether one is at work."""
        return any(run.state.state == "running" for run in list(self.runs.values()))

    def look(self, source: Path | Example) -> Look:
        """Return facts and forecasts, or refuse what begins with ``bad``."""
        files = [source] if isinstance(source, Example) or source.is_file() else [*source.iterdir()]
        if isinstance(files[0], Path) and files[0].read_bytes()[:3] == b"bad":
            raise VolumeError("Expected a CT, but the file is a text; send DICOM or NIfTI.")
        ready = {"ready": True, "why": None, "seconds": 4.0, "memory_mb": 900, "fits": True}
        absent = {**ready, "ready": False, "why": "Download the weights first."}
        return Look(
            facts={
                "kind": "nifti" if len(files) == 1 else "dicom",
                "shape": [70, 70, 90],
                "spacing_mm": [3.0, 3.0, 3.0],
                "series": {"description": "a drawing", "slices": len(files)},
                "other_series": [],
                "read_memory_mb": 3,
            },
            forecasts={
                "embedded": ready,
                "nnunet": {task: absent | {"download": [task]} for task in TASKS},
                "totalsegmentator": {task: absent | {"download": [task]} for task in TASKS},
            },
        )

    def example_file(self, example: Example) -> Path:
        """Return a file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{example.name}.nii.gz"
        path.write_bytes(b"drawn")
        return path

    def start(self, request: Request) -> StandInRun:
        """Begin a run in a thread."""
        active = [run for run in self.runs.values() if not run.state.has_ended]
        if len(active) >= self.most:
            raise BusyError("The line is full; try again in 7 seconds.", retry_after_s=7)
        run = StandInRun(self, request)
        self.runs[run.id] = run
        self.all_runs.append(run)

        def work() -> None:
            with self._turn:
                if not run.cancelled.is_set():
                    run.work()

        threading.Thread(target=work, daemon=True).start()
        return run

    def find(self, name: str) -> StandInRun | None:
        """Return a run."""
        return self.runs.get(name)

    def close(self) -> None:
        """Cancel all runs and wait for their threads."""
        for run in list(self.runs.values()):
            run.cancel()
        with self._turn:
            shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class StandInModels:
    """Two models that download in ten steps."""

    step_s: float = 0.02
    is_there: dict[str, bool] = field(default_factory=lambda: {"total_fast": False})
    stopped: list[str] = field(default_factory=list)

    def status(self) -> dict[str, Any]:
        """Return what is there."""
        one = {"downloaded": self.is_there["total_fast"], "size_mb": 140.0, "path": "/models/x"}
        return {"total_fast": one, "vertebrae": one}

    def names(self) -> list[str]:
        """Return the names."""
        return ["total_fast", "vertebrae", "broken"]

    def download(self, name: str, stop: threading.Event) -> Iterator[dict[str, Any]]:
        """Yield reports."""
        for step in itertools.count():
            if stop.wait(self.step_s):
                self.stopped.append(name)
                return
            if name == "broken" and step == 2:
                text = "The server stopped sending; try again."
                yield {
                    "status": "failed",
                    "progress": 0.2,
                    "downloaded_mb": 28.0,
                    "total_mb": 140.0,
                    "text": text,
                    "error": {"code": "missing_backend", "message": text},
                }
                return
            share = step / 10
            is_last = share >= 1
            yield {
                "status": "complete" if is_last else "downloading",
                "progress": share,
                "downloaded_mb": 140 * share,
                "total_mb": 140.0,
                "text": "Done" if is_last else "Downloading",
            }
            if is_last:
                self.is_there["total_fast"] = True
                return
