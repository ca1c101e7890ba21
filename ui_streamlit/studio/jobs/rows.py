"""One job in the list: title, state, bar, one line; a box to choose it and what may be done."""

from __future__ import annotations

from datetime import datetime
from html import escape

import streamlit as st

from engine.store.records import Job
from ui_streamlit.studio import wording
from ui_streamlit.studio.jobs import actions
from ui_streamlit.studio.jobs.words import progress_line, state_word
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import card, chip
from ui_streamlit.studio.visits import Visit

__all__ = ["PICK", "bar", "draw_row"]

PICK = "pick-job-"


def draw_row(here: Visit, job: Job, *, who: str, now: datetime) -> None:
    """Draw ``job``; ``who`` is the name of the one that started it."""
    title = job.title or job.task
    with card(f"job-{job.id}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.checkbox(f"Choose {title}", key=PICK + job.id, label_visibility="collapsed")
            st.page_link(
                page("jobs"), label=f"**{wording.plain(title)}**", query_params={"job": job.id}
            )
            word = state_word(job)
            chip(word.label, word.tone, icon=word.icon)
            st.space("stretch")
            actions.buttons(here, [job], key=f"row-{job.id}")
        started = f"{who} · {wording.ago(job.created_at, now=now)}"
        st.html(bar(job) + _line(progress_line(job, now=now), started))


def bar(job: Job) -> str:
    """Return HTML of the progress bar of a running job; nothing for others.

    A task that cannot tell how far it is gets a bar without a length.
    """
    if job.state != "processing":
        return ""
    label = f'role="progressbar" aria-label="Progress of {escape(job.title or job.task)}"'
    if job.fraction is None:
        return f'<div class="lb-bar" data-unknown="true" {label}><i></i></div>'
    done = round(100 * min(1.0, max(0.0, job.fraction)), 1)
    return (
        f'<div class="lb-bar" {label} aria-valuenow="{done:.0f}" aria-valuemin="0" '
        f'aria-valuemax="100"><i style="width:{done}%"></i></div>'
    )


def _line(where: str, started: str) -> str:
    return f'<p class="lb-line"><span>{escape(where)}</span><span>{escape(started)}</span></p>'
