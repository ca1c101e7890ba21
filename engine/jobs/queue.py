"""The queue of jobs: what people and pages do with it, and what workers do.

A job is a record in the store; its lively parts (progress, log, checkpoint) are files beside it
(:mod:`engine.jobs.folders`). Everything here may be called from any process and thread.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final, get_args

from engine.errors import NotAllowedError, NotFoundError, RequestError
from engine.jobs import transitions
from engine.jobs.choosing import UNLIMITED, Room, choose
from engine.jobs.folders import JobFolder
from engine.jobs.live import merged, read_live
from engine.jobs.logs import last_lines
from engine.jobs.outcomes import Outcome
from engine.jobs.presence import WorkerSeen, workers_seen
from engine.jobs.reaping import Reaper
from engine.jobs.submitting import new_job, same_request
from engine.jobs.task import Task
from engine.jobs.waiting import read_waiting, write_waiting
from engine.people.permissions import allowed, require
from engine.store import Store, now
from engine.store.records import Job, JobState

if TYPE_CHECKING:
    from engine.people.actors import Actor
    from engine.people.audit import AuditLog
    from engine.settings import Settings

__all__ = ["Queue"]

_KEPT_ENDED = 1_000
_OPEN = ("pending", "processing", "stuck")


@final
class Queue:
    """Jobs of one home. ``tasks`` are the kinds of work it takes; by default all of Lightbox's.

    With an ``audit`` log, what people do to jobs is written there.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        tasks: Mapping[str, Task] | None = None,
        audit: AuditLog | None = None,
    ) -> None:
        if tasks is None:
            # Imported here, because the tasks themselves stand on this package.
            from engine.jobs.tasks import TASKS

            tasks = TASKS
        self.tasks = tasks
        self._jobs = store.jobs
        self._settings = settings
        self._audit = audit
        self._reaper = Reaper(store.jobs, settings, tasks)

    # --- asking for work ---------------------------------------------------------------------

    def submit(
        self,
        task: str,
        payload: Mapping[str, Any] | None = None,
        *,
        actor: Actor,
        title: str = "",
        priority: int = 0,
        idempotency_key: str | None = None,
        after: Sequence[str] = (),
    ) -> Job:
        """Return a new pending job, or the one that the same ``idempotency_key`` already made.

        A key whose job failed or was cancelled may be used again. ``priority`` is in −100..100,
        higher first. ``after`` are ids of jobs that must be completed before this one starts.

        Raises
        ------
        NotSignedInError, NotAllowedError
            When the actor may not ask for this task.
        NotFoundError
            When there is no such task, or no such job to wait for.
        RequestError
            When the payload or another argument cannot be used, or the key was used for something
            else.
        MemoryShortError
            When the job could never fit in this machine's memory; the message has the figures.
        """
        kind = self.task(task)
        require(actor, kind.action)
        job = new_job(
            kind,
            payload or {},
            self._settings,
            created_by=actor.id,
            title=title,
            priority=priority,
            idempotency_key=idempotency_key,
            after=tuple(after),
        )
        with self._jobs.transaction() as jobs:
            for earlier in jobs.where(idempotency_key=idempotency_key) if idempotency_key else ():
                if earlier.state in (*_OPEN, "completed"):
                    return same_request(earlier, job)
            for name in after:
                if jobs.get(name) is None:
                    raise NotFoundError(
                        f"Expected the id of a job to wait for, but there is no job {name[:40]!r}."
                    )
            jobs.put(job)
        self._note(actor, "jobs.submit", job, f"Started the job “{job.title}”")
        return job

    def retry(self, job_id: str, actor: Actor) -> Job:
        """Return a new job that does again what a failed or cancelled one was to do.

        Where its task can resume, it goes on from what the earlier one had saved.

        Raises
        ------
        NotFoundError, NotSignedInError, NotAllowedError
            When there is no such job, or it is not this actor's to retry.
        RequestError
            When the job did not end badly.
        """
        old = self.get(job_id)
        self._require_control(old, actor)
        kind = self.task(old.task)
        require(actor, kind.action)
        again = new_job(
            kind,
            old.payload,
            self._settings,
            created_by=actor.id,
            title=old.title,
            priority=old.priority,
            after=old.after,
        )
        again = replace(again, retry_of=old.id, idempotency_key=old.idempotency_key)
        with self._jobs.transaction() as jobs:
            held = jobs.get(job_id)
            if held is None or held.state not in ("failed", "cancelled"):
                raise RequestError(
                    "Only a failed or cancelled job can be retried, but this one is "
                    f"{'gone' if held is None else held.state}."
                )
            key = old.idempotency_key
            for other in jobs.where(idempotency_key=key) if key else ():
                if other.state in (*_OPEN, "completed"):
                    return other  # somebody was faster
            if kind.resumable:  # before any worker can see the new one
                self._folder(old.id).hand_over(self._folder(again.id))
            jobs.put(again)
        self._note(actor, "jobs.retry", again, f"Retried the job “{old.title}”")
        return again

    def cancel(self, job_id: str, actor: Actor) -> Job:
        """Cancel a job: one that waits or hangs at once, one that runs within moments.

        Raises
        ------
        NotFoundError, NotSignedInError, NotAllowedError
            When there is no such job, or it is not this actor's to cancel.
        RequestError
            When the job has ended already.
        """
        self._require_control(self.get(job_id), actor)
        with self._jobs.transaction() as jobs:
            job = jobs.get(job_id)
            if job is None or job.state in transitions.ENDED:
                raise RequestError(
                    "Only a job that waits or runs can be cancelled, but this one is "
                    f"{'gone' if job is None else job.state}."
                )
            if job.state == "processing":
                job = replace(job, cancel_requested=True, message="Cancelled.")
            else:
                job = transitions.cancelled(job, message="Cancelled.", at=now())
            jobs.put(job)
        self._note(actor, "jobs.cancel", job, f"Cancelled the job “{job.title}”")
        return job

    def reset_stuck(self, job_id: str | None, actor: Actor) -> int:
        """Let a stuck job, or all of them, start again; return how many that were.

        Raises
        ------
        NotFoundError, NotSignedInError, NotAllowedError
            When there is no such job, or it is not this actor's to reset.
        """
        if job_id is None:
            require(actor, "jobs.control")
        else:
            self._require_control(self.get(job_id), actor)
        done = []
        with self._jobs.transaction() as jobs:
            for job in jobs.where(state="stuck"):
                if job_id in (None, job.id):
                    kind = self.tasks.get(job.task)
                    more = kind.max_attempts if kind else 1
                    text = "Reset by hand after it was stuck."
                    done.append(transitions.reset(job, message=text, attempts=more))
                    jobs.put(done[-1])
        for job in done:
            self._note(actor, "jobs.reset", job, f"Reset the stuck job “{job.title}”")
        return len(done)

    def forget(self, job_id: str, actor: Actor) -> None:
        """Remove an ended job with its log.

        Raises
        ------
        NotFoundError, NotSignedInError, NotAllowedError
            When there is no such job, or it is not this actor's to remove.
        RequestError
            When it has not ended.
        """
        self._require_control(self.get(job_id), actor)
        with self._jobs.transaction() as jobs:
            job = jobs.get(job_id)
            if job is None or job.state not in transitions.ENDED:
                raise RequestError("Only a job that has ended can be removed; cancel it first.")
            jobs.remove(job_id)
        self._folder(job_id).remove()
        self._note(actor, "jobs.forget", job, f"Removed the job “{job.title}”")

    # --- looking -----------------------------------------------------------------------------

    def task(self, name: str) -> Task:
        """Return a kind of work by its name.

        Raises
        ------
        NotFoundError
            When there is none; the message lists those that there are.
        """
        if name not in self.tasks:
            raise NotFoundError(
                f"There is no task {name[:40]!r}; tasks are {', '.join(sorted(self.tasks))}."
            )
        return self.tasks[name]

    def get(self, job_id: str) -> Job:
        """Return a job with its live progress.

        Raises
        ------
        NotFoundError
            When there is none of that id.
        """
        job = self._jobs.read().get(job_id)
        if job is None:
            raise NotFoundError(f"There is no job {job_id[:40]!r}, or it was removed.")
        return self._as_of_now(job, read_waiting(self._settings))

    def all(self) -> tuple[Job, ...]:
        """Return every job with its live progress, newest first."""
        waiting = read_waiting(self._settings)
        found = [self._as_of_now(job, waiting) for job in self._jobs.read()]
        return tuple(sorted(found, key=lambda job: (job.created_at, job.id), reverse=True))

    def log_tail(self, job_id: str, lines: int = 200) -> tuple[str, ...]:
        """Return the last lines of a job's log, oldest first.

        Raises
        ------
        NotFoundError
            When there is no such job.
        """
        return last_lines(self._folder(self.get(job_id).id).log, lines)

    def may_control(self, job: Job, actor: Actor) -> bool:
        """Say whether an actor may cancel, retry and reset a job."""
        is_own = job.created_by == actor.id and allowed(actor, "jobs.control_own")
        return is_own or allowed(actor, "jobs.control")

    def counts(self) -> dict[JobState, int]:
        """Return how many jobs are in each state; every state is named."""
        found = Counter(job.state for job in self._jobs.read())
        return {state: found[state] for state in get_args(JobState)}

    def oldest_pending_age_s(self) -> float:
        """Return for how long the oldest pending job has been waiting; 0 when none waits."""
        begun = [job.created_at for job in self._jobs.read().where(state="pending")]
        return max(0.0, (now() - min(begun)).total_seconds()) if begun else 0.0

    def median_durations_s(self) -> dict[str, float]:
        """Return for each task how long its completed jobs took in the middle, in seconds."""
        spans: dict[str, list[float]] = defaultdict(list)
        for job in self._jobs.read().where(state="completed"):
            if job.started_at and job.finished_at:
                spans[job.task].append((job.finished_at - job.started_at).total_seconds())
        return {task: statistics.median(times) for task, times in sorted(spans.items())}

    def workers(self) -> tuple[WorkerSeen, ...]:
        """Return the workers of this home, living ones first."""
        return workers_seen(self._settings)

    # --- for workers -------------------------------------------------------------------------

    def claim(self, worker: str, room: Room = UNLIMITED) -> Job | None:
        """Return the next job as this worker's own, ``None`` when nothing can start now.

        Jobs that can never start fail here with the reason; why the others wait is written down.
        """
        jobs = self._jobs.read()
        if not self.has_pending():
            write_waiting(self._settings, {})
            return None
        choice = choose({job.id: job for job in jobs}, room, at=now())
        write_waiting(self._settings, choice.waiting)
        if choice.job is None and not choice.refused:
            return None
        taken: Job | None = None
        with self._jobs.transaction() as held:
            for job_id, (code, reason) in choice.refused.items():
                job = held.get(job_id)
                if job is not None and job.state == "pending":
                    held.put(transitions.failed(job, code=code, error=reason, at=now()))
            job = held.get(choice.job.id) if choice.job else None
            if job is not None and job.state == "pending":
                taken = transitions.claimed(job, worker=worker, at=now())
                held.put(taken)
        return taken

    def settle(self, job: Job, change: Callable[[Job], Job]) -> Job | None:
        """Change a job that a worker has claimed; ``None`` when it is that worker's no more.

        ``job`` is as it was claimed: somebody may have reset it since, and given it to another.
        """
        with self._jobs.transaction() as held:
            now_held = held.get(job.id)
            if now_held is None or not _is_same_attempt(now_held, job):
                return None
            changed = change(now_held)
            held.put(changed)
        return changed

    def finish(self, job: Job, outcome: Outcome) -> Job | None:
        """Write down the end that a job's process reported."""
        live = read_live(self._folder(job.id), job.attempts)
        done = self.settle(job, lambda held: transitions.finished(held, outcome, live, at=now()))
        if done is not None and done.state == "completed":
            self._folder(job.id).forget_checkpoint()
        return done

    def reap(self) -> int:
        """Look for jobs whose worker or process is gone or hangs; return how many were found."""
        return self._reaper.reap()

    def forget_oldest(self, *, kept: int = _KEPT_ENDED) -> int:
        """Remove the jobs that ended first, with their logs, beyond so many; return how many."""
        jobs_now = self._jobs.read().values()
        awaited = {name for job in jobs_now if job.state in _OPEN for name in job.after}
        ended = [
            job for job in jobs_now if job.state in transitions.ENDED and job.id not in awaited
        ]
        if len(ended) <= kept + kept // 10:  # a tenth at a time: not a transaction for each
            return 0
        ended.sort(key=lambda job: job.finished_at or job.created_at)
        gone = ended[: len(ended) - kept]
        with self._jobs.transaction() as jobs:
            for job in gone:
                jobs.remove(job.id)
        for job in gone:
            self._folder(job.id).remove()
        return len(gone)

    def has_pending(self) -> bool:
        """Whether any job waits; as cheap as a look at the file's date."""
        return bool(self._jobs.read().where(state="pending"))

    def held_by(self, worker: str) -> dict[str, Job]:
        """Return the jobs that a worker works on, by their ids."""
        found = self._jobs.read().where(state="processing", worker=worker)
        return {job.id: job for job in found}

    # --- parts -------------------------------------------------------------------------------

    def _folder(self, job_id: str) -> JobFolder:
        return JobFolder.of(self._settings, job_id)

    def _as_of_now(self, job: Job, waiting: Mapping[str, str]) -> Job:
        if job.state in ("processing", "stuck"):
            return merged(job, read_live(self._folder(job.id), job.attempts))
        if job.state == "pending" and job.id in waiting:
            return replace(job, paused_because=waiting[job.id])
        return job

    def _require_control(self, job: Job, actor: Actor) -> None:
        if self.may_control(job, actor):
            return
        require(actor, "jobs.control_own")
        raise NotAllowedError(
            "This job was started by somebody else; ask that person or an administrator."
        )

    def _note(self, actor: Actor, action: str, job: Job, text: str) -> None:
        if self._audit is not None:
            details = {"task": job.task, "title": job.title}
            self._audit.write(actor, action, record=f"jobs/{job.id}", text=text, details=details)


def _is_same_attempt(held: Job, claimed: Job) -> bool:
    return (
        held.state == "processing"
        and held.worker == claimed.worker
        and held.attempts == claimed.attempts
    )
