"""One picture under review: the mask, what looks wrong in it, and the decision."""

from __future__ import annotations

import streamlit as st

from engine.catalogue.reviewing import Waiting
from engine.store.records import Mask
from ui_streamlit.studio import wording
from ui_streamlit.studio.annotate.choices import colours_of
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import Question, ask, tell
from ui_streamlit.studio.jobs.people import name_of
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import card, chip
from ui_streamlit.studio.review.comparing import draw_comparison
from ui_streamlit.studio.review.words import STATUS
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_picture"]


def draw_picture(here: Visit, image_id: str) -> None:
    """Draw the picture, its mask and what may be decided about it."""
    waiting = here.workbench.reviewing.waiting(here.actor, image_id)
    image = waiting.image
    here.workbench.reviewing.second_readings.require_sighted(here.actor, image_id)
    st.subheader(wording.plain(image.name), anchor=False)
    with st.container(horizontal=True, gap="xsmall"):
        chip(*STATUS[image.status])
        if waiting.doubt is not None:
            chip(f"{wording.percent(waiting.doubt)} uncertain", "quiet")
    if waiting.mask is None:
        st.info("Nobody has drawn a mask of this picture yet.", icon=":material/draw:")
    if waiting.second == "ready" and here.may("masks.review"):
        draw_comparison(here, image)
        _draw_withdraw(waiting)
        return
    _draw_look(here, waiting)
    if waiting.mask is not None and image.status == "to_review" and here.may("masks.review"):
        if waiting.second:
            st.info(
                "A second reading was asked for. Both masks are compared here when it is sent.",
                icon=":material/visibility_off:",
            )
            _draw_withdraw(waiting)
        else:
            _draw_decision(here, waiting.mask)
            _draw_asking(here, waiting)
    st.page_link(
        page("annotate"),
        label="Open it in Annotate",
        icon=":material/draw:",
        query_params={"image": image.id},
    )


def _draw_look(here: Visit, waiting: Waiting) -> None:
    reviewing, image = here.workbench.reviewing, waiting.image
    classes = reviewing.second_readings.classes(image)
    look = reviewing.look(here.actor, image.id, colours=colours_of(classes))
    with st.grid(min_column_width=280, gap="small"):
        st.image(look.plain, caption="Picture", width="stretch", alt=image.name)
        if waiting.mask is not None:
            name = f"{image.name}, mask"
            st.image(look.marked, caption="With its mask", width="stretch", alt=name)
    if waiting.mask is not None:
        _draw_facts(here, waiting.mask, look.shares)
        for sentence in look.warnings:
            st.warning(wording.plain(sentence), icon=":material/warning:")


def _draw_facts(here: Visit, mask: Mask, shares: dict[str, float]) -> None:
    parts = [f"{wording.plain(name)} {wording.percent(share)}" for name, share in shares.items()]
    st.markdown(
        f"Revision {mask.revision} by {wording.plain(name_of(here, mask.author))}, "
        f"{wording.moment(mask.at)}. Of what is annotated: {', '.join(parts)}."
    )
    if mask.comment:
        st.markdown(f"“{wording.plain(mask.comment)}”")
    reviewed = str(mask.details.get("reviewed_by", ""))
    if reviewed:
        said = str(mask.details.get("review_comment", ""))
        who = wording.plain(name_of(here, reviewed))
        st.caption(f"Decided by {who}" + (f": “{wording.plain(said)}”" if said else ""))


def _draw_decision(here: Visit, mask: Mask) -> None:
    with card("decide"):
        comment = st.text_area(
            "Comment",
            key=f"review-comment-{mask.id}",
            placeholder="What should be changed; needed to send it back",
            max_chars=2000,
        )
        with st.container(horizontal=True):
            approved = st.button(
                "Approve", type="primary", key=f"approve-{mask.id}", icon=":material/check:"
            )
            sent_back = st.button("Send back", key=f"send-back-{mask.id}", icon=":material/undo:")
        if not (approved or sent_back):
            return
        with attempt():
            reviewing = here.workbench.reviewing
            if approved:
                reviewing.approve(here.actor, mask.id, comment=comment)
                tell("Approved: this mask counts now.")
            else:
                reviewing.send_back(here.actor, mask.id, comment=comment)
                tell("Sent back with your comment.")
            st.rerun()


def _draw_asking(here: Visit, waiting: Waiting) -> None:
    if waiting.image.sample_id or waiting.is_second:
        return
    readings = here.workbench.reviewing.second_readings
    readers = {one.id: one.name for one in readings.readers(here.actor, waiting.image.id)}
    with st.expander("Ask for a second reading"):
        st.markdown(
            "Another person draws the same picture without seeing this mask; then both are "
            "compared side by side."
        )
        if not readers:
            st.caption("Nobody else here may draw masks; an administrator can invite somebody.")
            return
        with st.container(horizontal=True, vertical_alignment="bottom"):
            reader = st.selectbox(
                "Second reader",
                list(readers),
                format_func=lambda name: readers.get(name, name),
                key=f"reader-{waiting.image.id}",
            )
            if st.button("Ask", key=f"ask-{waiting.image.id}"):
                with attempt():
                    readings.ask(here.actor, waiting.image.id, reader)
                    tell(f"{readers[reader]} finds it under “Mine”.")
                    st.rerun()


def _draw_withdraw(waiting: Waiting) -> None:
    image_id = waiting.image.id
    if st.button("Withdraw the second reading …", key=f"withdraw-{image_id}"):

        def act(there: Visit) -> str:
            there.workbench.reviewing.second_readings.withdraw(there.actor, image_id)
            return "The second reading is withdrawn."

        ask(
            Question(
                title="Withdraw the second reading?",
                text="The first mask waits for review as before.",
                lost=("what the second reader has drawn so far",),
                button="Withdraw",
                action="masks.review",
                act=act,
            )
        )
