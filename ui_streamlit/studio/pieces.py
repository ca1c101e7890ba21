"""Pieces that look the same on every page: heading, card, empty state, state chip."""

from __future__ import annotations

from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

__all__ = ["Tone", "card", "chip", "empty", "heading"]

Tone = Literal["good", "busy", "waiting", "bad", "quiet"]

_COLOURS: dict[Tone, Literal["green", "blue", "orange", "red", "gray"]] = {
    "good": "green",
    "busy": "blue",
    "waiting": "orange",
    "bad": "red",
    "quiet": "gray",
}


def heading(title: str, lead: str = "") -> None:
    """Write the page's name and one sentence about what it is for."""
    st.title(title, anchor=False)
    if lead:
        st.caption(lead)


def card(key: str) -> DeltaGenerator:
    """Return a framed container on a sheet of its own; ``key`` is its own on the page."""
    return st.container(border=True, key=f"lb-card-{key}", gap="small")


def empty(title: str, text: str, *, icon: str = ":material/inbox:") -> None:
    """Say that there is nothing yet, why, and what to do; put a button below it if there is one.

    ``icon`` is one of Streamlit's ``:material/…:`` names (the font is on this server).
    """
    key = f"lb-empty-{sum(title.encode())}"
    with st.container(border=True, key=key, horizontal_alignment="center", gap="xsmall"):
        st.markdown(f"### {icon} {title}", text_alignment="center", width="content")
        st.markdown(text, text_alignment="center", width="content")


def chip(text: str, tone: Tone, *, icon: str | None = None) -> None:
    """Write a small coloured label; the words carry the meaning, never the colour alone."""
    st.badge(text, color=_COLOURS[tone], icon=icon)
