"""Keeps one worker running beside the server: starts it, starts it again, stops it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import engine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.settings import Settings

__all__ = ["Supervisor"]

_ROOT: Final = Path(engine.__file__).resolve().parent.parent
_COMMAND: Final = (sys.executable, "-m", "engine.cli", "worker", "--supervised")
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0
_GOOD_AFTER_S: Final = 30.0
_PATIENCE_S: Final = 5.0
_log = logging.getLogger(__name__)


@final
class Supervisor:
    """One worker process of a home, for as long as this one lives.

    The worker's standard input stays open until it is to stop: should the server be killed, the
    worker sees the end of it, gives its jobs back and goes.

    Parameters
    ----------
    settings
        Handed to the worker; with ``LIGHTBOX_WORKER=off``, :meth:`start` does nothing.
    command
        What to run; it takes ``--supervised`` as :mod:`engine.cli.worker` does.
    """

    def __init__(self, settings: Settings, *, command: Sequence[str] = _COMMAND) -> None:
        self._settings = settings
        self._command = tuple(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self.restarts = 0

    @property
    def process_id(self) -> int | None:
        """Number of the worker's process, ``None`` while none runs."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def start(self) -> None:
        """Start the worker and keep it running; returns at once."""
        if not self._settings.worker or self._thread is not None:
            return
        self._stopping.clear()
        self._thread = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the worker; its running jobs save their state and wait for the next start."""
        if self._thread is None:
            return
        self._stopping.set()
        self._thread.join()
        self._thread = None

    def _supervise(self) -> None:
        wait_s = _FIRST_WAIT_S
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._process = self._started()
            except OSError:
                _log.exception("the worker could not be started")
            else:
                self._until_it_ends(self._process)
            if self._stopping.is_set():
                return
            if time.monotonic() - began > _GOOD_AFTER_S:
                wait_s = _FIRST_WAIT_S
            self.restarts += 1
            _log.warning("the worker ended; it starts again in %.1f s", wait_s)
            self._stopping.wait(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    def _until_it_ends(self, process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None and not self._stopping.is_set():
            self._stopping.wait(0.2)
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.close()  # the sign to stop
        try:
            process.wait(self._settings.job_grace_s + _PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()  # its jobs die with it, and go on at the next start
            process.wait()

    def _started(self) -> subprocess.Popen[bytes]:
        inherited = dict(os.environ)
        paths = [str(_ROOT), inherited.get("PYTHONPATH", "")]
        # What the server was built with counts, also where that was not the environment.
        told = {**inherited, **self._settings.as_mapping()}
        told["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        return subprocess.Popen(  # noqa: S603 – our own module, no shell
            self._command,
            stdin=subprocess.PIPE,
            env=told,
            start_new_session=True,  # Ctrl-C is the server's to hear; it tells the worker
        )
