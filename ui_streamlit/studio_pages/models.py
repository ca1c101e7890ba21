"""Models: which there are, how good they are, which one is used, and how they travel."""

from __future__ import annotations

import streamlit as st

from ui_streamlit.studio import heading, visit
from ui_streamlit.studio.models.arriving import draw_arriving
from ui_streamlit.studio.models.comparing import draw_comparing, draw_comparison
from ui_streamlit.studio.models.detail import draw_model
from ui_streamlit.studio.models.listing import draw_list
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.places import record_in_address

_here = visit("models.view")
heading("Models", "What was trained, how good it is, and which one is used.")
_asked = record_in_address("model")
_comparison = record_in_address("comparison")
if _asked or _comparison:
    with st.container(key="lb-back"):
        st.page_link(page("models"), label="← All models")
    if _asked:
        draw_model(_here, _asked)
    else:
        draw_comparison(_here, _comparison)
else:
    draw_list(_here)
    draw_comparing(_here)
    if _here.may("models.manage"):
        draw_arriving(_here)
