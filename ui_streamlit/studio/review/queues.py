"""The queues: what is mine, what is nobody's, what waits for a reviewer; least certain first."""

from __future__ import annotations

from typing import Final

import streamlit as st

from engine.catalogue.reviewing import QUEUES, QueueName, Waiting
from engine.catalogue.second_readings import seen_thumbnail
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.jobs.people import name_of
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import card, chip, empty
from ui_streamlit.studio.review.words import STATUS
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_queues"]

_LABELS: Final[dict[QueueName, str]] = {
    "mine": "Mine",
    "unassigned": "Unassigned",
    "to_review": "To review",
}
_EMPTY: Final[dict[QueueName, tuple[str, str]]] = {
    "mine": ("Nothing is yours to draw", "Take a picture that is nobody's yet."),
    "unassigned": (
        "No picture is free",
        "Each has somebody who draws on it, or none was brought in.",
    ),
    "to_review": (
        "Nothing waits for review",
        "A mask appears here when whoever drew it sends it for review.",
    ),
}


def draw_queues(here: Visit) -> None:
    """Draw the queue that the address names, page by page."""
    first: QueueName = "to_review" if here.may("masks.review") else "mine"
    label = st.segmented_control(
        "Queue",
        list(_LABELS.values()),
        default=_LABELS[first],
        key="queue",
        bind="query-params",
        label_visibility="collapsed",
    )
    which = next((name for name in QUEUES if _LABELS[name] == label), first)
    lengths = here.workbench.reviewing.lengths(here.actor)
    told = ", ".join(f"{lengths[name]:,} {_LABELS[name].lower()}" for name in QUEUES)
    st.caption(f"{told}. The least certain come first, then those that waited longest.")
    number = int(st.session_state.get(f"review-page-{which}") or 1)
    found = here.workbench.reviewing.queue(here.actor, which, page=number)
    if not found.rows and number > 1:  # the last page is gone
        found = here.workbench.reviewing.queue(here.actor, which)
    if not found.rows:
        empty(*_EMPTY[which], icon=":material/fact_check:")
        return
    for waiting in found.rows:
        _draw_row(here, waiting, which)
    if found.pages > 1:
        st.pagination(found.pages, key=f"review-page-{which}", default=1)


def _draw_row(here: Visit, waiting: Waiting, which: QueueName) -> None:
    image = waiting.image
    with card(f"review-{image.id}"), st.container(horizontal=True, vertical_alignment="top"):
        with attempt():
            bench = here.workbench
            small = seen_thumbnail(bench.store, bench.files, here.actor, image)
            st.image(small, width=120, alt=image.name)
        with st.container(gap="xxsmall"):
            st.markdown(f"**{wording.plain(image.name)}**")
            _draw_facts(here, waiting)
            with st.container(horizontal=True, gap="small", vertical_alignment="center"):
                _draw_doing(here, waiting, which)


def _draw_facts(here: Visit, waiting: Waiting) -> None:
    image, mask = waiting.image, waiting.mask
    dataset = here.workbench.store.datasets.read().get(image.dataset_id or "")
    parts = [dataset.name] if dataset is not None else []
    if mask is not None:
        parts.append(f"drawn by {name_of(here, mask.author)}, {wording.ago(mask.at)}")
    st.caption(wording.plain(", ".join(parts)))
    with st.container(horizontal=True, gap="xsmall"):
        chip(*STATUS[image.status])
        if waiting.is_second:
            chip("second reading, blinded", "quiet")
        if waiting.second:
            ready = waiting.second == "ready"
            chip(
                "two readings to compare" if ready else "second reading asked for",
                "waiting" if ready else "quiet",
            )
        if waiting.doubt is not None:
            chip(f"{wording.percent(waiting.doubt)} uncertain", "quiet")
    comment = "" if mask is None else str(mask.details.get("review_comment", ""))
    if image.status == "sent_back" and comment:
        st.markdown(f"To change: {wording.plain(comment)}")


def _draw_doing(here: Visit, waiting: Waiting, which: QueueName) -> None:
    image, reviewing = waiting.image, here.workbench.reviewing
    if which == "to_review":
        st.page_link(
            page("review"),
            label="Review" if here.may("masks.review") else "Look",
            icon=":material/fact_check:",
            query_params={"image": image.id},
        )
        return
    if which == "unassigned":
        if st.button("Take it", key=f"take-{image.id}", icon=":material/person_add:"):
            with attempt():
                reviewing.take(here.actor, image.id)
                tell(f"{image.name} is yours.")
                st.rerun()
        return
    st.page_link(
        page("annotate"), label="Draw", icon=":material/draw:", query_params={"image": image.id}
    )
    if not waiting.is_second and st.button("Put it back", key=f"put-back-{image.id}"):
        with attempt():
            reviewing.put_back(here.actor, image.id)
            tell(f"{image.name} is nobody's again; what is drawn stays.")
            st.rerun()
