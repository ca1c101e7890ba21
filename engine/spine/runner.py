"""Detections one after another, each in a worker process, with their results kept for a while.

A :class:`SpineRunner` belongs to one application. It owns one folder below the folder for uploads;
each run has a folder of its own there with a name that nobody can guess. Results are forgotten a
quarter of an hour after they were last asked for, and all of them when the runner is closed.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

from engine.errors import BusyError, LightboxError, RequestError
from engine.home import private_folder
from engine.settings import Settings
from engine.spine.backends import checked_backend, checked_task
from engine.spine.examples import Example
from engine.spine.processes import WorkerProcess, error_of
from engine.spine.segmenters import Backend, Task
from engine.spine.worker import WorkerRequest

if TYPE_CHECKING:
    from engine.spine.saved import SavedDetection

__all__ = ["Look", "Request", "Run", "RunState", "SpineRunner", "State"]

_LOG = logging.getLogger(__name__)
_COMMAND = (sys.executable, "-m", "engine.spine.worker")

KEPT_S = 15 * 60.0
MOST_RESULTS = 24
MOST_RESULT_BYTES = 8_000_000_000
LOOK_TIMEOUT_S = 60.0
MOST_LOOKS = 2
_SWEEP_EVERY_S = 20.0
_A_RUN_S = 20

State = Literal["queued", "running", "done", "failed", "cancelled"]
"""``queued`` and ``running`` go on; the other three are the last."""

_ENDED = ("done", "failed", "cancelled")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody wants: a CT, who looks for vertebrae in it, and how.

    ``source`` is a path (a file, a folder with the files of one upload, a ZIP) or an example.
    ``delete_source`` removes the path as soon as it was read, or when the run ends otherwise.

    Raises
    ------
    RequestError
        When there is no such backend or task.
    """

    source: Path | Example
    backend: Backend = "embedded"
    task: Task = "total_fast"
    transitional: bool = True
    delete_source: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.source, Path | Example):
            raise RequestError("source has to be a path or an example.")
        checked_backend(self.backend)
        checked_task(self.task)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What headers told: ``facts`` of the CT, and ``forecasts`` for each backend; JSON values."""

    facts: dict[str, Any]
    forecasts: dict[str, Any]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """How a run is at one moment.

    ``progress`` is in 0..1 of the whole. ``elapsed_s`` counts from the request on. ``remaining_s``
    is an estimate, None when there is none. ``ahead`` counts the runs before this one in the line.
    ``error`` is ``(code, message)`` of a run that failed.
    """

    state: State
    step: str = "waiting"
    progress: float = 0.0
    text: str = ""
    elapsed_s: float = 0.0
    remaining_s: float | None = None
    ahead: int = 0
    error: tuple[str, str] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in _ENDED

    def document(self) -> dict[str, Any]:
        """Return the state as a JSON document."""
        told: dict[str, Any] = {
            "state": self.state,
            "step": self.step,
            "progress": round(self.progress, 4),
            "text": self.text,
            "elapsed_s": round(self.elapsed_s, 1),
            "remaining_s": self.remaining_s,
            "ahead": self.ahead,
        }
        if self.error is not None:
            told["error"] = {"code": self.error[0], "message": self.error[1]}
        return told


@final
class Run:
    """One detection: waiting, running, or ended with a result. Made by :meth:`SpineRunner.start`.

    All methods may be called from any thread.
    """

    def __init__(
        self, request: Request, folder: Path, clock: Callable[[], float], cancel: Callable[[], None]
    ) -> None:
        self.id = secrets.token_urlsafe(24)
        self.request = request
        self.folder = folder / self.id
        self.last_used = clock()
        self.size_bytes = 0
        self._clock = clock
        self._cancel = cancel
        self._began = time.monotonic()
        self._changed = threading.Condition()
        self._shifting = threading.Lock()
        self._state = RunState(state="queued", text="Waiting for the CT before this one")
        self._saved: SavedDetection | None = None

    @property
    def state(self) -> RunState:
        """How the run is now."""
        with self._changed:
            return self._now()

    def touch(self) -> None:
        """Say that somebody still wants the result."""
        self.last_used = self._clock()

    def events(self, *, heartbeat_s: float | None = None) -> Iterator[RunState]:
        """Yield the present state and each later one until the run has ended.

        Any number of listeners may come, at any time. A slow one misses states in between, never
        the last. With ``heartbeat_s`` the state is repeated when nothing has changed for so long.
        """
        seen: RunState | None = None
        while seen is None or not seen.has_ended:
            with self._changed:
                if self._state is seen:
                    self._changed.wait(heartbeat_s)
                seen, told = self._state, self._now()
            self.touch()
            yield told

    def _now(self) -> RunState:
        if self._state.has_ended:
            return self._state
        return replace(self._state, elapsed_s=time.monotonic() - self._began)

    def wait(self, timeout_s: float | None = None) -> RunState:
        """Return the last state, or the present one when the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._state.has_ended, timeout_s)
            return self._state

    def cancel(self) -> None:
        """Stop the run, end its processes and remove its files; a result is forgotten, too."""
        self._cancel()

    @property
    def saved(self) -> SavedDetection:
        """The result.

        Raises
        ------
        RequestError
            When the run has none (yet).
        """
        with self._changed:
            state, saved = self._state, self._saved
        if saved is None or state.state != "done":
            raise RequestError(
                f"Expected a run that is done, but this one is {state.state}; wait for its last "
                "event, or start it again."
            )
        self.touch()
        return saved

    def shift(self, steps: int) -> SavedDetection:
        """Move all names of the result by ``steps`` levels and return it.

        Raises
        ------
        RequestError
            When the run has no result, or a name would leave the spine.
        """
        with self._shifting:  # two clicks at once are two steps
            moved = self.saved.renamed(steps)
            with self._changed:
                if self._saved is not None:
                    self._saved = moved
            return moved

    def document(self) -> dict[str, Any]:
        """Return the result document; see :mod:`engine.spine.documents`."""
        return self.saved.document()

    def export(self, name: str) -> tuple[str, str, bytes]:
        """Return file name, media type and bytes of a download; see :mod:`engine.spine.exports`.

        Raises
        ------
        RequestError
            When there is no such download, or this result does not allow it.
        """
        from engine.spine.exports import EXPORTS

        saved = self.saved
        chosen = EXPORTS.get(name)
        if chosen is None:
            raise RequestError(f"There is no such download; choose one of {', '.join(EXPORTS)}.")
        reason = chosen.why_not(saved)
        if reason is not None:
            raise RequestError(reason)
        return chosen.file_name, chosen.media_type, chosen.make(saved)

    def update(self, **changes: Any) -> bool:  # noqa: ANN401 – fields of RunState
        """Set fields of the state, unless the run has ended; return whether it was set."""
        with self._changed:
            if self._state.has_ended:
                return False
            changes.setdefault("elapsed_s", time.monotonic() - self._began)
            self._state = replace(self._state, **changes)
            self._changed.notify_all()
            return True

    def keep(self, saved: SavedDetection) -> None:
        """Set the result, before the state becomes ``done``."""
        with self._changed:
            self._saved = saved
            self.size_bytes = _size_bytes(self.folder)

    def withdraw(self) -> None:
        """End as cancelled, whatever it was before: the result is gone."""
        with self._changed:
            self._saved = None
            if self._state.state in ("queued", "running", "done"):
                self._state = replace(
                    self._state,
                    state="cancelled",
                    text="Cancelled",
                    remaining_s=None,
                    elapsed_s=time.monotonic() - self._began,
                )
            self._changed.notify_all()


@final
class SpineRunner:
    """Runs detections one after another and keeps their results for a while.

    Parameters
    ----------
    settings
        ``spine_queue`` is how many may wait.
    folder
        Where private folders go; a new one of its own when None.
    clock
        Seconds that only grow, for forgetting results.
    command
        What starts a worker process.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        folder: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        command: Sequence[str] = _COMMAND,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._clock = clock
        self._command = tuple(command)
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._waiting: deque[Run] = deque()
        self._runs: dict[str, Run] = {}
        self._current: tuple[Run, WorkerProcess] | None = None
        self._looks: set[WorkerProcess] = set()
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def folder(self) -> Path:
        """The folder of this runner, made when it is first needed."""
        with self._lock:
            return self._own_folder()

    def __enter__(self) -> SpineRunner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def waiting(self) -> int:
        """How many runs wait, the one at work not counted."""
        with self._lock:
            return len(self._waiting)

    @property
    def busy(self) -> bool:
        """Whether a run is at work."""
        with self._lock:
            return self._current is not None

    # --- asking -------------------------------------------------------------------------------

    def look(self, source: Path | Example) -> Look:
        """Return what headers tell of a CT, and what each backend would take; reads no voxel.

        Raises
        ------
        InputError
            When there is no CT, it is too large, or its headers take too long to read.
        BusyError
            When others are being looked at.
        """
        from engine.errors import VolumeError

        with self._aside("look", source) as process:
            events = {event["event"]: event for event in process.events(LOOK_TIMEOUT_S)}
            if process.timed_out:
                raise VolumeError(
                    f"Reading the headers of this CT took longer than {LOOK_TIMEOUT_S:.0f} s; "
                    "send one series only, or convert it to NIfTI."
                )
        if "looked" not in events:
            raise error_of(events.get("failed"), process.exit_code)
        look = events["looked"]["look"]
        return Look(facts=look["input"], forecasts=look["forecasts"])

    def example_file(self, example: Example) -> Path:
        """Return an example's CT as ``.nii.gz``; it is drawn when somebody first asks.

        Raises
        ------
        BusyError
            When others are being drawn or looked at.
        """
        target = self.folder / f"example-{example.name}.nii.gz"
        if target.exists():
            return target
        with self._aside("draw", example) as process:
            events = {event["event"]: event for event in process.events(LOOK_TIMEOUT_S)}
            if "done" not in events:
                raise error_of(events.get("failed"), process.exit_code)
            (process.folder / "ct.nii.gz").replace(target)
        return target

    def start(self, request: Request) -> Run:
        """Put a run into the line and return it at once.

        Raises
        ------
        BusyError
            When as many wait as the settings allow.
        """
        with self._work:
            self._require_open()
            if len(self._waiting) >= self._settings.spine_queue + (self._current is None):
                raise BusyError(
                    f"{len(self._waiting)} CTs are waiting already; try again in "
                    f"{_A_RUN_S} seconds.",
                    retry_after_s=_A_RUN_S,
                )
            run = Run(request, self._own_folder(), self._clock, lambda: self._cancel(run))
            self._runs[run.id] = run
            self._waiting.append(run)
            self._tell_places()
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="spine", daemon=True)
                self._thread.start()
            self._work.notify_all()
        return run

    def find(self, run_id: str) -> Run | None:
        """Return a run by its id; None when there is none, or it was forgotten."""
        with self._lock:
            run = self._runs.get(run_id)
        if run is None:
            return None
        if run.state.has_ended and self._clock() - run.last_used > KEPT_S:
            self.sweep()
            return None
        run.touch()
        return run

    # --- ending -------------------------------------------------------------------------------

    def sweep(self) -> None:
        """Forget results that nobody asked for lately, and the oldest when there are too many."""
        now = self._clock()
        with self._lock:
            ended = sorted(
                (run for run in self._runs.values() if run.state.has_ended),
                key=lambda run: run.last_used,
            )
            gone = [run for run in ended if now - run.last_used > KEPT_S]
            kept = [run for run in ended if run not in gone]
            gone += kept[: max(0, len(kept) - MOST_RESULTS)]
            kept = kept[max(0, len(kept) - MOST_RESULTS) :]
            while sum(run.size_bytes for run in kept) > MOST_RESULT_BYTES and len(kept) > 1:
                gone.append(kept.pop(0))
            for run in gone:
                del self._runs[run.id]
        for run in gone:
            run.withdraw()
            _finish(run)

    def close(self) -> None:
        """End every process and remove every file; runs that had not ended are cancelled."""
        with self._work:
            self._closed = True
            runs, looks, thread = list(self._runs.values()), list(self._looks), self._thread
            self._work.notify_all()
        for run in runs:
            self._cancel(run)
        for look in looks:
            look.kill()
        if thread is not None:
            thread.join(10)
        with self._lock:
            folder, self._folder = self._folder, None
        if folder is not None:
            _remove(folder)

    def _cancel(self, run: Run) -> None:
        with self._lock:
            if run in self._waiting:
                self._waiting.remove(run)
                self._tell_places()
            self._runs.pop(run.id, None)
            current = self._current
        run.withdraw()
        if current is not None and current[0] is run:
            current[1].kill()  # the thread that serves it removes what is written until then
        _finish(run)

    # --- serving ------------------------------------------------------------------------------

    def _serve(self) -> None:
        while True:
            with self._work:
                while not self._waiting and not self._closed:
                    if not self._work.wait(_SWEEP_EVERY_S):
                        break
                if self._closed:
                    return
                run = self._waiting.popleft() if self._waiting else None
                process = None
                if run is not None:
                    process = self._begin(run)
                    self._tell_places()
            if run is None or process is None:
                self.sweep()
                continue
            try:
                self._follow(run, process)
            except Exception:  # noqa: BLE001 – the next run must not wait for a thread that is gone
                _LOG.exception("A detection failed by a fault of ours")
                run.update(state="failed", error=("internal", str(error_of(None, None))))
            finally:
                process.end()
                with self._lock:
                    self._current = None
                if run.state.state == "done":
                    _delete_source(run.request)
                else:
                    _finish(run)
                self.sweep()

    def _begin(self, run: Run) -> WorkerProcess | None:
        """Start the process of a run; called with the lock held."""
        try:
            run.folder.mkdir(mode=0o700)
            process = WorkerProcess(self._command, self._worker_request("detect", run))
        except OSError as problem:
            _LOG.error("A worker could not be started: %s", problem.strerror)
            message = "The detection could not be started on this machine; try again later."
            run.update(state="failed", error=("internal", message))
            _finish(run)
            return None
        self._current = (run, process)
        run.update(state="running", step="starting", text="Starting", ahead=0)
        return process

    def _follow(self, run: Run, process: WorkerProcess) -> None:
        """Pass on what the process says until it ends."""
        last: dict[str, Any] | None = None
        for event in process.events(None):
            if event["event"] == "progress":
                run.update(
                    step=event["step"],
                    progress=event["done"],
                    text=event["text"],
                    remaining_s=event["remaining_s"],
                )
            elif event["event"] == "read":
                _delete_source(run.request)
            elif event["event"] in ("done", "failed"):
                last = event
        process.end()
        if last is not None and last["event"] == "done":
            from engine.spine.saved import SavedDetection

            run.keep(SavedDetection.open(run.folder / "result"))
            run.touch()
            run.update(state="done", step="done", progress=1.0, text="Done", remaining_s=0.0)
            return
        if last is not None and "fault" in last:
            _LOG.error("A detection failed by a fault of ours: %s", last["fault"])
        error = error_of(last, process.exit_code)
        code = error.code if isinstance(error, LightboxError) else "internal"
        run.update(state="failed", text=str(error), error=(code, str(error)), remaining_s=None)

    def _tell_places(self) -> None:
        """Tell each waiting run how many are before it; called with the lock held."""
        for place, run in enumerate(self._waiting):
            ahead = place + (self._current is not None)
            words = "Next" if ahead == 0 else f"Waiting: {ahead} before this one"
            run.update(ahead=ahead, text=words)

    @contextlib.contextmanager
    def _aside(
        self, job: Literal["look", "draw"], source: Path | Example
    ) -> Iterator[WorkerProcess]:
        """Run a short job beside the line, a few at a time, in a folder that goes away."""
        with self._lock:
            self._require_open()
            if len(self._looks) >= MOST_LOOKS:
                raise BusyError("Other CTs are being looked at; try again in a moment.")
            folder = self._own_folder() / f"{job}-{secrets.token_urlsafe(12)}"
            folder.mkdir(mode=0o700)
            process = WorkerProcess(
                self._command,
                WorkerRequest(
                    job=job,
                    folder=folder,
                    settings=self._settings.as_mapping(),
                    source=None if isinstance(source, Example) else source.absolute(),
                    example=source.name if isinstance(source, Example) else None,
                ),
            )
            self._looks.add(process)
        try:
            yield process
        finally:
            process.end()
            with self._lock:
                self._looks.discard(process)
            _remove(folder)

    def _worker_request(self, job: Literal["detect"], run: Run) -> WorkerRequest:
        request = run.request
        return WorkerRequest(
            job=job,
            folder=run.folder,
            settings=self._settings.as_mapping(),
            source=None if isinstance(request.source, Example) else request.source.absolute(),
            example=request.source.name if isinstance(request.source, Example) else None,
            backend=request.backend,
            task=request.task,
            transitional=request.transitional,
        )

    def _own_folder(self) -> Path:
        if self._folder is None:
            self._folder = private_folder(self._settings, "spine")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._folder

    def _require_open(self) -> None:
        if self._closed:
            raise BusyError("The server is shutting down; try again in a moment.")


def _finish(run: Run) -> None:
    """Remove all that a run without a result leaves behind."""
    _delete_source(run.request)
    _remove(run.folder)


def _delete_source(request: Request) -> None:
    if not request.delete_source or isinstance(request.source, Example):
        return
    if request.source.is_dir():
        _remove(request.source)
    else:
        with contextlib.suppress(OSError):
            request.source.unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _size_bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total
