"""Home: what waits for you, first steps, and what is here."""

from __future__ import annotations

import streamlit as st

from ui_streamlit.studio import attempt, card, heading, live, visit
from ui_streamlit.studio.home.contents import draw_contents
from ui_streamlit.studio.home.steps import draw_first_steps
from ui_streamlit.studio.home.training import draw_training_step
from ui_streamlit.studio.home.waiting import Waiting, what_waits
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import chip
from ui_streamlit.studio.visits import Visit
from ui_streamlit.studio.wording import plain

_TONES = {"bad": "Look", "waiting": "Waits", "busy": "At work"}


@live("studio.open", every_s=5)
def _waiting(here: Visit) -> None:
    st.subheader("What waits for you", anchor=False)
    items = what_waits(here)
    with card("waiting"):
        if not items:
            st.markdown(":material/check_circle: Nothing waits for you.")
        for item in items:
            _draw_item(item)


def _draw_item(item: Waiting) -> None:
    with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
        chip(_TONES.get(item.tone, "Note"), item.tone)
        if item.page:
            st.page_link(page(item.page), label=plain(item.text), query_params=item.query or None)
        else:
            st.markdown(plain(item.text), width="stretch")


_here = visit("studio.open")
heading("Studio", "Pictures, masks and models of your team, on this machine.")
with attempt():
    draw_first_steps()
with attempt():
    draw_training_step(_here)
with attempt():
    _waiting()
with attempt():
    draw_contents(_here)
