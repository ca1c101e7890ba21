"""Patients: whose samples are here, how far they are; one patient when the address names them."""

from __future__ import annotations

import streamlit as st

from ui_streamlit.studio import heading, visit
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.patients.detail import draw_patient
from ui_streamlit.studio.patients.listing import draw_add, draw_list
from ui_streamlit.studio.places import record_in_address

_here = visit("patients.view")
heading("Patients", "Whose samples are here, and what was found in them.")
_asked = record_in_address("patient")
if _asked:
    st.page_link(page("patients"), label="All patients", icon=":material/arrow_back:")
    draw_patient(_here, _asked)
else:
    draw_list(_here)
    draw_add(_here)
