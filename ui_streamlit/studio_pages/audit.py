"""Audit: who did what to which record; one line when the address names it."""

from __future__ import annotations

import streamlit as st

from ui_streamlit.studio import heading, visit
from ui_streamlit.studio.audit.choosing import draw_filters
from ui_streamlit.studio.audit.listing import draw_check, draw_export, draw_one, draw_page
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.places import record_in_address

_here = visit("audit.view")
heading("Audit", "Who did what to which record. Nothing here can be changed, not even by you.")
_asked = record_in_address("entry")
if _asked:
    st.page_link(page("audit"), label="All lines", icon=":material/arrow_back:")
    draw_one(_here, _asked)
else:
    draw_check(_here)
    _filters = draw_filters(_here)
    draw_page(_here, _filters)
    draw_export(_here, _filters)
