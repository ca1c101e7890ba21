"""A worker process seen from its parent: started, listened to, ended with all that it started."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import engine
from engine import errors
from engine.errors import LightboxError, MemoryShortError
from engine.spine.worker import WorkerRequest

__all__ = ["WorkerFaultError", "WorkerProcess", "error_of"]

_ROOT = Path(engine.__file__).resolve().parent.parent
_LONGEST_LINE = 4_000_000
_EVENTS = ("progress", "read", "looked", "done", "failed")


class WorkerFaultError(RuntimeError):
    """A worker failed by a fault of ours; the message is fit for people."""


def error_of(failed: Mapping[str, Any] | None, exit_code: int | None) -> Exception:
    """Return the error of a worker's last event, or of an end without one.

    A worker that was killed most probably took too much memory: nobody else ends it that way.
    """
    if failed is not None:
        for kind in _kinds(LightboxError):
            if kind.code == failed["code"]:
                return kind(failed["message"])
        return WorkerFaultError(failed["message"])
    if exit_code == -signal.SIGKILL:
        return MemoryShortError(
            "The system ended this detection, most probably because memory ran out; send a "
            "smaller CT, choose another backend, or give the program more memory."
        )
    return WorkerFaultError(
        "This detection ended without a result, by a fault of ours; try it again, or choose "
        "another backend."
    )


def _kinds(base: type[LightboxError]) -> Iterator[type[LightboxError]]:
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, base):
            yield kind


@final
class WorkerProcess:
    """One process of :mod:`engine.spine.worker` and everything that it starts.

    Standard input stays open until the end: a worker lives only as long as its parent.

    Raises
    ------
    OSError
        When the process cannot be started.
    """

    def __init__(self, command: Sequence[str], request: WorkerRequest) -> None:
        self.folder = request.folder
        self.timed_out = False
        self._ending = threading.Lock()
        self._process = subprocess.Popen(  # noqa: S603 – our own module, no shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,
        )
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it ended at once; its exit code tells
            self._process.stdin.write(request.to_json().encode() + b"\n")
            self._process.stdin.flush()

    @property
    def pid(self) -> int:
        """Process id, and id of the process group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Exit code, minus the signal's number when it was killed, None while it runs."""
        return self._process.returncode

    def events(self, timeout_s: float | None) -> Iterator[dict[str, Any]]:
        """Yield what the process says until it ends, or is ended because the time is over."""
        assert self._process.stdout is not None
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        descriptor, rest = self._process.stdout.fileno(), b""
        poll = select.poll()  # unlike select, it takes descriptors above 1023
        poll.register(descriptor, select.POLLIN)
        while True:
            left = None if deadline is None else 1000.0 * max(0.0, deadline - time.monotonic())
            if not poll.poll(left):
                self.timed_out = True
                self.kill()
                return
            part = os.read(descriptor, 65_536)
            *lines, rest = (rest + part).split(b"\n")
            yield from (event for line in lines if (event := _event(line)) is not None)
            if not part or len(rest) > _LONGEST_LINE:
                return

    def kill(self) -> None:
        """End the process and everything that it started, at once."""
        with self._ending:
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Wait for the process, end what it left behind, and close its pipes."""
        with self._ending:
            if self._process.returncode is not None:
                return
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            if not _has_ended(self._process.pid, 5.0):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                _has_ended(self._process.pid, 60.0)
            # The process is not reaped yet, so that its group's number is still its own.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.stdout.close()
            self._process.wait()


def _environment() -> dict[str, str]:
    """Return our own environment, with this very engine first on the search path."""
    inherited = dict(os.environ)
    paths = [str(_ROOT), inherited.get("PYTHONPATH", "")]
    return {**inherited, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _has_ended(pid: int, timeout_s: float) -> bool:
    """Wait until a child has ended, without reaping it."""
    deadline = time.monotonic() + timeout_s
    while True:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)


def _event(line: bytes) -> dict[str, Any] | None:
    """Return an event, None for what is none: a killed process may leave half a line."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and event.get("event") in _EVENTS else None
