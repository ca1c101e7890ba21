"""One task on one CT in a process of its own: ``python -m engine.spine.worker``.

A request is one line of JSON on standard input; events are lines of JSON on standard output, the
first within a fraction of a second. A detection works at lower priority; the process is the first
that the system ends when memory runs out, and dies with everything that it started when its parent
goes: standard input stays open as long as somebody wants the answer.

Knows no queue and no page; :mod:`engine.spine.runner` starts it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, NoReturn, final

from engine.errors import LightboxError, MemoryShortError, RequestError

if TYPE_CHECKING:
    from engine.imaging.volume_files.results import ReadForecast, ReadVolume
    from engine.settings import Settings
    from engine.spine.pacing import Pace

__all__ = ["Job", "WorkerRequest", "main", "parse_request"]

Job = Literal["detect", "look", "draw"]
"""``detect``: everything. ``look``: facts and forecasts from headers. ``draw``: an example's CT."""

_JOBS: tuple[Job, ...] = ("detect", "look", "draw")
_LONGEST_REQUEST = 1_000_000
_NICENESS = 5
_EVENT_EVERY_S = 0.1
_READ_MB_PER_S = 25.0  # compressed files; a first guess that the clock corrects
_DRAWING_S = 4.0
_FAULT = "This failed by a fault of ours; try it again, or choose another backend."


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRequest:
    """What one process is asked: a job on a source, and where its files go.

    ``source`` is a file, a folder of files or a ZIP; ``example`` the name of a drawn one instead.
    ``folder`` exists and belongs to this job alone. ``settings`` are variables as
    :meth:`engine.settings.Settings.as_mapping` writes them.
    """

    job: Job
    folder: Path
    settings: dict[str, str]
    source: Path | None = None
    example: str | None = None
    backend: str = "embedded"
    task: str = "total_fast"
    transitional: bool = True

    def to_json(self) -> str:
        """Return the request as one line."""
        return json.dumps(
            {
                "job": self.job,
                "folder": str(self.folder),
                "settings": self.settings,
                "source": None if self.source is None else str(self.source),
                "example": self.example,
                "backend": self.backend,
                "task": self.task,
                "transitional": self.transitional,
            }
        )


def parse_request(line: bytes) -> WorkerRequest:
    """Return the request in a line.

    Raises
    ------
    RequestError
        When it is not JSON, or a field is missing, unknown or of another type.
    """
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        raise RequestError("Expected one line of JSON, but got something else.") from None
    if not isinstance(told, dict):
        raise RequestError("Expected a JSON object with job, folder, settings and source.")
    kinds: dict[str, tuple[type, ...]] = {
        "job": (str,),
        "folder": (str,),
        "settings": (dict,),
        "source": (str, type(None)),
        "example": (str, type(None)),
        "backend": (str,),
        "task": (str,),
        "transitional": (bool,),
    }
    for name, kind in kinds.items():
        if not isinstance(told.get(name), kind):
            raise RequestError(f"{name} has to be {_words(kind)} in a request.")
    if set(told) != set(kinds):
        raise RequestError(f"A request has the fields {', '.join(kinds)} and no others.")
    settings = told["settings"]
    if not all(isinstance(value, str) for value in settings.values()):
        raise RequestError("settings has to map names to texts.")
    if told["job"] not in _JOBS:
        raise RequestError(f"job has to be one of {', '.join(_JOBS)}.")
    if (told["source"] is None) == (told["example"] is None):
        raise RequestError("A request names either a source or an example.")
    source = told["source"]
    return WorkerRequest(
        **{
            **told,
            "folder": Path(told["folder"]),
            "source": None if source is None else Path(source),
        }
    )


def _words(kinds: tuple[type, ...]) -> str:
    words = {str: "a text", dict: "an object", bool: "true or false", type(None): "null"}
    return " or ".join(words[kind] for kind in kinds)


def main() -> None:
    """Serve the one request of this process."""
    started = time.monotonic()
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no event
    events = _Events(channel, started)
    events.progress("starting", 0.0, "Starting", remaining_s=None)
    line = _read_line(sys.stdin.fileno())
    _live_only_as_long_as_the_parent(channel)
    try:
        request = parse_request(line)
        events.send(_work(request, events))
    except LightboxError as problem:
        events.send({"event": "failed", "code": problem.code, "message": str(problem)})
    except MemoryError:
        message = "The CT did not fit in memory; send a smaller one, or cut it to the spine."
        events.send({"event": "failed", "code": MemoryShortError.code, "message": message})
    except OSError as problem:
        events.send(_no_room(problem))
    except (Exception, SystemExit) as problem:  # noqa: BLE001 – the parent is told, whatever it is
        events.send(_fault(problem))


# --- events --------------------------------------------------------------------------------------


@final
class _Events:
    """Lines of JSON to whoever started us; progress is thinned out."""

    def __init__(self, channel: IO[str], started: float) -> None:
        self._channel = channel
        self._started = started
        self._last = ("", 0.0)

    def send(self, event: dict[str, Any]) -> None:
        """Write one event."""
        self._channel.write(json.dumps(event, ensure_ascii=True, allow_nan=False) + "\n")
        self._channel.flush()

    def progress(self, step: str, done: float, text: str, *, remaining_s: float | None) -> None:
        """Write progress, unless the same step told some a moment ago."""
        now = time.monotonic()
        if self._last[0] == step and now - self._last[1] < _EVENT_EVERY_S:
            return
        self._last = (step, now)
        self.send(
            {
                "event": "progress",
                "step": step,
                "done": round(done, 4),
                "text": text,
                "elapsed_s": round(now - self._started, 2),
                "remaining_s": None if remaining_s is None else round(remaining_s, 1),
            }
        )


def _no_room(problem: OSError) -> dict[str, Any]:
    import errno

    if problem.errno not in (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM):
        return _fault(problem)
    what = "memory" if problem.errno == errno.ENOMEM else "room on the disk for temporary files"
    message = f"There is too little {what} for this CT; send a smaller one, or make room."
    return {"event": "failed", "code": MemoryShortError.code, "message": message}


def _fault(problem: BaseException) -> dict[str, Any]:
    """Tell a bug by its kind and place; never by its message, which may quote a file."""
    frames = traceback.extract_tb(problem.__traceback__)
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[-6:]]
    return {
        "event": "failed",
        "code": "internal",
        "message": _FAULT,
        "fault": f"{type(problem).__name__} at {' > '.join(places)}",
    }


# --- life and death ------------------------------------------------------------------------------


def _read_line(descriptor: int) -> bytes:
    """Read one line without reading ahead: the end of the input is somebody else's to see."""
    line = b""
    while not line.endswith(b"\n") and len(line) < _LONGEST_REQUEST:
        part = os.read(descriptor, 65_536)
        if not part:
            break
        line += part
    return line


def _live_only_as_long_as_the_parent(channel: IO[str]) -> None:
    """Leave a small guard behind that ends our whole process group when it is time.

    It is a process and not a thread, so that no busy library can hold it up. It sees the end of
    standard input when the parent closes it or is gone, and the end of a pipe when we are.
    """
    if os.getpgrp() != os.getpid():
        os.setpgrp()  # started by hand: the shell's group is not ours to end
    ours, guards = os.pipe()
    if os.fork() == 0:
        os.close(guards)
        with suppress(OSError, ValueError):
            os.close(channel.fileno())
        _guard(sys.stdin.fileno(), ours)
    os.close(ours)  # `guards` stays open until this process ends
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)
    with suppress(OSError):  # no such file on other systems than Linux
        Path("/proc/self/oom_score_adj").write_text("600", encoding="ascii")


def _guard(parent: int, worker: int) -> NoReturn:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    ended = False
    while not ended:
        ready, _, _ = select.select([parent, worker], [], [])
        # Anything but the end is of no interest: nobody sends a second line.
        ended = worker in ready or not os.read(parent, 4096)
    os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(0)


# --- work ----------------------------------------------------------------------------------------


def _work(request: WorkerRequest, events: _Events) -> dict[str, Any]:
    from engine.settings import Settings

    settings = Settings.from_env(request.settings)
    if request.job == "draw":
        return _draw(request, events)
    if request.job == "look":
        from engine.spine.looking import look_at

        return {"event": "looked", "look": look_at(request.source, request.example, settings)}
    return _detect(request, settings, events)


def _draw(request: WorkerRequest, events: _Events) -> dict[str, Any]:
    from engine.spine.examples import example_nifti, find_example

    events.progress("drawing", 0.1, "Drawing the example", remaining_s=_DRAWING_S)
    data = example_nifti(find_example(request.example))
    (request.folder / "ct.nii.gz").write_bytes(data)
    return {"event": "done"}


def _detect(request: WorkerRequest, settings: Settings, events: _Events) -> dict[str, Any]:
    from engine.memory_guard import MemoryGuard
    from engine.spine.backends import checked_backend, checked_task, open_segmenter
    from engine.spine.pacing import Pace

    os.nice(_NICENESS)  # whoever only looks is waited for
    backend, task = checked_backend(request.backend), checked_task(request.task)
    guard = MemoryGuard(floor_mb=settings.memory_floor_mb)
    pace = Pace({"reading": _reading_s(request), "finding": 10.0, "saving": 1.0})
    tell = _Teller(events, pace)
    tell("reading", 0.0, "Opening the CT")
    segmenter = open_segmenter(backend, settings, task=task)

    def before_reading(forecast: ReadForecast) -> None:
        guard.require(forecast.need_mb, what=forecast.what)
        spacing = forecast.spacing_mm or (1.0, 1.0, 1.0)
        pace.expect("finding", segmenter.forecast(forecast.shape, spacing).seconds)

    read, reading_ms = _read(request, settings, tell, before_reading)
    events.send({"event": "read"})

    # The detector's libraries come here, after the reader's: the first events are out by now.
    from dataclasses import replace

    from engine.inference import timings
    from engine.spine.detecting import detect
    from engine.spine.saved import save, size_mb
    from engine.spine.segmenters import RunWatch

    _require_disk(request.folder, size_mb(read.volume.shape, len(read.headers)))
    with timings.timed(f"vertebrae ({backend})"):
        detection = detect(
            read,
            segmenter,
            transitional=request.transitional,
            task=None if backend == "embedded" else task,
            watch=RunWatch(
                on_progress=lambda progress: tell("finding", progress.done, progress.text),
                before=lambda need_mb, what: guard.require(need_mb, what=what),
            ),
        )
    timings.TIMINGS.leave(timings.folder_of(settings))
    tell("saving", 0.0, "Saving the result")
    detection = replace(detection, timings_ms={"reading": reading_ms, **detection.timings_ms})
    save(detection, request.folder / "result", read.headers)
    return {"event": "done", "vertebrae": len(detection.found)}


def _reading_s(request: WorkerRequest) -> float:
    if request.source is None:
        return _DRAWING_S
    path = request.source
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return 1.0 + sum(one.stat().st_size for one in files) / 1e6 / _READ_MB_PER_S


def _read(
    request: WorkerRequest,
    settings: Settings,
    tell: _Teller,
    before_reading: Callable[[ReadForecast], object],
) -> tuple[ReadVolume, float]:
    """Return the CT and the milliseconds that reading took."""
    began = time.perf_counter()
    if request.source is None:
        from engine.spine.examples import draw_example, find_example

        tell("reading", 0.1, "Drawing the example")
        read = draw_example(find_example(request.example))
    else:
        from engine.imaging.volume_files import read_volume
        from engine.imaging.volume_files.results import Watch
        from engine.spine.limits import limits_of

        read = read_volume(
            request.source,
            limits=limits_of(settings),
            watch=Watch(
                before_reading=before_reading,
                on_progress=lambda done, total: tell(
                    "reading", done / max(1, total), f"Slice {done} of {total}"
                ),
            ),
            scratch=request.folder,
        )
    return read, (time.perf_counter() - began) * 1000.0


def _require_disk(folder: Path, need_mb: float) -> None:
    import shutil

    free_mb = shutil.disk_usage(folder).free / 1e6
    if free_mb < need_mb + 100.0:
        raise MemoryShortError(
            f"The result needs about {need_mb:.0f} MB on the disk for temporary files, but only "
            f"{free_mb:.0f} MB are free; make room, or set LIGHTBOX_TEMP_DIR to another disk."
        )


@final
class _Teller:
    """Progress of the whole from that of its steps."""

    def __init__(self, events: _Events, pace: Pace) -> None:
        self._events = events
        self._pace = pace

    def __call__(self, step: str, part: float, text: str) -> None:
        done = self._pace.at(step, part)
        self._events.progress(step, done, text, remaining_s=self._pace.remaining_s())


if __name__ == "__main__":
    main()
    os._exit(0)  # everything is said; taking large libraries down in order only costs time
