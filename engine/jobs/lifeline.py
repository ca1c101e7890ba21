"""How a job's process lives and dies: with its worker, alone at its job, first when memory ends.

Sources: ``prctl(2)`` (``PR_SET_PDEATHSIG``), ``setrlimit(2)`` (``RLIMIT_DATA``), ``proc(5)``
(``oom_score_adj``), ``flock(2)``.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from engine.errors import BusyError

__all__ = ["die_with_parent", "hold_lock", "leave_guard", "limit_memory", "yield_first"]

_PR_SET_PDEATHSIG: Final = 1
_NICENESS: Final = 5
_OOM_SCORE: Final = "600"
# Stacks of threads and the like count for RLIMIT_DATA although nobody touches them.
_SLACK_MB: Final = 1_000.0
_LOCK_WAIT_S: Final = 15.0


def die_with_parent(parent: int) -> None:
    """Have the kernel end this process when the worker ends, however it ends."""
    with suppress(OSError, AttributeError):  # Linux alone has it; the guard works elsewhere too
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it was gone before we could say so


def leave_guard() -> None:
    """Leave a small process behind that ends our whole process group when it is time.

    It sees the end of standard input when the worker is gone, and the end of a pipe when we are:
    so what a task starts does not outlive it. Standard input is empty from now on.
    """
    ours, guards = os.pipe()
    if os.fork() == 0:
        os.close(guards)
        _guard(sys.stdin.fileno(), ours)
    os.close(ours)  # `guards` stays open until this process ends
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)


def _guard(worker: int, job: int) -> NoReturn:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    ended = False
    while not ended:
        ready, _, _ = select.select([worker, job], [], [])
        ended = job in ready or not os.read(worker, 4096)
    os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(0)


def yield_first() -> None:
    """Let those go first who only look, and be the first to end when memory runs out."""
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump may hold patients' pictures
    with suppress(OSError):  # no such file on other systems than Linux
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")


def limit_memory(limit_mb: float) -> None:
    """Let allocations fail above a limit; the worker watches what is really held."""
    if limit_mb <= 0 or not sys.platform.startswith("linux"):
        return
    limit = int((limit_mb * 1.25 + _SLACK_MB) * 1_000_000)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def hold_lock(path: Path) -> int:
    """Return the lock of the job, held until this process ends: nobody else works on it.

    Raises
    ------
    BusyError
        When another process holds it and does not end.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                raise BusyError(
                    "An earlier attempt at this job still runs and cannot be ended; restart the "
                    "machine, or end it by hand."
                ) from None
            time.sleep(0.1)
        else:
            return descriptor
