"""Which jobs are listed, in which order, and which may be cancelled, retried or reset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, final

from engine.people.actors import Actor
from engine.store.records import Job, JobState

__all__ = ["ACTIVE", "Filter", "can_cancel", "can_reset", "can_retry", "chosen"]

ACTIVE: Final[frozenset[JobState]] = frozenset({"pending", "processing", "stuck"})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a visitor wants to see; an empty field filters nothing."""

    states: frozenset[str] = frozenset()
    words: str = ""
    task: str = ""
    mine_of: Actor | None = None


def chosen(jobs: Iterable[Job], wanted: Filter) -> tuple[Job, ...]:
    """Return the jobs that match, the newest first."""
    found = [job for job in jobs if _matches(job, wanted)]
    return tuple(sorted(found, key=lambda job: (job.created_at, job.id), reverse=True))


def can_cancel(job: Job) -> bool:
    """Say whether there is anything to cancel."""
    return job.state in ACTIVE and not job.cancel_requested


def can_retry(job: Job) -> bool:
    """Say whether it ended without a result."""
    return job.state in ("failed", "cancelled")


def can_reset(job: Job) -> bool:
    """Say whether it hangs."""
    return job.state == "stuck"


def _matches(job: Job, wanted: Filter) -> bool:
    if wanted.states and job.state not in wanted.states:
        return False
    if wanted.task and job.task != wanted.task:
        return False
    if wanted.mine_of is not None and job.created_by != wanted.mine_of.id:
        return False
    text = f"{job.title} {job.task} {job.id} {job.message} {job.error}".casefold()
    return all(word in text for word in wanted.words.casefold().split())
