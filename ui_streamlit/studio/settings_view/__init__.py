"""The list of settings: filters that the address carries, one entry for each setting."""

from __future__ import annotations

from html import escape
from pathlib import Path

import streamlit as st

from engine.settings import SettingValue, in_force
from ui_streamlit.studio import wording
from ui_streamlit.studio.pieces import empty
from ui_streamlit.studio.settings_view.choosing import ORIGINS, Filter, chosen, source
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_filters", "draw_settings"]


def draw_filters() -> Filter:
    """Draw the filters and return what was chosen."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            "Search",
            key="find",
            bind="query-params",
            placeholder="Name, value or meaning",
            label_visibility="collapsed",
            icon=":material/search:",
        )
        only_set = st.toggle("Only what is set", key="set", bind="query-params")
    return Filter(words=words or "", only_set=only_set)


def draw_settings(here: Visit, wanted: Filter) -> None:
    """Draw the settings that match."""
    values = in_force(here.workbench.settings)
    found = chosen(values, wanted)
    is_set = sum(value.origin != "default" for value in values)
    st.caption(
        f"{wording.count(len(values), 'setting')}, {is_set} of them set; "
        f"{len(found)} shown. Secrets are never shown."
    )
    if not found:
        empty(
            "No setting matches",
            "Use fewer words, or switch off “Only what is set”.",
            icon=":material/search:",
        )
        return
    st.html(Path(__file__).with_name("settings.css"))
    st.html(f'<dl class="lb-settings">{"".join(_entry(value) for value in found)}</dl>')


def _entry(value: SettingValue) -> str:
    doc = value.doc
    older = f" Older names: {', '.join(doc.aliases)}." if doc.aliases else ""
    usual = "" if value.origin == "default" else f" Default: {doc.default}."
    kind = "set" if value.origin != "default" else "usual"
    return (
        f'<div id="{escape(doc.name)}"><dt>{escape(doc.name)}</dt>'
        f"<dd><code>{escape(value.value)}</code> "
        f'<span class="lb-origin" data-kind="{kind}" title="{escape(source(value))}">'
        f"{ORIGINS[value.origin]}</span></dd>"
        f"<dd>{escape(doc.text)}{escape(usual)}{escape(older)}"
        f"{escape(_where(value))}</dd></div>"
    )


def _where(value: SettingValue) -> str:
    """Say where it was set, when that is not what its own name says already."""
    return f" It is {source(value)}." if value.origin in ("older name", "program") else ""
