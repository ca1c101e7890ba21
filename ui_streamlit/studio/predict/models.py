"""Which model is asked: the one in use first."""

from __future__ import annotations

from html import escape

import streamlit as st

from engine.store.records import ModelRecord
from ui_streamlit.studio import wording
from ui_streamlit.studio.navigation import PAGES, page
from ui_streamlit.studio.pieces import empty
from ui_streamlit.studio.predict.words import model_name
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_models"]

_MODEL = "predict-model"


def draw_models(here: Visit) -> ModelRecord | None:
    """Draw the choice of model and what it was trained for; return the one chosen."""
    models = {model.id: model for model in here.workbench.predicting.models(here.actor)}
    if not models:
        _draw_none(here)
        return None
    asked = str(st.query_params.get("model", ""))
    if asked in models and st.session_state.get(f"{_MODEL}-asked") != asked:
        st.session_state[f"{_MODEL}-asked"] = st.session_state[_MODEL] = asked
    if st.session_state.get(_MODEL) not in models:
        st.session_state.pop(_MODEL, None)  # it was deleted or retired meanwhile
    chosen = st.selectbox(
        "Model", list(models), format_func=lambda name: model_name(models[name]), key=_MODEL
    )
    model = models[chosen]
    card = model.card
    classes = [str(name) for name in card.get("classes", ())[1:]]
    data = [str(row.get("name", "")) for row in card.get("data", ()) if row.get("name")]
    about = [
        f"Finds {', '.join(classes)}" if classes else "",
        f"trained on {', '.join(data)}" if data else "",
        f"made {wording.ago(model.trained_at)}" if model.trained_at else "",
    ]
    limits = " ".join(str(text) for text in card.get("limits", ()))
    line = "; ".join(part for part in about if part)
    st.html(f'<p class="lb-line"><span>{escape(line)}. {escape(limits)}</span></p>')
    return model


def _draw_none(here: Visit) -> None:
    empty(
        "No model yet",
        "Train one on a dataset with masks, or bring one in; it can be asked here at once."
        if here.may("models.train")
        else "A model is here as soon as somebody has trained one, or brought one in.",
        icon=":material/neurology:",
    )
    known = {one.name for one in PAGES}
    if "train" in known and here.may("models.train"):
        st.page_link(page("train"), label="Train a model", icon=":material/model_training:")
