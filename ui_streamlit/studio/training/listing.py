"""The trainings there were, the newest first."""

from __future__ import annotations

from html import escape
from typing import Final

import streamlit as st

from engine.store import now as current_time
from ui_streamlit.studio import wording
from ui_streamlit.studio.jobs.people import name_of
from ui_streamlit.studio.jobs.rows import bar
from ui_streamlit.studio.jobs.words import progress_line, state_word
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import card, chip, empty
from ui_streamlit.studio.visits import Visit, live

__all__ = ["draw_list"]

_SHOWN: Final = 12


@live("models.view", every_s=3)
def draw_list(here: Visit) -> None:
    """Draw a row for each training; refreshes itself."""
    found = here.workbench.trainings.list(here.actor)
    if not found:
        if not here.may("models.train"):
            empty(
                "No trainings yet",
                "Annotators, reviewers and administrators start them; you can watch them here.",
                icon=":material/model_training:",
            )
        return
    st.subheader("Trainings", anchor=False)
    for job in found[:_SHOWN]:
        with card(f"training-{job.id}"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.page_link(
                    page("train"),
                    label=wording.plain(job.title),
                    query_params={"training": job.id},
                )
                word = state_word(job)
                chip(word.label, word.tone, icon=word.icon)
            line = progress_line(job, now=current_time())
            st.html(f'{bar(job)}<p class="lb-line"><span>{escape(line)}</span></p>')
            who = wording.plain(name_of(here, job.created_by))
            st.caption(f"{who}, {wording.moment(job.created_at)}")
    if len(found) > _SHOWN:
        st.caption(f"The newest {_SHOWN} of {len(found):,}; all are among the jobs.")
