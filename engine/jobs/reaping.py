"""Finds jobs that nobody works on any more, and jobs that hang."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, final

from engine.jobs import transitions
from engine.jobs.folders import JobFolder
from engine.jobs.live import read_live
from engine.jobs.orphans import end_processes_of
from engine.jobs.outcomes import read_outcome
from engine.jobs.presence import is_gone
from engine.store import now

if TYPE_CHECKING:
    from engine.jobs.task import Task
    from engine.settings import Settings
    from engine.store import Collection
    from engine.store.records import Job

__all__ = ["Reaper"]


@final
class Reaper:
    """Looks at every job at work.

    A job whose worker is gone is finished if its process could still write down its end; else it
    waits again, or fails when it has no attempts left. A job without a heartbeat for longer than
    the limit is stuck, and starts again by itself where that is set and attempts are left.
    """

    def __init__(
        self, jobs: Collection[Job], settings: Settings, tasks: Mapping[str, Task]
    ) -> None:
        self._jobs = jobs
        self._settings = settings
        self._tasks = tasks

    def reap(self) -> int:
        """Return how many jobs were taken from a worker that is gone, or from one that hangs."""
        found = 0
        for job in self._jobs.read():
            if job.state == "processing":
                if is_gone(self._settings, job.worker):
                    found += self._change(job, self._left_behind(job))
                elif (silent_s := self._silence_s(job)) > self._settings.job_stuck_s:
                    found += self._change(job, self._hanging(job, silent_s))
            elif job.state == "stuck" and self._starts_again(job):
                text = "Started again by itself after it was stuck."
                found += self._change(job, transitions.given_back(job, message=text, counts=True))
        return found

    def _left_behind(self, job: Job) -> Job:
        end_processes_of(job.id)
        return self._finished(job) or transitions.interrupted(
            job,
            reason="The worker was ended while it worked on this job",
            resumes=self._resumes(job),
            at=now(),
        )

    def _hanging(self, job: Job, silent_s: float) -> Job:
        end_processes_of(job.id)
        if done := self._finished(job):
            return done
        if job.cancel_requested:
            return transitions.cancelled(job, message="Cancelled.", at=now())
        return transitions.hung(
            job, message=f"No sign of life for {silent_s:.0f} s; its process was ended."
        )

    def _finished(self, job: Job) -> Job | None:
        """Return the job at its end, if its process could still write that down."""
        folder = JobFolder.of(self._settings, job.id)
        outcome = read_outcome(folder, job.attempts)
        if outcome is None or outcome.ending == "stopped":
            return None
        return transitions.finished(job, outcome, read_live(folder, job.attempts), at=now())

    def _silence_s(self, job: Job) -> float:
        live = read_live(JobFolder.of(self._settings, job.id), job.attempts)
        last = live.heartbeat_at if live else None
        known = [at for at in (last, job.heartbeat_at, job.started_at) if at is not None]
        return (now() - max(known)).total_seconds() if known else float("inf")

    def _starts_again(self, job: Job) -> bool:
        return self._settings.job_reset and job.attempts < job.max_attempts

    def _resumes(self, job: Job) -> bool:
        task = self._tasks.get(job.task)
        return task is not None and task.resumable

    def _change(self, seen: Job, changed: Job) -> int:
        """Put the change, unless somebody else was faster."""
        with self._jobs.transaction() as jobs:
            held = jobs.get(seen.id)
            if held is None or (held.state, held.worker, held.attempts) != (
                seen.state,
                seen.worker,
                seen.attempts,
            ):
                return 0
            jobs.put(changed)
        return 1
