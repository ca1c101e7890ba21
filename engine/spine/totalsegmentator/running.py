"""The worker process seen from here: started, listened to, and ended whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

import engine
from engine import errors
from engine.errors import LightboxError, MemoryShortError, ModelError

__all__ = ["RunProcess", "error_after"]

_ROOT = Path(engine.__file__).resolve().parent.parent
_MODULE = "engine.spine.totalsegmentator.process"
_LEAVE_S = 5.0


@final
class RunProcess:
    """One run in a process of its own; a context manager, so that none is ever left behind."""

    def __init__(self, request: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        self._log = Path(request["folder"]) / "log.txt"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 – our own module, no shell
                [sys.executable, "-m", _MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,  # stays in the private folder: libraries quote what they read
                cwd=_ROOT,
                env=dict(environment),
                start_new_session=True,
            )
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it ended at once; events() shows it
            self._process.stdin.write(json.dumps(dict(request)).encode() + b"\n")
            self._process.stdin.flush()

    @property
    def pid(self) -> int:
        """Process id of the watching process; the worker is its child."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End everything: the watching process ends its worker when its input ends."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:  # the kernel ends the worker with it
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield what the process says, at least twice a second; the last event is ``ended``."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                event = json.loads(line)
            except ValueError:  # half a line of a process that was killed
                continue
            yield event
            if event["event"] == "ended":
                return
        # The watching process itself was killed, or did not even start.
        yield {"event": "ended", "status": self._process.wait()}


def error_after(failed: Mapping[str, Any] | None, status: int) -> LightboxError:
    """Return the error for a run without labels: what it said, or how it ended.

    ``status`` is an exit code, or minus the number of the signal that ended the process.
    """
    if failed is not None:
        return _kind_of(str(failed["code"]))(str(failed["message"]))
    if status == -signal.SIGKILL:
        return MemoryShortError(
            "Expected labels from TotalSegmentator, but the system ended its process, most often "
            "because memory ran out; send a smaller CT, choose another backend, or give the "
            "program more memory."
        )
    how = f"signal {-status}" if status < 0 else f"exit code {status}"
    return ModelError(
        f"Expected labels from TotalSegmentator, but its process crashed ({how}); try it again, "
        "or choose the backend nnunet or embedded."
    )


def _kind_of(code: str) -> type[LightboxError]:
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, LightboxError) and kind.code == code:
            return kind
    return ModelError
