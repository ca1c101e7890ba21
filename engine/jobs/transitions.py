"""The states of a job, and each way from one to another, as plain functions on records.

::

    pending ──claimed──> processing ──finished──> completed
       ^  │                │  │  │                failed      (by its own error, or too many kills)
       │  └──cancelled     │  │  └──cancelled──>  cancelled
       │                   │  └──hung──> stuck ──reset or cancelled
       └──given_back───────┘

Knows no file, no clock and no process; the queue calls these inside its transactions.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from engine.jobs.live import Live
from engine.jobs.outcomes import Outcome
from engine.store.records import Job, JobState

__all__ = [
    "ENDED",
    "cancelled",
    "claimed",
    "failed",
    "finished",
    "given_back",
    "hung",
    "interrupted",
    "reset",
]

ENDED: Final[frozenset[JobState]] = frozenset({"completed", "failed", "cancelled"})
"""States that a job never leaves; a retry is a new job."""


def claimed(job: Job, *, worker: str, at: datetime) -> Job:
    """Return a waiting job as the work of ``worker``; one attempt more is counted."""
    return replace(
        job,
        state="processing",
        worker=worker,
        attempts=job.attempts + 1,
        started_at=at,
        finished_at=None,
        heartbeat_at=at,
        paused_because="",
        error_code="",
        error="",
    )


def finished(job: Job, outcome: Outcome, live: Live | None, *, at: datetime) -> Job:
    """Return a job that came to its own end, good or bad."""
    is_good = outcome.ending == "completed"
    return replace(
        _left(job, at),
        state="completed" if is_good else "failed",
        fraction=1.0 if is_good else (live.fraction if live else job.fraction),
        stage=live.stage if live else job.stage,
        message=outcome.message or (live.message if live else ""),
        error_code=outcome.error_code,
        error=outcome.error,
        results=outcome.results,
    )


def failed(job: Job, *, code: str, error: str, at: datetime) -> Job:
    """Return a job that ends with a reason."""
    return replace(_left(job, at), state="failed", error_code=code, error=error)


def cancelled(job: Job, *, message: str, at: datetime) -> Job:
    """Return a job that somebody did not want any more."""
    return replace(_left(job, at), state="cancelled", message=message, cancel_requested=True)


def given_back(job: Job, *, message: str, counts: bool) -> Job:
    """Return a job that waits again; an attempt that does not count is given one more instead.

    The number of attempts never falls: it tells the files of one attempt from those of another.
    """
    return replace(
        job,
        state="pending",
        worker="",
        process_id=None,
        heartbeat_at=None,
        eta_s=None,
        paused_because="",
        max_attempts=job.max_attempts if counts else job.max_attempts + 1,
        message=message,
    )


def interrupted(job: Job, *, reason: str, resumes: bool, at: datetime) -> Job:
    """Return a job whose process was ended from outside: it waits again, or fails with the reason.

    ``reason`` is a sentence without its full stop.
    """
    if job.cancel_requested:
        return cancelled(job, message="Cancelled.", at=at)
    if job.attempts < job.max_attempts:
        how = "goes on from its last saved state" if resumes else "starts again"
        return given_back(job, message=f"{reason}; the job {how}.", counts=True)
    times = "once" if job.attempts == 1 else f"{job.attempts} times"
    return failed(
        job,
        code="interrupted",
        error=f"{reason}. That happened {times}, which is as often as this job may start; "
        "retry it when the cause is gone.",
        at=at,
    )


def hung(job: Job, *, message: str) -> Job:
    """Return a job that has given no sign of life for too long."""
    return replace(job, state="stuck", message=message, eta_s=None, paused_because="")


def reset(job: Job, *, message: str, attempts: int) -> Job:
    """Return a stuck job that waits again with new attempts, because a person said so."""
    waiting = given_back(job, message=message, counts=True)
    return replace(waiting, max_attempts=job.attempts + attempts)


def _left(job: Job, at: datetime) -> Job:
    return replace(
        job,
        finished_at=at,
        process_id=None,
        eta_s=None,
        paused_because="",
    )
