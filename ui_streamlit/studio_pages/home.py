"""The studio's first page: what is here and where the finished demos are."""

from __future__ import annotations

import streamlit as st

st.title("Studio")
st.write(
    "This is where a team will annotate pictures, train a model and watch over it. "
    "Its pages are not in this version yet."
)
st.write("What works today:")
st.markdown(
    "- [Eye check](/eyes/): from a webcam or a photo\n"
    "- [Developer documentation](/docs): every route"
)
st.caption("Lightbox is a research demonstrator, not a medical device.")
