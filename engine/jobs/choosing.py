"""Which waiting job goes next, and why the others wait: a plain function of records and room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, final

from engine.store.records import Job

__all__ = ["UNLIMITED", "Choice", "Room", "choose", "never_fits"]

_PATIENCE_S: Final = 300.0
"""How long smaller jobs may overtake one that waits for memory or cores."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a worker has for its next job: free and total memory in MB, free and all cores.

    ``floor_mb`` of the memory must stay free. ``gpu_free_mb`` and ``gpu_total_mb`` are those of
    the emptiest and of the largest graphics card, ``None`` where there is none: what could use one
    runs on the processor then.
    """

    free_mb: float
    total_mb: float
    floor_mb: float
    cores: int
    all_cores: int
    gpu_free_mb: float | None = None
    gpu_total_mb: float | None = None


UNLIMITED: Final = Room(free_mb=1e12, total_mb=1e12, floor_mb=0.0, cores=10_000, all_cores=10_000)
"""Room for anything."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The job to start, sentences for those that wait, and reasons for those that never can."""

    job: Job | None = None
    waiting: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def choose(jobs: Mapping[str, Job], room: Room, *, at: datetime) -> Choice:
    """Return the pending job of highest priority, oldest first, whose needs are met.

    ``jobs`` are all that a pending job may wait for. A job that waits for memory or cores lets
    others pass for five minutes; then it is kept free for.
    """
    waiting: dict[str, str] = {}
    refused: dict[str, tuple[str, str]] = {}
    pending = (job for job in jobs.values() if job.state == "pending")
    for job in sorted(pending, key=lambda job: (-job.priority, job.created_at, job.id)):
        reason = never_fits(job.need_memory_mb, room) or _never_fits_a_card(job, room)
        if reason:
            refused[job.id] = ("memory_short", reason)
            continue
        blocked = _blocked_by([jobs.get(name) for name in job.after])
        if blocked.refusal:
            refused[job.id] = ("dependency_failed", blocked.refusal)
        elif blocked.wait:
            waiting[job.id] = blocked.wait
        elif lack := _lacks(job, room):
            waiting[job.id] = lack
            if (at - job.created_at).total_seconds() > _PATIENCE_S:
                return Choice(waiting=waiting, refused=refused)
        else:
            return Choice(job=job, waiting=waiting, refused=refused)
    return Choice(waiting=waiting, refused=refused)


def never_fits(need_mb: float, room: Room) -> str:
    """Return why a need can never be met here, empty when it can."""
    most = room.total_mb - room.floor_mb
    if need_mb <= most:
        return ""
    return (
        f"This job needs about {need_mb:.0f} MB of memory, but at most {max(0.0, most):.0f} MB "
        f"({room.total_mb:.0f} MB in all, of which {room.floor_mb:.0f} MB stay free) can ever be "
        "had here; make it smaller, or give the program more memory."
    )


def _never_fits_a_card(job: Job, room: Room) -> str:
    if room.gpu_total_mb is None or job.need_gpu_mb <= room.gpu_total_mb:
        return ""
    return (
        f"This job needs about {job.need_gpu_mb:.0f} MB of graphics memory, but the largest card "
        f"has {room.gpu_total_mb:.0f} MB; make it smaller, or set LIGHTBOX_DEVICE=cpu."
    )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Blocked:
    wait: str = ""
    refusal: str = ""


def _blocked_by(others: Sequence[Job | None]) -> _Blocked:
    """Say whether a job that must come first is unfinished, or will never be finished."""
    open_jobs = 0
    for other in others:
        if other is None:
            return _Blocked(refusal="The job that had to come first is gone; start it anew.")
        if other.state in ("failed", "cancelled"):
            return _Blocked(
                refusal=f"“{other.title or other.task}” had to come first, but was {other.state}; "
                "retry that one, then this."
            )
        open_jobs += other.state != "completed"
    if not open_jobs:
        return _Blocked()
    named = "one other job" if open_jobs == 1 else f"{open_jobs} other jobs"
    return _Blocked(wait=f"Waits for {named} to be completed first.")


def _lacks(job: Job, room: Room) -> str:
    """Return what is missing at this moment for the job to start, empty for nothing."""
    if room.free_mb - job.need_memory_mb < room.floor_mb:
        return (
            f"Waits for memory: it needs about {job.need_memory_mb:.0f} MB, "
            f"{room.free_mb:.0f} MB are free, and {room.floor_mb:.0f} MB must stay free."
        )
    if room.gpu_free_mb is not None and job.need_gpu_mb > room.gpu_free_mb:
        return (
            f"Waits for graphics memory: it needs about {job.need_gpu_mb:.0f} MB, and "
            f"{room.gpu_free_mb:.0f} MB are free on the emptiest card."
        )
    # One that asks for more cores than there are runs alone, on all of them.
    wanted = min(job.need_cores, room.all_cores)
    if wanted > room.cores:
        cores = "a free core" if wanted == 1 else f"{wanted} free cores"
        return f"Waits for {cores}; other jobs are at work."
    return ""
