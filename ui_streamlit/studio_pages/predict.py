"""Predict: ask a trained model about one picture or many, and look at what it says."""

from __future__ import annotations

import streamlit as st

from ui_streamlit.studio import heading, visit
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.places import record_in_address
from ui_streamlit.studio.predict.asking import draw_asking
from ui_streamlit.studio.predict.kept import draw_kept
from ui_streamlit.studio.predict.many import draw_many
from ui_streamlit.studio.predict.models import draw_models

_here = visit("models.predict")
heading("Predict", "A model marks areas in pictures, says how sure it is, and measures them.")
_asked = record_in_address("answer")
if _asked:
    with st.container(key="lb-back"):
        st.page_link(page("predict"), label="← Ask about another picture")
    draw_kept(_here, _asked)
else:
    _model = draw_models(_here)
    _how = _model and st.segmented_control(
        "Pictures",
        ("One picture", "Many pictures"),
        default="One picture",
        required=True,
        label_visibility="collapsed",
        key="predict-how",
    )
    if _model is not None and _how == "One picture":
        draw_asking(_here, _model)
    elif _model is not None:
        draw_many(_here, _model)
