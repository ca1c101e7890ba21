"""The process of one job: ``python -m engine.jobs.process``, started by a worker.

Its request is one line of JSON on standard input. It dies with the worker, and everything that it
started dies with it; it is the first that the system ends when memory runs out. How the job ended
it writes down in the job's folder, so that nothing depends on the worker being there to hear it.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, final

from engine.errors import (
    DiskShortError,
    JobCancelledError,
    LightboxError,
    MemoryShortError,
    NotFoundError,
)
from engine.jobs.lifeline import die_with_parent, hold_lock, leave_guard, limit_memory, yield_first

if TYPE_CHECKING:
    from engine.jobs.context import JobContext
    from engine.jobs.outcomes import Outcome

__all__ = ["JobRequest", "main"]

_BEAT_EVERY_S: Final = 1.0
_LONGEST_REQUEST: Final = 1_000_000
_FAULT: Final = "This job failed by a fault of ours, which was logged; try it again."


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What one process is asked to do, by which worker, and how much memory it may take."""

    job: str
    attempt: int
    run: str
    settings: dict[str, str]
    parent: int
    memory_limit_mb: float
    silence_s: float

    def to_line(self) -> bytes:
        """Return the request as one line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"


def main() -> None:
    """Serve the one request of this process."""
    request = JobRequest(**json.loads(_read_line(sys.stdin.fileno())))
    die_with_parent(request.parent)
    leave_guard()
    yield_first()
    limit_memory(request.memory_limit_mb)

    # Imported here, so that the guard above is there before anything large.
    from engine.jobs.context import JobContext
    from engine.jobs.folders import JobFolder
    from engine.jobs.outcomes import write_outcome
    from engine.settings import Settings
    from engine.store import Store

    settings = Settings.from_env(request.settings)
    logging.basicConfig(
        level=settings.log_level,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    folder = JobFolder.of(settings, request.job)
    lock = hold_lock(folder.lock)
    store = Store(settings.home / "records")
    job = store.jobs.read().get(request.job)
    if job is None or job.attempts != request.attempt:
        raise NotFoundError("This attempt is over before it began; somebody reset the job.")
    context = JobContext(job, settings, store=store)
    signal.signal(signal.SIGTERM, lambda *_: context.stop())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the worker's to hear
    _keep_beating(context, request.silence_s)
    outcome = _attempt(context, request.run)
    _leave_timings(context)
    write_outcome(folder, request.attempt, outcome)
    os.close(lock)


def _attempt(context: JobContext, run: str) -> Outcome:
    """Return how the task ended; whatever it is, the worker is told."""
    from engine.jobs.outcomes import Outcome

    try:
        module, _, function = run.partition(":")
        said = getattr(import_module(module), function)(context)
    except JobCancelledError:
        return Outcome(ending="stopped", results=context.results)
    except LightboxError as error:
        return _failed(context, error.code, str(error))
    except MemoryError:
        return _failed(
            context,
            MemoryShortError.code,
            "The job took more memory than it may have; make it smaller, or raise "
            "LIGHTBOX_JOB_MEMORY_MB.",
        )
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _failed(
                context,
                DiskShortError.code,
                "The disk is full; make room, then retry this job.",
            )
        return _fault(context, error)
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 – told, whatever it is
        return _fault(context, error)
    message = said if isinstance(said, str) else ""
    context.log(message or "Completed.")
    return Outcome(ending="completed", message=message, results=context.results)


def _failed(context: JobContext, code: str, error: str) -> Outcome:
    from engine.jobs.outcomes import Outcome

    context.log(error)
    return Outcome(ending="failed", error_code=code, error=error, results=context.results)


def _fault(context: JobContext, error: BaseException) -> Outcome:
    """Tell people of a bug by one general sentence; the operator finds its place in output.txt.

    Not its message, which may quote a file, a name or a password.
    """
    sys.stderr.write(f"{type(error).__name__} at\n")
    traceback.print_tb(error.__traceback__, file=sys.stderr)
    return _failed(context, "internal", _FAULT)


def _keep_beating(context: JobContext, silence_s: float) -> None:
    def beat() -> None:
        while True:
            context.beat(silence_s=silence_s)
            time.sleep(_BEAT_EVERY_S)

    threading.Thread(target=beat, name="heartbeat", daemon=True).start()


def _leave_timings(context: JobContext) -> None:
    """Leave how long networks took, for the server's monitoring, if any ran here."""
    timings: Any = sys.modules.get("engine.inference.timings")
    if timings is None:
        return
    try:
        timings.TIMINGS.leave(timings.folder_of(context.settings))
    except OSError:
        logging.getLogger(__name__).warning("the timings of this job could not be left")


def _read_line(descriptor: int) -> bytes:
    """Read one line without reading ahead: the end of the input is the guard's to see."""
    line = b""
    while not line.endswith(b"\n") and len(line) < _LONGEST_REQUEST:
        part = os.read(descriptor, 65_536)
        if not part:
            break
        line += part
    return line


if __name__ == "__main__":
    main()
    sys.stderr.flush()
    os._exit(0)  # all is written; taking large libraries down in order only costs time
