"""A home with a queue, and real workers on it, for tests of jobs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.jobs.orphans import processes_of
from engine.jobs.queue import Queue
from engine.people.actors import VISITOR
from engine.settings import Settings
from engine.store import Store
from engine.store.records import Job
from tests.engine.jobs.small_tasks import SMALL_TASKS

ROOT = Path(__file__).parents[3]
ENDED = ("completed", "failed", "cancelled")


@dataclass
class Workplace:
    """One home; ``settings`` may be changed before the first worker starts."""

    home: Path
    settings: Settings
    store: Store
    queue: Queue
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @classmethod
    def at(cls, home: Path, **settings: Any) -> Workplace:
        """Open a home whose jobs are impatient, so that tests are quick."""
        told = Settings(home=home, **{"job_grace_s": 1, "memory_floor_mb": 100, **settings})
        store = Store(home / "records")
        return cls(home, told, store, Queue(store, told, tasks=SMALL_TASKS))

    def submit(self, task: str, /, **payload: Any) -> Job:
        """Ask for a task with this payload."""
        return self.queue.submit(task, payload, actor=VISITOR)

    def start_worker(self, *words: str, before: str = "") -> subprocess.Popen[bytes]:
        """Start a real worker; ``before`` is a line of shell that its process runs first."""
        command = [sys.executable, "-m", "tests.engine.jobs.small_tasks", *words]
        if before:
            command = ["sh", "-c", f'{before}; exec "$@"', "sh", *command]
        with (self.home / "worker.log").open("ab") as log:
            worker = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, **self.settings.as_mapping()},
            )
        self.workers.append(worker)
        return worker

    def wait(
        self, job: Job, when: Callable[[Job], object] | None = None, *, seconds: float = 20.0
    ) -> Job:
        """Return the job as soon as it is as wanted; by default, when it has ended."""
        is_there = when or (lambda now: now.state in ENDED)
        end = time.monotonic() + seconds
        while not is_there(now := self.queue.get(job.id)):
            log = self.home / "worker.log"
            said = log.read_text()[-2000:] if log.exists() else ""
            assert time.monotonic() < end, f"after {seconds} s still {now}\n{said}"
            time.sleep(0.03)
        return now

    def notes(self, job: Job) -> list[str]:
        """Return what the job's task noted so far."""
        path = self.home / f"notes-{job.id}.txt"
        return path.read_text().splitlines() if path.exists() else []

    def wait_for_note(self, job: Job, text: str, *, seconds: float = 15.0) -> None:
        """Wait until the task noted something."""
        end = time.monotonic() + seconds
        while text not in self.notes(job):
            assert time.monotonic() < end, f"{self.notes(job)} after {seconds} s"
            time.sleep(0.03)

    def wait_until_gone(self, job: Job, *, seconds: float = 10.0) -> None:
        """Wait until no process of the job is left."""
        end = time.monotonic() + seconds
        while left := [one for one in processes_of(job.id) if one.is_running()]:
            assert time.monotonic() < end, f"{left} are left after {seconds} s"
            time.sleep(0.03)

    def close(self) -> None:
        """End all workers and all that they started."""
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGCONT)
                assert worker.stdin is not None
                worker.stdin.close()
                try:
                    worker.wait(10)
                except subprocess.TimeoutExpired:
                    worker.kill()
                    worker.wait()
            elif worker.stdin is not None:
                worker.stdin.close()
