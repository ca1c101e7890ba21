"""The process of a job as its worker sees it: started, looked at, told to stop, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import psutil

import engine
from engine.jobs.folders import JobFolder
from engine.jobs.orphans import MARK, end_processes_of
from engine.jobs.process import JobRequest

if TYPE_CHECKING:
    from engine.jobs.task import Task
    from engine.settings import Settings
    from engine.store.records import Job

__all__ = ["LaunchedJob"]

_ROOT: Final = Path(engine.__file__).resolve().parent.parent
_LARGEST_OUTPUT: Final = 5_000_000


@final
class LaunchedJob:
    """One attempt at a job, in a process group of its own.

    Must be made in the worker's main thread: on Linux, a process whose end follows its parent's
    follows the thread that started it.

    Raises
    ------
    OSError
        When the process cannot be started.
    """

    def __init__(self, job: Job, task: Task, settings: Settings, *, memory_limit_mb: float) -> None:
        self.job = job
        self.task = task
        self.memory_limit_mb = memory_limit_mb
        self.held_mb = 0.0
        self.peak_mb = 0.0
        self.stop_reason = ""
        self.error = ""
        self.told_at: float | None = None
        self.folder = JobFolder.of(settings, job.id)
        self.folder.prepare(job.attempts, keeps_checkpoint=task.resumable)
        self._process = self._start(settings)

    def _start(self, settings: Settings) -> subprocess.Popen[bytes]:
        request = JobRequest(
            job=self.job.id,
            attempt=self.job.attempts,
            run=self.task.run,
            settings=settings.as_mapping(),
            parent=os.getpid(),
            memory_limit_mb=self.memory_limit_mb,
            silence_s=self.task.silence_s,
        )
        output = self.folder.output
        is_large = output.exists() and output.stat().st_size > _LARGEST_OUTPUT
        with output.open("wb" if is_large else "ab") as printed:
            process = subprocess.Popen(
                [sys.executable, "-m", "engine.jobs.process"],
                stdin=subprocess.PIPE,
                stdout=printed,
                stderr=printed,
                env=_environment(self.job.id),
                start_new_session=True,
            )
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it ended at once; its exit code tells
            process.stdin.write(request.to_line())
            process.stdin.flush()
        return process

    @property
    def process_id(self) -> int:
        """Number of the process and of its group."""
        return self._process.pid

    def has_ended(self) -> bool:
        """Whether the process has ended; it is not reaped yet, so its number is still its own."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return (
            self._process.returncode is not None
            or os.waitid(os.P_PID, self._process.pid, flags) is not None
        )

    def measure(self) -> float:
        """Return the memory in MB that the process and what it started hold for themselves."""
        total = 0
        with suppress(psutil.Error):
            process = psutil.Process(self._process.pid)
            for one in (process, *process.children(recursive=True)):
                with suppress(psutil.Error):
                    memory = one.memory_info()
                    total += memory.rss - getattr(memory, "shared", 0)
        self.held_mb = total / 1_000_000
        self.peak_mb = max(self.peak_mb, self.held_mb)
        return self.held_mb

    def tell_to_stop(self, reason: str) -> None:
        """Ask the task to save its state and end; the first reason counts."""
        if self.told_at is not None:
            return
        self.told_at = time.monotonic()
        self.stop_reason = reason
        if not self.has_ended():
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGTERM)

    def is_late(self, grace_s: float) -> bool:
        """Whether it was told to stop and has had its time for that."""
        return self.told_at is not None and time.monotonic() - self.told_at > grace_s

    def kill(self) -> None:
        """End the process and its whole group at once."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> int:
        """End whatever is left of the job and return its exit code, negative for a signal."""
        self.kill()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        code = self._process.wait()
        end_processes_of(self.job.id)
        return code


def _environment(job_id: str) -> dict[str, str]:
    """Return our own environment with the job's mark, and this very engine first on the path."""
    inherited = dict(os.environ)
    paths = [str(_ROOT), inherited.get("PYTHONPATH", "")]
    return {**inherited, MARK: job_id, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
