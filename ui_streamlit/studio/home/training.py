"""The step after the first masks: a model of one's own."""

from __future__ import annotations

import streamlit as st

from ui_streamlit.studio import wording
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import card
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_training_step"]


def draw_training_step(here: Visit) -> None:
    """Offer a training while there are masks and nobody has trained; then never again."""
    store = here.workbench.store
    if not here.may("models.train") or len(store.models.read()):
        return
    if any(job.state == "processing" for job in here.workbench.trainings.list(here.actor)):
        return
    marked = sum(
        one.marked
        for one in here.workbench.datasets.list(here.actor)
        if one.dataset.status == "ready"
    )
    if not marked:
        return
    with card("training-step"):
        st.subheader("Next: a model of your own", anchor=False)
        st.markdown(
            f"{wording.count(marked, 'picture')} here {'has' if marked == 1 else 'have'} a mask. "
            "A model can learn from them: it takes minutes, and the page shows how good it becomes."
        )
        st.page_link(page("train"), label="Train a model", icon=":material/model_training:")
