"""Jobs: what runs, what waits, what went wrong; one job with its log when the address names it."""

from __future__ import annotations

import streamlit as st

from ui_streamlit.studio import heading, visit
from ui_streamlit.studio.jobs.detail import draw_job
from ui_streamlit.studio.jobs.listing import draw_filters, draw_list
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.places import record_in_address

_here = visit("jobs.view")
heading("Jobs", "Long work runs here. You may close the page: it goes on.")
_asked = record_in_address("job")
if _asked:
    with st.container(key="lb-back"):
        st.page_link(page("jobs"), label="← All jobs")
    draw_job(_asked)
else:
    draw_list(draw_filters(_here))
