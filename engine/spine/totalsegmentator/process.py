"""``python -m engine.spine.totalsegmentator.process``: one run of TotalSegmentator, well guarded.

The request is one line of JSON on standard input, events are lines of JSON on standard output. Two
processes: this one, small, watches; a child in a process group of its own loads the library and
works. When standard input ends (whoever wanted the result is gone, or does not want it any more)
the whole group is ended and the private folder removed; when the child ends, however, its fate is
told. Nothing of the library is imported here.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NoReturn

from engine.spine.totalsegmentator.seclusion import (
    adopt_orphans,
    close_network,
    die_with_parent,
)

__all__ = ["main"]

_ALIVE_EVERY_S = 0.5
_LONGEST_REQUEST = 1_000_000


def main() -> int:
    """Serve the request on standard input; return 0, whatever the answer."""
    request = json.loads(_read_line(sys.stdin.fileno()))
    adopt_orphans()
    channel = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no event
    closed, ours = os.pipe()
    watcher, worker = os.getpid(), os.fork()  # before any library could start a thread
    if worker == 0:
        os.close(closed)
        _work(request, channel, watcher)
    os.close(ours)  # the worker's end of it closes with the worker
    with suppress(OSError):  # the worker may have done it, or be gone
        os.setpgid(worker, worker)
    is_wanted = _watch(sys.stdin.fileno(), closed, channel)
    with suppress(ProcessLookupError):
        os.killpg(worker, signal.SIGKILL)
    status = _reap(worker)
    if is_wanted:
        _send(channel, {"event": "ended", "status": os.waitstatus_to_exitcode(status)})
    else:
        for folder in (request["folder"], request["sockets"]):
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def _work(request: Mapping[str, Any], channel: int, watcher: int) -> NoReturn:
    """Do the work in the child; never returns to the caller's code."""
    code = 1
    try:
        os.setpgid(0, 0)
        die_with_parent()
        if os.getppid() != watcher:  # it was gone before the kernel was told
            os._exit(code)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, sys.stdin.fileno())
        close_network()
        # Imported here, so that the watching process stays small.
        from engine.spine.totalsegmentator.library import run

        code = run(request, lambda event: _send(channel, event))
    finally:
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)  # the parent's exit handlers are not ours to run


def _watch(wanted: int, worker: int, channel: int) -> bool:
    """Wait until the worker has ended (True) or nobody wants its result (False)."""
    while True:
        ready, _, _ = select.select([wanted, worker], [], [], _ALIVE_EVERY_S)
        if worker in ready:
            return True
        if wanted in ready and not os.read(wanted, 4096):
            return False
        if not ready and not _send(channel, {"event": "alive"}):
            return False


def _reap(worker: int) -> int:
    """Wait for the worker and everything that it left behind; return the worker's status."""
    found = 0
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return found
        if pid == worker:
            found = status


def _send(channel: int, event: Mapping[str, Any]) -> bool:
    """Write one line in one piece, so that two processes do not mix theirs."""
    try:
        os.write(channel, json.dumps(event).encode() + b"\n")
    except BrokenPipeError:
        return False
    return True


def _read_line(descriptor: int) -> bytes:
    """Read one line and not further: the end of the input is somebody else's to see."""
    line = b""
    while not line.endswith(b"\n") and len(line) < _LONGEST_REQUEST:
        part = os.read(descriptor, 65_536)
        if not part:
            break
        line += part
    return line


if __name__ == "__main__":
    sys.exit(main())

if __name__ == "__mp_main__":  # a process that the library started with "spawn"
    close_network()
    die_with_parent()
