"""Lines of the audit log as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

import streamlit as st

from engine.people.audit import Entry
from ui_streamlit.studio import wording
from ui_streamlit.studio.navigation import PAGES, page
from ui_streamlit.studio.pieces import card
from ui_streamlit.studio.visits import Visit
from ui_streamlit.studio.wording import plain

__all__ = ["draw_entry", "draw_whole", "names_of", "record_link"]

# The page that shows a kind of record, and the name of the id in its address.
_PLACES: Final = {
    "users": ("users", "user"),
    "jobs": ("jobs", "job"),
    "backups": ("backups", "backup"),
}


def names_of(here: Visit) -> dict[str, str]:
    """Return the names of all who have an account, by their ids."""
    return {user.id: user.name for user in here.workbench.accounts.all()}


def draw_entry(entry: Entry, names: Mapping[str, str], *, day_is_known: bool = False) -> None:
    """Draw one line in short: who, what, when; the number leads to all of it.

    ``names`` of people by their ids; ``day_is_known``: a heading above says the day, so that the
    time of day is enough.
    """
    who = escape(entry.actor_name or "Somebody")
    what = escape(" · ".join(part for part in (entry.text, _about(entry, names)) if part))
    when = wording.moment(entry.at)
    shown = when.partition(", ")[2] if day_is_known else when
    with st.container(horizontal=True, gap="small", key=f"lb-entry-{entry.number}"):
        st.page_link(
            page("audit"), label=f"{entry.number}", query_params={"entry": str(entry.number)}
        )
        st.html(
            f'<p class="lb-line"><span><strong>{who}</strong> {what}</span>'
            f"<span>{escape(shown)}</span></p>"
        )


def draw_whole(entry: Entry) -> None:
    """Draw everything that one line says, and its place in the chain."""
    with card("audit-entry"):
        st.subheader(plain(entry.text) or entry.action, anchor=False)
        facts = [
            ("Line", f"{entry.number:,}"),
            ("When", wording.moment(entry.at)),
            ("To the second, UTC", entry.at.strftime("%Y-%m-%d %H:%M:%S")),
            ("Who", entry.actor_name or "somebody who was not signed in"),
            ("Role then", entry.role.capitalize() or "–"),
            ("From", entry.address or "–"),
            ("Action", entry.action),
            ("Record", entry.record or "–"),
        ]
        rows = "".join(f"<div><dt>{escape(n)}</dt><dd>{escape(v)}</dd></div>" for n, v in facts)
        st.html(f'<dl class="lb-facts">{rows}</dl>')
        if entry.details:
            st.json(dict(entry.details))
    record_link(entry.record)
    with st.expander("Its place in the chain", icon=":material/link:"):
        st.code(f"previous {entry.previous}\nhash     {entry.hash}", language=None, wrap_lines=True)


def record_link(record: str) -> None:
    """Draw a link to the page of ``kind/ID`` where there is one."""
    kind, _, name = record.partition("/")
    place = _PLACES.get(kind)
    if name and place and any(known.name == place[0] for known in PAGES):
        st.page_link(
            page(place[0]),
            label=f"Open {plain(_short(record))}",
            icon=":material/open_in_new:",
            query_params={place[1]: name},
        )


def _about(entry: Entry, names: Mapping[str, str]) -> str:
    """Return what the line is about, as people call it; nothing when it is about the actor."""
    kind, _, name = entry.record.partition("/")
    if kind == "users" and name == entry.actor_id:
        return ""
    return names.get(name, "") if kind == "users" and name in names else _short(entry.record)


def _short(record: str) -> str:
    """Write a record with the end of its id, which is what differs.

    >>> _short("jobs/01m7x0aarvrkvgwnxynfrd5h31"), _short("settings")
    ('jobs/…rd5h31', 'settings')
    """
    kind, slash, name = record.partition("/")
    return f"{kind}/…{name[-6:]}" if slash and len(name) > 12 else record
