"""A model from elsewhere: a bundle is dropped, checked and listed."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import streamlit as st

from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.models.words import title_of
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_arriving"]


def draw_arriving(here: Visit) -> None:
    """Draw the place where a bundle is dropped."""
    with st.expander("Bring a model in"):
        st.caption(
            "A bundle from another Lightbox: a ZIP with card.json and its files. Pickles are "
            "refused, and every file is compared with the card."
        )
        sent = st.file_uploader("Bundle", type=["zip"], key="model-bundle")
        if sent is None or not st.button("Bring it in", icon=":material/upload:", key="model-add"):
            return
        with attempt(), st.spinner("Checking the model …"), tempfile.TemporaryDirectory() as place:
            path = Path(place) / "model.zip"
            with path.open("wb") as target:
                shutil.copyfileobj(sent, target)
            made = here.workbench.models.add(here.actor, path)
            tell(f"“{title_of(made)}” is here, as a candidate.")
            st.query_params["model"] = made.id
            st.rerun()
