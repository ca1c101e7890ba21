"""The list of jobs: how many there are of each kind, filters, rows, and actions on many at once."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Final

import streamlit as st

from engine.store import now as current_time
from engine.store.records import Job
from ui_streamlit.studio import wording
from ui_streamlit.studio.jobs import actions, choosing
from ui_streamlit.studio.jobs.choosing import Filter
from ui_streamlit.studio.jobs.people import name_of
from ui_streamlit.studio.jobs.rows import PICK, draw_row
from ui_streamlit.studio.jobs.words import STATES
from ui_streamlit.studio.pieces import empty
from ui_streamlit.studio.visits import Visit, live

__all__ = ["draw_filters", "draw_list"]

_PER_PAGE: Final = 12
_GROUPS: Final = {"Active": choosing.ACTIVE} | {
    word.label: frozenset({state}) for state, word in STATES.items()
}


def draw_filters(here: Visit) -> Filter:
    """Draw the filters, which the address carries, and return what was chosen."""
    states = st.pills(
        "State",
        list(_GROUPS),
        key="state",
        bind="query-params",
        label_visibility="collapsed",
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            "Search",
            key="find",
            bind="query-params",
            placeholder="Title, task, message or id",
            label_visibility="collapsed",
            icon=":material/search:",
        )
        mine = not here.is_open and st.toggle("Only mine", key="mine", bind="query-params")
    return Filter(
        states=frozenset(_GROUPS[states]) if states else frozenset(),
        words=words or "",
        mine_of=here.actor if mine else None,
    )


@live("jobs.view", every_s=2)
def draw_list(here: Visit, wanted: Filter) -> None:
    """Draw the jobs that match; refreshes itself."""
    queue = here.workbench.queue
    everything = queue.all()
    found = choosing.chosen(everything, wanted)
    _draw_counts(everything)
    if not any(worker.is_alive for worker in queue.workers()):
        _draw_no_worker(everything)
    if not everything:
        empty(
            "No jobs yet",
            "Long work appears here as soon as somebody starts it. "
            "The sample data on the first page is a good beginning.",
            icon=":material/list_alt:",
        )
        return
    if not found:
        empty("No job matches", "Choose another state or fewer words.", icon=":material/search:")
        return
    pages = ceil(len(found) / _PER_PAGE)
    number = min(int(st.session_state.get("jobs-page") or 1), pages)
    shown = found[(number - 1) * _PER_PAGE : number * _PER_PAGE]
    _draw_batch(here, shown)
    now = current_time()
    for job in shown:
        draw_row(here, job, who=name_of(here, job.created_by), now=now)
    if pages > 1:
        st.pagination(pages, key="jobs-page", default=1)


def _draw_counts(jobs: Sequence[Job]) -> None:
    numbers = dict.fromkeys(STATES, 0)
    for job in jobs:
        numbers[job.state] += 1
    parts = [f"{number} {STATES[state].label.lower()}" for state, number in numbers.items()]
    st.caption(f"{wording.count(len(jobs), 'job')}: " + ", ".join(parts) if jobs else "")


def _draw_no_worker(jobs: Sequence[Job]) -> None:
    waiting = sum(job.state == "pending" for job in jobs)
    if waiting:
        st.warning(
            f"No worker is running, so {wording.count(waiting, 'job')} must wait. "
            "The server starts one by itself; alone, it is `lightbox worker`.",
            icon=":material/warning:",
        )


def _draw_batch(here: Visit, shown: Sequence[Job]) -> None:
    picked = [job for job in shown if st.session_state.get(PICK + job.id)]
    with st.container(horizontal=True, vertical_alignment="center"):
        if len(picked) < len(shown):
            st.button("Choose all", key="pick-all", on_click=_pick, args=(shown, True))
        if picked:
            st.button("Choose none", key="pick-none", on_click=_pick, args=(shown, False))
            st.markdown(f"{len(picked)} chosen", width="content")
            actions.buttons(here, picked, key="batch")


def _pick(jobs: Sequence[Job], chosen: bool) -> None:
    for job in jobs:
        st.session_state[PICK + job.id] = chosen
