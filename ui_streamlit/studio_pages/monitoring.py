"""Monitoring: how each part is, what the server used in the last hour, how long models take."""

from __future__ import annotations

import streamlit as st

from ui_streamlit.studio import heading, visit
from ui_streamlit.studio.monitoring import draw_charts, draw_latency, draw_overview
from ui_streamlit.studio.monitoring.overview import draw_style

visit("monitoring.view")
heading("Monitoring", "How this server is. Everything here refreshes itself every few seconds.")
draw_style()
draw_overview()
st.subheader("The last hour", anchor=False)
draw_charts()
st.subheader("How long models take", anchor=False)
draw_latency()
