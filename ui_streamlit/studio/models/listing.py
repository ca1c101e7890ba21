"""The list of models."""

from __future__ import annotations

import streamlit as st

from engine.catalogue.models.shipping_with_us import is_shipped
from engine.store.records import ModelRecord
from ui_streamlit.studio import wording
from ui_streamlit.studio.jobs.people import name_of
from ui_streamlit.studio.models.figures import headline
from ui_streamlit.studio.models.words import STAGES, title_of
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import card, chip, empty
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_list"]


def draw_list(here: Visit) -> None:
    """Draw a row for each model, or what to do where there is none."""
    found = here.workbench.models.list(here.actor)
    if not found:
        empty(
            "No models yet",
            "A model comes from a training on a dataset with masks, or from a bundle that you "
            "bring in below.",
            icon=":material/deployed_code:",
        )
        if here.may("models.train"):
            with st.container(horizontal=True, horizontal_alignment="center"):
                st.page_link(page("train"), label="Train one", icon=":material/model_training:")
        return
    for model in found:
        _draw_row(here, model)


def _draw_row(here: Visit, model: ModelRecord) -> None:
    label, tone, icon = STAGES[model.stage]
    with card(f"model-{model.id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.page_link(
                page("models"),
                label=wording.plain(title_of(model)),
                query_params={"model": model.id},
            )
            chip(label, tone, icon=icon)
            if is_shipped(model.id):
                chip("Comes with Lightbox", "quiet")
            if model.status != "completed":
                chip(model.status.capitalize(), "bad")
        st.markdown(headline(model.metrics))
        classes = ", ".join(model.card.get("classes", ()))
        who = "Lightbox" if is_shipped(model.id) else name_of(here, model.created_by)
        st.caption(
            f"{wording.plain(classes)} · {wording.plain(who)}, {wording.moment(model.trained_at)}"
        )
