"""Where jobs keep what is too lively for the store: progress, log, checkpoint, outcome.

::

    HOME/jobs/
        waiting.json            why jobs that could start do not
        workers/ID.json .lock   each worker's heartbeat; the lock is held as long as it lives
        JOB/
            lock                held by the process that works on the job
            live-N.json         progress of attempt N, rewritten several times a second
            outcome-N.json      how attempt N ended, written by its process before it goes
            log.txt             what the task logged; bounded
            output.txt          what libraries printed; never shown
            checkpoint/         the task's own; survives a kill and, where it can resume, a retry
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from engine.settings import Settings

__all__ = ["JobFolder", "jobs_home", "read_json", "write_json"]


def jobs_home(settings: Settings) -> Path:
    """Return the folder of all jobs."""
    return settings.home / "jobs"


@final
@dataclass(frozen=True, slots=True)
class JobFolder:
    """The folder of one job; nothing is made before it is needed."""

    path: Path

    @classmethod
    def of(cls, settings: Settings, job_id: str) -> JobFolder:
        """Return the folder of a job."""
        return cls(jobs_home(settings) / job_id)

    @property
    def lock(self) -> Path:
        """File that the process of the job keeps locked."""
        return self.path / "lock"

    @property
    def log(self) -> Path:
        """What the task logged."""
        return self.path / "log.txt"

    @property
    def output(self) -> Path:
        """What the process and its libraries printed."""
        return self.path / "output.txt"

    @property
    def checkpoint(self) -> Path:
        """The task's own folder."""
        return self.path / "checkpoint"

    def live(self, attempt: int) -> Path:
        """Return the progress file of an attempt."""
        return self.path / f"live-{attempt}.json"

    def outcome(self, attempt: int) -> Path:
        """Return the file that says how an attempt ended."""
        return self.path / f"outcome-{attempt}.json"

    def prepare(self, attempt: int, *, keeps_checkpoint: bool) -> None:
        """Make the folder ready for an attempt; what earlier ones told of themselves goes."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not keeps_checkpoint:
            shutil.rmtree(self.checkpoint, ignore_errors=True)
        self.checkpoint.mkdir(exist_ok=True, mode=0o700)
        for number in range(1, attempt + 1):
            self.live(number).unlink(missing_ok=True)
            self.outcome(number).unlink(missing_ok=True)

    def forget_checkpoint(self) -> None:
        """Remove what only an unfinished job needs."""
        shutil.rmtree(self.checkpoint, ignore_errors=True)

    def hand_over(self, other: JobFolder) -> None:
        """Give our checkpoint to another job that goes on with the work."""
        other.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(OSError):  # there is none, or the other one was faster and has begun
            self.checkpoint.rename(other.checkpoint)

    def remove(self) -> None:
        """Remove the whole folder."""
        shutil.rmtree(self.path, ignore_errors=True)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a file; empty when there is none or it cannot be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_json(path: Path, document: dict[str, Any], *, durable: bool = False) -> None:
    """Replace a file in one step; a ``durable`` one is on the disk when this returns.

    Progress is not durable: a machine that loses power loses the last moments of it, no more.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(document, file, ensure_ascii=False, allow_nan=False)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    temporary.replace(path)
    if durable:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
