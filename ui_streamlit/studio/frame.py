"""What surrounds each page: logo, colours, who is signed in, and what everybody should know."""

from __future__ import annotations

from html import escape
from pathlib import Path

import streamlit as st

from engine.shipped import shipped
from ui_streamlit.studio import addresses
from ui_streamlit.studio.visits import Visit

__all__ = ["configure", "draw_notice", "draw_sidebar"]

_FOLDER = Path(__file__).parent


def configure() -> None:
    """Set what the browser tab shows, the logo and the style of the whole studio."""
    # A picture of our own: the browser would fetch a named icon from somewhere else.
    icon = str(shipped("pages", "icon.png"))
    st.set_page_config(
        page_title="Lightbox studio", page_icon=icon, layout="wide", initial_sidebar_state="auto"
    )
    st.html(_FOLDER / "frame.css")
    st.logo(str(_FOLDER / "logo.svg"), size="large", icon_image=str(shipped("pages", "icon.svg")))


def draw_notice(arrived: Visit) -> None:
    """Say above each page that nobody is asked to sign in, where that is so."""
    if arrived.is_open:
        st.html(
            '<p class="lb-notice" role="note"><strong>Sign-in is off.</strong> Everybody who '
            "reaches this address may do everything here (<code>LIGHTBOX_AUTH=off</code>).</p>"
        )


def draw_sidebar(arrived: Visit) -> None:
    """Write below the menu who is signed in, where else to go, and what Lightbox is not."""
    root = arrived.workbench.settings.root_path
    links = [addresses.link("All of Lightbox", f"{root}/")]
    who = ""
    if arrived.actor.is_signed_in and not arrived.is_open:
        role = str(arrived.actor.role).capitalize()
        who = f"<p><strong>{escape(arrived.actor.name)}</strong><br>{role}</p>"
        links += [
            addresses.link("Password", f"{root}/password"),
            addresses.link("Sign out", f"{root}/logout"),
        ]
    with st.sidebar:
        st.html(
            f'<div class="lb-side">{who}<p class="lb-links">{" ".join(links)}</p>'
            "<p>A research demonstrator, not a medical device.</p></div>"
        )
