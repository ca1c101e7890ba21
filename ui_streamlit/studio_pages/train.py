"""Train: a dataset becomes a model, and everybody can watch it learn."""

from __future__ import annotations

import streamlit as st

from ui_streamlit.studio import heading, visit
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.places import record_in_address
from ui_streamlit.studio.training.beginning import draw_beginning
from ui_streamlit.studio.training.later import draw_later
from ui_streamlit.studio.training.listing import draw_list
from ui_streamlit.studio.training.watching import draw_training

_here = visit("models.view")
heading("Train", "A model learns from your masks. You may close the page: it goes on.")
_asked = record_in_address("training")
if _asked:
    with st.container(key="lb-back"):
        st.page_link(page("train"), label="← All trainings")
    draw_training(_here, _asked)
else:
    if _here.may("models.train"):
        draw_beginning(_here)
    draw_list()
    draw_later(_here)
