"""How a job is put into words: its state, how far it is, how long it still takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, final

from engine.store.records import Job, JobState
from ui_streamlit.studio import wording
from ui_streamlit.studio.pieces import Tone

__all__ = ["STATES", "StateWord", "elapsed_s", "progress_line", "remaining_s", "state_word"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StateWord:
    """What a state is called, its tone and its picture (of the font on this server)."""

    label: str
    tone: Tone
    icon: str


STATES: Final[Mapping[JobState, StateWord]] = {
    "processing": StateWord(label="Running", tone="busy", icon=":material/play_circle:"),
    "pending": StateWord(label="Waiting", tone="waiting", icon=":material/schedule:"),
    "stuck": StateWord(label="Stuck", tone="bad", icon=":material/warning:"),
    "failed": StateWord(label="Failed", tone="bad", icon=":material/error:"),
    "completed": StateWord(label="Done", tone="good", icon=":material/check_circle:"),
    "cancelled": StateWord(label="Cancelled", tone="quiet", icon=":material/block:"),
}
_PAUSED = StateWord(label="Paused", tone="waiting", icon=":material/pause_circle:")
_STOPPING = StateWord(label="Stopping", tone="waiting", icon=":material/pending:")


def state_word(job: Job) -> StateWord:
    """Return the word for a job: a running one may be paused or about to stop."""
    if job.state == "processing" and job.cancel_requested:
        return _STOPPING
    if job.state == "processing" and job.paused_because:
        return _PAUSED
    return STATES[job.state]


def elapsed_s(job: Job, *, now: datetime) -> float | None:
    """Return the seconds that its last attempt took, or has taken so far."""
    if job.started_at is None:
        return None
    return max(0.0, ((job.finished_at or now) - job.started_at).total_seconds())


def remaining_s(job: Job, *, now: datetime) -> float | None:
    """Return the seconds to the end: the task's own estimate, else what its pace suggests."""
    if job.state != "processing" or job.paused_because:
        return None
    if job.eta_s is not None:
        since = (now - job.heartbeat_at).total_seconds() if job.heartbeat_at else 0.0
        return max(0.0, job.eta_s - max(0.0, since))
    so_far = elapsed_s(job, now=now)
    if so_far is None or not job.fraction or job.fraction < 0.05:
        return None
    return so_far * (1 - job.fraction) / job.fraction


def progress_line(job: Job, *, now: datetime) -> str:
    """Return one line about where a job stands.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    >>> job = Job(task="t", state="processing", started_at=noon, fraction=0.5, stage="Drawing")
    >>> progress_line(job, now=noon.replace(second=30))
    'Drawing · 50 % · about 30 s left'
    """
    if job.state == "pending":
        return _waiting_line(job)
    if job.state == "processing":
        return _running_line(job, now=now)
    if job.state == "stuck":
        return f"No sign of life since {wording.ago(job.heartbeat_at, now=now)}"
    took = elapsed_s(job, now=now)
    ending = (job.error if job.state == "failed" else job.message).rstrip(".")
    parts = [ending, f"took {wording.duration(took)}" if took is not None else ""]
    return " · ".join(part for part in parts if part)


def _waiting_line(job: Job) -> str:
    if job.paused_because:
        return job.paused_because
    if job.after:
        return f"Waits for {wording.count(len(job.after), 'other job')} to be done"
    again = f"Attempt {job.attempts + 1} of {job.max_attempts}" if job.attempts else ""
    return again or "Begins when the worker is free"


def _running_line(job: Job, *, now: datetime) -> str:
    if job.cancel_requested:
        return "Asked to stop"
    if job.paused_because:
        return job.paused_because
    left = remaining_s(job, now=now)
    parts = [
        job.stage,
        job.message,
        wording.percent(job.fraction) if job.fraction is not None else "",
        f"about {wording.duration(round(left))} left" if left is not None and left >= 1 else "",
    ]
    return " · ".join(part for part in parts if part) or "Begins"
