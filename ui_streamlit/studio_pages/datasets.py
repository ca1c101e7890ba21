"""Datasets: what is there, each with its pictures, checks and versions, and the way in."""

from __future__ import annotations

import streamlit as st

from ui_streamlit.studio import heading, visit
from ui_streamlit.studio.datasets.arriving import draw_arriving, draw_at_work
from ui_streamlit.studio.datasets.detail import draw_dataset
from ui_streamlit.studio.datasets.gallery import draw_picture
from ui_streamlit.studio.datasets.listing import draw_list
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.places import record_in_address

_here = visit("datasets.view")
heading("Datasets", "Pictures and their masks; checked, divided by patient, and kept in versions.")
_asked = record_in_address("dataset")
_picture = record_in_address("image")
if _picture:
    with st.container(key="lb-back"):
        st.page_link(page("datasets"), label="← The dataset", query_params={"dataset": _asked})
    draw_picture(_here, _picture)
elif _asked:
    with st.container(key="lb-back"):
        st.page_link(page("datasets"), label="← All datasets")
    draw_dataset(_here, _asked)
else:
    if _here.may("datasets.add"):
        draw_arriving(_here)
    draw_at_work()
    draw_list()
