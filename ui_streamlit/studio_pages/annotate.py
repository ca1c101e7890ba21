"""Annotate: masks drawn by hand on the pictures of the datasets, one picture at a time."""

from __future__ import annotations

import streamlit as st

from ui_streamlit.studio import heading, visit
from ui_streamlit.studio.annotate.choosing import draw_choosing
from ui_streamlit.studio.annotate.desk import draw_desk
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.places import record_in_address

_here = visit("masks.view")
_asked = record_in_address("image")
if _asked:
    with st.container(key="lb-back"):
        st.page_link(page("annotate"), label="← All pictures")
    draw_desk(_here, _asked)
else:
    heading("Annotate", "Choose a picture and draw its mask. Every stroke is kept as it ends.")
    draw_choosing(_here)
