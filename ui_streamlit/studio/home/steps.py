"""First steps: sample data in one click, and what came of it."""

from __future__ import annotations

from html import escape
from typing import Final

import streamlit as st

from engine.store import now
from engine.store.records import Job
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.jobs.rows import bar
from ui_streamlit.studio.jobs.words import progress_line
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import card
from ui_streamlit.studio.visits import Visit, live

__all__ = ["draw_first_steps"]

_TASK: Final = "sample_data"
_WATCHED: Final = "steps-watched"


@live("studio.open", every_s=2)
def draw_first_steps(here: Visit) -> None:
    """Draw what a newcomer does first; gone as soon as there is a dataset."""
    job = _last_job(here)
    at_work = job is not None and job.state in ("pending", "processing")
    watched = bool(st.session_state.get(_WATCHED))
    if len(here.workbench.store.datasets.read()) and not (at_work and watched):
        if watched:
            del st.session_state[_WATCHED]
            tell("The sample data is here.")
            st.rerun()  # the rest of the page does not refresh itself
        return
    with card("steps"):
        st.subheader("First steps", anchor=False)
        st.markdown(
            "Begin with sample data: drawn tissue with masks in three states, healthy, unhealthy "
            "and background. It holds no patient and can be removed at any time."
        )
        if at_work and job is not None:
            st.session_state[_WATCHED] = True
            _draw_progress(job)
        else:
            _draw_button(here, job)


def _draw_button(here: Visit, job: Job | None) -> None:
    if job is not None and job.state == "failed":
        st.error(wording.plain(job.error), icon=":material/error:")
    if not here.may("sample_data.add"):
        st.caption("Ask an uploader or an administrator to add it.")
        return
    if not st.button("Add sample data", type="primary", icon=":material/add_photo_alternate:"):
        return
    with attempt():
        here.require("sample_data.add")
        here.workbench.queue.submit(_TASK, {}, actor=here.actor)
        st.rerun()


def _draw_progress(job: Job) -> None:
    line = escape(progress_line(job, now=now()))
    st.html(f'{bar(job)}<p class="lb-line"><span>{line}</span></p>')
    st.page_link(page("jobs"), label="Open the job", query_params={"job": job.id})


def _last_job(here: Visit) -> Job | None:
    jobs = [job for job in here.workbench.queue.all() if job.task == _TASK]
    return max(jobs, key=lambda job: job.created_at, default=None)
