"""Cancel, retry and reset, one job or many; the queue itself checks who may."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine.store.records import Job
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import Question, ask, tell
from ui_streamlit.studio.jobs.choosing import can_cancel, can_reset, can_retry
from ui_streamlit.studio.visits import Visit, visit

__all__ = ["ask_cancel", "ask_reset", "buttons", "retry"]


def buttons(here: Visit, jobs: Sequence[Job], *, key: str) -> None:
    """Draw the buttons that make sense for ``jobs``; with several, each tells how many it means."""
    queue = here.workbench.queue
    mine = [job for job in jobs if queue.may_control(job, here.actor)]
    for label, icon, fits, do in (
        ("Cancel", ":material/cancel:", can_cancel, ask_cancel),
        ("Retry", ":material/replay:", can_retry, retry),
        ("Reset", ":material/restart_alt:", can_reset, ask_reset),
    ):
        fitting = [job for job in mine if fits(job)]
        text = label if len(jobs) == 1 else f"{label} {len(fitting)}"
        if fitting and st.button(text, icon=icon, key=f"{key}-{label}"):
            do(fitting)


def ask_cancel(jobs: Sequence[Job]) -> None:
    """Ask before work is stopped."""
    ids = tuple(job.id for job in jobs)
    many = wording.count(len(jobs), "job")
    ask(
        Question(
            title=f"Cancel {_name(jobs)}?",
            text="A running job stops within seconds. You can start it again with Retry.",
            lost=tuple(_loss(job) for job in jobs[:8]) + _rest(jobs),
            button=f"Cancel {many}" if len(jobs) > 1 else "Cancel the job",
            action="jobs.view",
            act=lambda there: _cancel(there, ids),
        )
    )


def ask_reset(jobs: Sequence[Job]) -> None:
    """Ask before a job that hangs is taken away from its worker."""
    ids = tuple(job.id for job in jobs)
    ask(
        Question(
            title=f"Reset {_name(jobs)}?",
            text="It goes back to the queue and begins again, from its last saved state if it "
            "has one.",
            lost=tuple(f"{_title(job)}: what it did since it last saved" for job in jobs[:8])
            + _rest(jobs),
            button="Reset",
            action="jobs.view",
            act=lambda there: _reset(there, ids),
        )
    )


def retry(jobs: Sequence[Job]) -> None:
    """Start again what ended without a result."""
    here = visit("jobs.view")
    done = 0
    with attempt():
        for job in jobs:
            here.workbench.queue.retry(job.id, here.actor)
            done += 1
    if done:
        tell(f"{wording.count(done, 'job')} started again.")
        st.rerun()


def _cancel(there: Visit, ids: Sequence[str]) -> str:
    for name in ids:
        there.workbench.queue.cancel(name, there.actor)
    return f"{wording.count(len(ids), 'job')} cancelled."


def _reset(there: Visit, ids: Sequence[str]) -> str:
    for name in ids:
        there.workbench.queue.reset_stuck(name, there.actor)
    return f"{wording.count(len(ids), 'job')} back in the queue."


def _title(job: Job) -> str:
    return wording.plain(job.title or job.task)


def _name(jobs: Sequence[Job]) -> str:
    return f"“{_title(jobs[0])}”" if len(jobs) == 1 else wording.count(len(jobs), "job")


def _loss(job: Job) -> str:
    if job.state == "pending":
        return f"{_title(job)}: its place in the queue"
    done = f", {wording.percent(job.fraction)} done" if job.fraction else ""
    return f"{_title(job)}: the work so far{done}"


def _rest(jobs: Sequence[Job]) -> tuple[str, ...]:
    return (f"and {len(jobs) - 8} more",) if len(jobs) > 8 else ()
