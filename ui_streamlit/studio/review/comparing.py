"""Two readings side by side, how far they agree, and the decision between them."""

from __future__ import annotations

from typing import Final

import streamlit as st

from engine.catalogue.second_readings import Choice, SecondReading
from engine.store.records import Image
from ui_streamlit.studio import wording
from ui_streamlit.studio.annotate.choices import colours_of, label_of
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.jobs.people import name_of
from ui_streamlit.studio.pieces import card
from ui_streamlit.studio.review.words import figure
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_comparison"]

_CHOICES: Final[dict[Choice, str]] = {
    "first": "The first reading counts",
    "second": "The second reading counts",
    "agreed": "Only what both say counts; the rest is not annotated",
}


def draw_comparison(here: Visit, image: Image) -> None:
    """Draw both masks, where they differ, Dice and kappa, and what may be decided."""
    readings = here.workbench.reviewing.second_readings
    found = readings.compare(here.actor, image.id)
    first, second, apart = readings.pictures(found, colours_of(found.classes))
    one, two = (wording.plain(name_of(here, mask.author)) for mask in (found.first, found.second))
    with st.grid(min_column_width=240, gap="small"):
        st.image(first, caption=f"First: {one}", width="stretch", alt="First reading")
        st.image(second, caption=f"Second: {two}", width="stretch", alt="Second reading")
        st.image(apart, caption="Where they differ (white)", width="stretch", alt="Difference")
    _draw_figures(found)
    _draw_choice(here, image)


def _draw_figures(found: SecondReading) -> None:
    agreement = found.agreement
    with st.container(horizontal=True, gap="medium"):
        st.metric("Cohen's kappa", figure(agreement.kappa), width="content")
        st.metric("Same state", wording.percent(agreement.agreed_share), width="content")
        for value, name in enumerate(found.classes):
            label = f"Dice, {label_of(value, found.classes).lower()}"
            st.metric(label, figure(agreement.dice[name]), width="content")
    st.caption(
        f"Over {agreement.both_px:,} pixels that both annotated. A class that neither used has no "
        "Dice; kappa is not defined where one class is all there is."
    )


def _draw_choice(here: Visit, image: Image) -> None:
    with card("adjudicate"):
        choice = st.radio(
            "Decision",
            list(_CHOICES),
            format_func=lambda name: _CHOICES[name],
            index=None,
            key=f"choice-{image.id}",
        )
        comment = st.text_input("Comment", key=f"choice-comment-{image.id}", max_chars=2000)
        decided = st.button(
            "Decide", type="primary", disabled=choice is None, key=f"decide-{image.id}"
        )
        if not decided or choice is None:
            return
        with attempt():
            here.workbench.reviewing.second_readings.adjudicate(
                here.actor, image.id, choice, comment=comment
            )
            tell("Decided: the chosen mask is approved.")
            st.rerun()
