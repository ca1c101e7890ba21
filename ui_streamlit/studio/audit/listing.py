"""The audit log page by page, its check, and the files to take away."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Final

import streamlit as st

from engine.people import permissions
from engine.people.actors import Actor
from engine.people.audit import Entry, Filters
from engine.people.audit.exporting import Kind
from engine.workbench import Workbench
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.audit.lines import draw_entry, draw_whole, names_of
from ui_streamlit.studio.pieces import card, chip, empty
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_check", "draw_export", "draw_one", "draw_page", "exported"]

_PER_PAGE: Final = 25
_KINDS: Final[tuple[tuple[Kind, str, str], ...]] = (
    ("csv", "Table (CSV)", "text/csv"),
    ("jsonl", "JSON lines", "application/x-ndjson"),
)


def draw_check(here: Visit) -> None:
    """Say whether the log is whole; the newest part at each look, all of it on demand."""
    with card("audit-check"):
        with st.container(horizontal=True, vertical_alignment="center"):
            asked = st.button("Check every line", icon=":material/verified:", key="audit-check")
            log = here.workbench.audit
            with st.spinner("Checking the log …"):
                report = log.verify() if asked else log.verify_end()
            if report.ok:
                chip("Whole" if asked else "Newest part is whole", "good", icon=":material/link:")
            else:
                chip("Damaged", "bad", icon=":material/link_off:")
        if asked or not report.ok:
            (st.success if report.ok else st.error)(wording.plain(report.sentence))
        if asked and report.head:
            st.caption("Its end. Noted elsewhere, it also unmasks an older copy put in place:")
            st.code(report.head, language=None, wrap_lines=True)


def draw_page(here: Visit, filters: Filters) -> None:
    """Draw the lines that fit, newest first, a heading for each day."""
    log = here.workbench.audit
    number = int(st.session_state.get("audit-page") or 1)
    found = log.entries(filters, page=number, size=_PER_PAGE)
    if number > found.pages:
        found = log.entries(filters, page=found.pages, size=_PER_PAGE)
    if not found.total:
        _draw_nothing(filters)
        return
    st.caption(wording.count(found.total, "line"))
    names = names_of(here)
    for day, entries in groupby(found.entries, key=_day):
        with card(f"audit-{day}"):
            st.markdown(f"**{day}**")
            for entry in entries:
                draw_entry(entry, names, day_is_known=True)
    if found.pages > 1:
        st.pagination(found.pages, key="audit-page", default=1)


def draw_one(here: Visit, number: str) -> None:
    """Draw one line with everything that it says."""
    wanted = int(number) if number.isascii() and number.isdigit() and len(number) < 12 else 0
    entry = here.workbench.audit.entry(wanted)
    if entry is None:
        empty(
            "This line is not here",
            "The log has no line with this number, or it cannot be read any more; check the log.",
            icon=":material/search_off:",
        )
        return
    draw_whole(entry)


def draw_export(here: Visit, filters: Filters) -> None:
    """Draw the buttons that take the lines that fit away."""
    st.caption("All lines that fit, as a file:")
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    with st.container(horizontal=True):
        for kind, label, media in _KINDS:
            with attempt():
                st.download_button(
                    label,
                    data=partial(exported, here.workbench, here.actor, filters, kind),
                    file_name=f"lightbox-audit-{day}.{kind}",
                    mime=media,
                    icon=":material/download:",
                    key=f"audit-{kind}",
                    on_click="ignore",
                )


def exported(workbench: Workbench, actor: Actor, filters: Filters, kind: Kind) -> bytes:
    """Return the lines that fit; who may is asked when the button is pressed, and it is logged."""
    now = workbench.accounts.present(actor)
    permissions.require(now, "audit.view")
    content = workbench.audit.export(filters, kind)
    workbench.audit.write(now, "audit.view", text=f"Took the log away as {kind}")
    return content


def _draw_nothing(filters: Filters) -> None:
    if filters == Filters():
        empty(
            "Nothing has been logged yet",
            "Sign-ins, changes to people, jobs and backups appear here.",
            icon=":material/history_edu:",
        )
    else:
        empty("No line matches", "Choose fewer filters or words.", icon=":material/search:")


def _day(entry: Entry) -> str:
    return wording.moment(entry.at).partition(",")[0]
