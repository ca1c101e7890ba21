"""The link that sets a password: shown once, to the one who made it."""

from __future__ import annotations

from urllib.parse import urlsplit

import streamlit as st

from ui_streamlit.studio import wording
from ui_streamlit.studio.pieces import card
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_link", "keep_link"]

_KEPT = "people-link"


def keep_link(here: Visit, name: str, token: str) -> None:
    """Note a link to show on the next run; it is kept in this tab only."""
    parts = urlsplit(st.context.url or "")
    server = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
    address = f"{server}{here.workbench.settings.root_path}/first/{token}"
    st.session_state[_KEPT] = (name, address)


def draw_link() -> None:
    """Show the noted link until it is put away."""
    if _KEPT not in st.session_state:
        return
    name, address = st.session_state[_KEPT]
    with card("people-link"):
        st.markdown(f"**Link for {wording.plain(name)}**")
        st.code(address, language=None, wrap_lines=True)
        st.caption(
            "Whoever opens it sets the password; it works once, within 24 hours. Give it to nobody "
            "else. It is not kept anywhere: when it is lost, make a new one."
        )
        if st.button("I have passed it on", key="people-link-done"):
            del st.session_state[_KEPT]
            st.rerun()
