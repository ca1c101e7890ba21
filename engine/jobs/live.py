"""Live progress of a job: in a small file of its own, laid over the record when that is read."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, final

from engine.jobs.folders import JobFolder, read_json, write_json
from engine.store.records import Job

__all__ = ["Live", "merged", "read_live", "write_live"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """How far one attempt is; ``fraction`` in 0..1 or ``None``, ``eta_s`` seconds to the end."""

    fraction: float | None = None
    stage: str = ""
    message: str = ""
    eta_s: float | None = None
    paused_because: str = ""
    heartbeat_at: datetime | None = None
    process_id: int | None = None


def write_live(folder: JobFolder, attempt: int, live: Live) -> None:
    """Write the progress of an attempt; a full disk stops no job, so that is not told."""
    document = asdict(live)
    if live.heartbeat_at is not None:
        document["heartbeat_at"] = live.heartbeat_at.isoformat()
    with suppress(OSError):
        write_json(folder.live(attempt), document)


def read_live(folder: JobFolder, attempt: int) -> Live | None:
    """Return the progress of an attempt, ``None`` when it has told none yet."""
    document = read_json(folder.live(attempt))
    try:
        return Live(
            fraction=_number(document["fraction"]),
            stage=str(document["stage"]),
            message=str(document["message"]),
            eta_s=_number(document["eta_s"]),
            paused_because=str(document["paused_because"]),
            heartbeat_at=datetime.fromisoformat(document["heartbeat_at"]),
            process_id=document["process_id"],
        )
    except (KeyError, TypeError, ValueError):
        return None


def merged(job: Job, live: Live | None) -> Job:
    """Return the job with its live progress, where it has any."""
    if live is None:
        return job
    return replace(
        job,
        fraction=live.fraction,
        stage=live.stage,
        message=live.message,
        eta_s=live.eta_s,
        paused_because=live.paused_because,
        heartbeat_at=live.heartbeat_at,
        process_id=live.process_id,
    )


def _number(value: Any) -> float | None:  # noqa: ANN401 – out of a file
    return None if value is None else float(value)
