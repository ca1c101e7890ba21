"""Entry script of the studio: registers the pages, nothing more."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_PAGES = Path(__file__).parent / "studio_pages"

st.set_page_config(page_title="Lightbox studio", page_icon=":material/biotech:", layout="centered")
st.navigation(
    [st.Page(_PAGES / "home.py", title="Home", icon=":material/home:", default=True)]
).run()
