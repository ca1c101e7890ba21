"""Revisions of a mask: storing one, comparing two, going back."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from engine.store.records import Image, Mask
from ui_streamlit.studio import wording
from ui_streamlit.studio.annotate.board import tab
from ui_streamlit.studio.annotate.choices import label_of
from ui_streamlit.studio.annotate.sheets import change
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import Question, ask, tell
from ui_streamlit.studio.jobs.people import name_of
from ui_streamlit.studio.pieces import card, chip
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_revisions", "draw_saving"]

_SHOWN = 12
_WARNED = "annotate-warned"
_STATES = {"draft": "Draft", "submitted": "For review", "approved": "Approved"}
_REGIONS = {"human": "by hand", "model": "proposed", "edited": "proposed and edited"}
_ORIGINS = {
    "human": "drawn by hand",
    "model": "proposed by a model",
    "edited": "edited by hand",
    "imported": "imported",
    "drawn": "drawn with the sample data",
}


def draw_saving(here: Visit, image: Image) -> None:
    """Draw the form that stores the mask as a revision."""
    with card("save"):
        st.subheader("Save a revision", anchor=False)
        st.caption("Strokes are kept anyway; a revision is what datasets and training use.")
        with st.form("annotate-save", border=False, clear_on_submit=True):
            comment = st.text_input("Comment", max_chars=2000, placeholder="What is new")
            for_review = st.checkbox("Ready for review")
            wanted = st.form_submit_button("Save the revision", type="primary")
        _draw_warnings(image)
        if wanted:
            with attempt():
                mask = here.workbench.annotation.save(
                    image.id, here.actor, tab=tab(), comment=comment, for_review=for_review
                )
                warned = here.workbench.annotation.warnings(image.id, here.actor)
                st.session_state[_WARNED] = (image.id, warned)
                tell(f"Revision {mask.revision} is stored.")
                st.rerun()


def _draw_warnings(image: Image) -> None:
    """Say what looked odd in the revision that was stored last; it is stored all the same."""
    of, sentences = st.session_state.get(_WARNED, ("", ()))
    if of == image.id and sentences:
        st.warning("\n".join(f"- {wording.plain(text)}" for text in sentences[:_SHOWN]))


def draw_revisions(here: Visit, image: Image, *, may_draw: bool) -> None:
    """Draw the stored masks of a picture, newest first, and what differs between two."""
    found = here.workbench.annotation.revisions(image.id, here.actor)
    if not found:
        return
    with card("revisions"):
        st.subheader("Revisions", anchor=False)
        for mask in found[:_SHOWN]:
            _draw_revision(here, image, mask, may_draw=may_draw)
        if len(found) > _SHOWN:
            st.caption(f"The newest {_SHOWN} of {len(found)}.")
        _draw_comparison(here, image, found)


def _draw_revision(here: Visit, image: Image, mask: Mask, *, may_draw: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"**Revision {mask.revision}**, {wording.moment(mask.at)}, "
            f"{wording.plain(_author(here, mask))}, {_ORIGINS[mask.origin]}"
            + (f": {wording.plain(mask.comment)}" if mask.comment else "")
        )
        whence = _whence(mask)
        if whence:
            st.caption(whence)
        if mask.state in _STATES:
            chip(_STATES[mask.state], "good" if mask.state == "approved" else "quiet")
        if may_draw and st.button("Go back to this", key=f"annotate-back-{mask.id}"):
            _ask_to_restore(image, mask)


def _whence(mask: Mask) -> str:
    """Return how many of its regions come from whom, empty where nobody noted it."""
    noted = mask.details.get("provenance", {})
    counts = noted.get("regions", {}) if isinstance(noted, Mapping) else {}
    found = [f"{counts[name]:,} {text}" for name, text in _REGIONS.items() if counts.get(name)]
    sure = mask.details.get("uncertainty")
    doubt = f"; {wording.percent(float(sure))} uncertain" if isinstance(sure, float) else ""
    return f"Regions: {', '.join(found)}{doubt}" if found else ""


def _ask_to_restore(image: Image, mask: Mask) -> None:
    def restore(there: Visit) -> str:
        there.workbench.annotation.restore(image.id, mask.id, there.actor, tab=tab())
        change()
        return f"The mask is as in revision {mask.revision}. Undo brings back what was before."

    ask(
        Question(
            title=f"Go back to revision {mask.revision}?",
            text="The mask becomes what it was then. This counts as a stroke: undo takes it back.",
            button="Go back",
            action="masks.draw",
            act=restore,
        )
    )


def _draw_comparison(here: Visit, image: Image, found: tuple[Mask, ...]) -> None:
    names = {mask.id: f"Revision {mask.revision}" for mask in found} | {"": "The mask now"}
    with st.expander("Compare two"):
        with st.container(horizontal=True):
            first = st.selectbox(
                "From", list(names), format_func=names.__getitem__, key="annotate-first"
            )
            second = st.selectbox(
                "To",
                ["", *(mask.id for mask in found)],
                format_func=names.__getitem__,
                key="annotate-second",
            )
        if not st.button("Compare", key="annotate-compare"):
            return
        with attempt():
            compared = here.workbench.annotation.compare(image.id, here.actor, first, second)
            classes = here.workbench.annotation.classes(image)
            st.markdown(f"{compared.changed_px:,} pixels differ, marked in the picture.")
            st.image(compared.picture, width="stretch", alt="What differs, marked")
            states = sorted({*compared.first, *compared.second})
            st.table(
                {
                    "State": [label_of(state, classes) for state in states],
                    names[first]: [f"{compared.first.get(state, 0):,}" for state in states],
                    f"{names[second]} ": [f"{compared.second.get(state, 0):,}" for state in states],
                }
            )


def _author(here: Visit, mask: Mask) -> str:
    if not mask.author or mask.origin == "drawn":
        return mask.author or "unknown"
    return name_of(here, mask.author)
