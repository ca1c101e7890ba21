"""Jobs: long work that survives the tab, the server and the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, final

from engine.store.documents import EMPTY
from engine.store.records.base import Record

__all__ = ["Job", "JobState", "ResultRef"]

JobState = Literal["pending", "processing", "completed", "failed", "cancelled", "stuck"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRef:
    """Something that a job made: the kind of thing, its id or content hash, and a title."""

    kind: str
    ref: str
    title: str = ""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Record):
    """One piece of work: what, for whom, how far, and how it ended.

    A higher ``priority`` goes first. ``after`` are ids of jobs that must be completed before.
    ``fraction`` is in 0..1, ``None`` when it cannot be told.
    """

    task: str
    title: str = ""
    payload: Mapping[str, Any] = field(default=EMPTY, hash=False)
    state: JobState = "pending"
    priority: int = 0
    idempotency_key: str | None = None
    after: tuple[str, ...] = ()
    need_memory_mb: float = 0.0
    need_cores: int = 1
    need_gpu_mb: float = 0.0
    created_by: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    heartbeat_at: datetime | None = None
    attempts: int = 0
    max_attempts: int = 3
    fraction: float | None = None
    stage: str = ""
    message: str = ""
    eta_s: float | None = None
    paused_because: str = ""
    error_code: str = ""
    error: str = ""
    results: tuple[ResultRef, ...] = ()
    worker: str = ""
    process_id: int | None = None
    cancel_requested: bool = False
    retry_of: str | None = None
