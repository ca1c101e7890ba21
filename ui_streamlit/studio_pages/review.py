"""Review: what waits to be drawn, and masks to approve, send back or read a second time."""

from __future__ import annotations

import streamlit as st

from ui_streamlit.studio import attempt, heading, visit
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.places import record_in_address
from ui_streamlit.studio.review.deciding import draw_picture
from ui_streamlit.studio.review.queues import draw_queues

_here = visit("masks.draw")
heading("Review", "Who draws what, and which masks count.")
_asked = record_in_address("image")
if _asked:
    with st.container(key="lb-back"):
        st.page_link(page("review"), label="← All queues")
    with attempt():
        draw_picture(_here, _asked)
else:
    draw_queues(_here)
