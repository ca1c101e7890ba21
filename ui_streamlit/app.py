"""Entry script of the studio: registers the pages, nothing more."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from engine.shipped import shipped

_PAGES = Path(__file__).parent / "studio_pages"

# A picture of our own: the browser would fetch a named icon from somewhere else.
st.set_page_config(
    page_title="Lightbox studio", page_icon=str(shipped("pages", "icon.png")), layout="centered"
)
st.navigation(
    [st.Page(_PAGES / "home.py", title="Home", icon=":material/home:", default=True)]
).run()
