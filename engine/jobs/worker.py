"""A worker: claims jobs and runs each in a process of its own, until it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, final

from engine.errors import LightboxError, MemoryShortError
from engine.jobs import transitions
from engine.jobs.choosing import Room
from engine.jobs.launched import LaunchedJob
from engine.jobs.outcomes import read_outcome
from engine.jobs.presence import Presence
from engine.jobs.queue import Queue
from engine.jobs.scheduling import is_restoring, submit_due_backup
from engine.jobs.training_schedules import submit_due_trainings
from engine.memory_guard import MemoryGuard, gpu_memory
from engine.store import Store, now

if TYPE_CHECKING:
    from engine.jobs.task import Task
    from engine.settings import Settings
    from engine.store.records import Job

__all__ = ["Worker"]

_LOOK_EVERY_S: Final = 0.15
_BEAT_EVERY_S: Final = 2.0
_MEASURE_EVERY_S: Final = 0.5
_TELL_AGAIN_S: Final = 60.0
_SCHEDULE_EVERY_S, _FIRST_SCHEDULE_S = 60.0, 30.0
_SMALLEST_LIMIT_MB: Final = 200.0
_MEMORY, _CANCELLED, _SHUT_DOWN, _LOST = "memory", "cancelled", "shut down", "lost"
_log = logging.getLogger(__name__)


@final
class Worker:
    """Works on the jobs of one home. ``tasks`` are the kinds of work it knows.

    Several workers may share a home. :meth:`run` must be called in the main thread.
    """

    def __init__(self, settings: Settings, *, tasks: Mapping[str, Task] | None = None) -> None:
        self._settings = settings
        self._store = _open_store(settings)
        self._queue = Queue(self._store, settings, tasks=tasks)
        self._guard = MemoryGuard(floor_mb=settings.memory_floor_mb)
        self._cores = settings.worker_cores or os.cpu_count() or 1
        self._launched: dict[str, LaunchedJob] = {}
        self._stopping = threading.Event()
        self._name = ""
        self._told = ("", 0.0)

    def stop(self) -> None:
        """Let :meth:`run` end soon; running jobs save their state and wait for the next worker."""
        self._stopping.set()

    def run(self, *, until_empty: bool = False) -> None:
        """Work until :meth:`stop`, or until no job waits and none runs.

        Raises
        ------
        OSError
            When the folder of jobs cannot be written.
        """
        with Presence(self._settings, cores=self._cores) as presence:
            self._name = presence.worker
            _log.info("worker %s has %d cores for jobs", self._name, self._cores)
            beat = _Every(_BEAT_EVERY_S, lambda: presence.beat(tuple(self._launched)))
            reap = _Every(min(_BEAT_EVERY_S, self._settings.job_stuck_s / 4), self._reap)
            measure = _Every(_MEASURE_EVERY_S, self._watch_memory)
            schedule = _Every(_SCHEDULE_EVERY_S, self._schedule, first_after_s=_FIRST_SCHEDULE_S)
            try:
                while not self._stopping.is_set():
                    self._try(beat, self._look_after_jobs, measure, reap, self._start_jobs)
                    if not until_empty:
                        self._try(schedule)
                    if until_empty and not self._launched and not self._is_anything_open():
                        break
                    self._stopping.wait(_LOOK_EVERY_S)
            finally:
                self._shut_down()

    def _try(self, *steps: Callable[[], object]) -> None:
        """Do what a round is made of; a store that is damaged or busy now may be mended later."""
        for step in steps:
            try:
                step()
            except (LightboxError, OSError) as error:
                self._tell_once(str(error) if isinstance(error, LightboxError) else repr(error))
                self._stopping.wait(1.0)

    def _tell_once(self, fault: str) -> None:
        """Log a fault when it is new, or has lasted for another minute."""
        last, told_at = self._told
        if fault != last or time.monotonic() - told_at > _TELL_AGAIN_S:
            _log.error("%s", fault)
            self._told = (fault, time.monotonic())

    # --- starting ------------------------------------------------------------------------------

    def _start_jobs(self) -> None:
        if self._queue.has_pending() and is_restoring(self._settings):
            return  # what began during a restore would work on records that are about to change
        while not self._stopping.is_set():
            job = self._queue.claim(self._name, self._room())
            if job is None:
                return
            self._start(job)

    def _start(self, job: Job) -> None:
        try:
            task = self._queue.task(job.task)
            limit_mb = self._limit_mb(job)
            self._launched[job.id] = LaunchedJob(
                job, task, self._settings, memory_limit_mb=limit_mb
            )
        except LightboxError as error:
            self._fail(job, error.code, str(error))
        except OSError as error:
            _log.exception("job %s could not be started", job.id)
            reason = f"Its process could not be started ({error.strerror})"
            self._interrupted(job, reason, resumes=True)
        else:
            _log.info("job %s (%s) begins, attempt %d", job.id, job.task, job.attempts)

    def _room(self) -> Room:
        """Return what is free, less what running jobs were promised and have not taken yet."""
        state = self._guard.state()
        cards = () if self._settings.device == "cpu" else gpu_memory()
        running = self._launched.values()
        promised = sum(max(0.0, one.job.need_memory_mb - one.held_mb) for one in running)
        used = sum(min(one.job.need_cores, self._cores) for one in running)
        return Room(
            free_mb=state.available_mb - promised,
            total_mb=state.total_mb,
            floor_mb=self._guard.floor_mb,
            cores=self._cores - used,
            all_cores=self._cores,
            gpu_free_mb=max((card.free_mb for card in cards), default=None),
            gpu_total_mb=max((card.total_mb for card in cards), default=None),
        )

    def _limit_mb(self, job: Job) -> float:
        if self._settings.job_memory_mb:
            return float(self._settings.job_memory_mb)
        free_mb = self._guard.state().available_mb - self._guard.floor_mb
        return max(free_mb, job.need_memory_mb, _SMALLEST_LIMIT_MB)

    # --- looking after those that run ----------------------------------------------------------

    def _look_after_jobs(self) -> None:
        if not self._launched:
            return
        held = self._queue.held_by(self._name)
        for one in tuple(self._launched.values()):
            self._try(partial(self._look_after, one, held.get(one.job.id)))

    def _look_after(self, one: LaunchedJob, record: Job | None) -> None:
        if one.has_ended():
            self._settle(one)
        elif record is None or record.attempts != one.job.attempts:
            one.stop_reason = _LOST  # somebody reset or removed it
            one.kill()
        elif record.cancel_requested:
            one.tell_to_stop(_CANCELLED)
        if one.is_late(self._settings.job_grace_s):
            one.kill()

    def _watch_memory(self) -> None:
        """Stop a job above its own limit, and the largest one when the machine is nearly full.

        The jobs themselves pause at the floor; this is for one in a step that cannot ask.
        """
        for one in self._launched.values():
            if one.measure() > one.memory_limit_mb:
                one.error = (
                    f"The job took {one.held_mb:.0f} MB of memory, but may take at most "
                    f"{one.memory_limit_mb:.0f} MB; make it smaller, or raise "
                    "LIGHTBOX_JOB_MEMORY_MB."
                )
                one.tell_to_stop(_MEMORY)
                one.kill()
        running = [one for one in self._launched.values() if one.told_at is None]
        state = self._guard.state()
        if not running or state.available_mb >= self._guard.floor_mb / 4:
            return
        largest = max(running, key=lambda one: one.held_mb)
        largest.error = (
            f"Stopped because memory ran short: {state.available_mb:.0f} MB of "
            f"{state.total_mb:.0f} MB were free ({state.source}), and this job held "
            f"{largest.held_mb:.0f} MB. Retry it when other work has ended."
        )
        largest.tell_to_stop(_MEMORY)

    def _settle(self, one: LaunchedJob) -> None:
        """Write down how an attempt ended; when that fails, the next round tries again."""
        done = self._settled(one, one.end())
        del self._launched[one.job.id]
        state = done.state if done else "no longer ours"
        _log.info("job %s (%s) is %s", one.job.id, one.job.task, state)

    def _settled(self, one: LaunchedJob, code: int) -> Job | None:
        """Return the job as it is now, ``None`` when it is somebody else's."""
        outcome = read_outcome(one.folder, one.job.attempts)
        if one.stop_reason == _LOST:
            return None
        if outcome is not None and outcome.ending != "stopped":
            return self._queue.finish(one.job, outcome)
        if one.stop_reason == _MEMORY:
            return self._fail(one.job, MemoryShortError.code, one.error)
        if one.stop_reason == _CANCELLED:
            return self._queue.settle(
                one.job, lambda job: transitions.cancelled(job, message=job.message, at=now())
            )
        if one.stop_reason == _SHUT_DOWN:
            text = "The server was stopped; the job waits for its next start."
            return self._queue.settle(
                one.job, lambda job: transitions.given_back(job, message=text, counts=False)
            )
        return self._interrupted(one.job, _how(code, one), resumes=one.task.resumable)

    def _interrupted(self, job: Job, reason: str, *, resumes: bool) -> Job | None:
        return self._queue.settle(
            job,
            lambda held: transitions.interrupted(held, reason=reason, resumes=resumes, at=now()),
        )

    def _fail(self, job: Job, code: str, error: str) -> Job | None:
        return self._queue.settle(
            job, lambda held: transitions.failed(held, code=code, error=error, at=now())
        )

    def _reap(self) -> None:
        found = self._queue.reap()
        if found:
            _log.warning("%d jobs were left behind or hung", found)

    def _schedule(self) -> None:
        job = submit_due_backup(self._queue, self._store, self._settings)
        if job is not None:
            _log.info("a backup is due: job %s", job.id)
        for job in submit_due_trainings(self._queue, self._store):
            _log.info("a scheduled training is due: job %s", job.id)
        if gone := self._queue.forget_oldest():
            _log.info("%d jobs that ended long ago were forgotten", gone)

    def _is_anything_open(self) -> bool:
        counts = self._queue.counts()
        return counts["pending"] + counts["processing"] > 0

    # --- the end -------------------------------------------------------------------------------

    def _shut_down(self) -> None:
        """Let running jobs save their state, then end them; their records wait for the next."""
        for one in self._launched.values():
            one.tell_to_stop(_SHUT_DOWN)
        deadline = time.monotonic() + self._settings.job_grace_s
        while time.monotonic() < deadline and not all(
            one.has_ended() for one in self._launched.values()
        ):
            time.sleep(0.05)
        for one in tuple(self._launched.values()):
            one.kill()
            try:
                self._settle(one)
            except (LightboxError, OSError):  # whoever comes next finds the job left behind
                _log.exception("the end of job %s could not be written", one.job.id)


def _open_store(settings: Settings) -> Store:
    """Open the records; older ones are saved before they get their present form."""

    def save(reason: str) -> object:
        from engine.backups.migrating import keep_before_migration

        return keep_before_migration(settings, reason)

    return Store(settings.home / "records", before_migration=save)


def _how(code: int, one: LaunchedJob) -> str:
    """Say how a process ended that did not tell itself."""
    if code == -signal.SIGKILL:
        return (
            "Its process was killed, by hand or because memory ran out "
            f"(it held {one.peak_mb:.0f} MB)"
        )
    if code < 0:
        return f"Its process was ended by {signal.Signals(-code).name}"
    return f"Its process ended without a result (exit code {code})"


@final
class _Every:
    """Does something at most once in so many seconds."""

    def __init__(
        self, seconds: float, do: Callable[[], object], *, first_after_s: float = 0.0
    ) -> None:
        self._seconds = seconds
        self._do = do
        self._next = time.monotonic() + first_after_s

    def __call__(self) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._seconds
            self._do()
