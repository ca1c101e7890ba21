"""One backup with everything about it: whether it is good, what is in it, what may be done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

import streamlit as st

from engine.backups import Restored
from engine.errors import NotFoundError
from engine.store.records import BackupRecord
from ui_streamlit.studio import wording
from ui_streamlit.studio.backups import actions
from ui_streamlit.studio.backups.listing import draw_activity
from ui_streamlit.studio.backups.words import reason_word, state_word
from ui_streamlit.studio.jobs.people import name_of
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import card, chip, empty
from ui_streamlit.studio.visits import Visit, live

__all__ = ["draw_backup", "draw_last_restore"]


@live("backups.view", every_s=2)
def draw_backup(here: Visit, name: str) -> None:
    """Draw the backup with that id; refreshes itself."""
    try:
        record = here.workbench.backups.get(name)
    except NotFoundError:
        empty(
            "This backup is not here",
            "It was removed because newer ones exist, or the link is wrong. The list has all that "
            "there are.",
            icon=":material/search_off:",
        )
        return
    is_busy = draw_activity(here)
    with card("backup"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(wording.moment(record.created_at), anchor=False, width="content")
            word = state_word(record)
            chip(word.label, word.tone, icon=word.icon)
        _draw_findings(record)
        _draw_facts(here, record)
        actions.buttons(here, record, is_busy=is_busy)
    _draw_counts(record)


def draw_last_restore(here: Visit, restored: Restored) -> None:
    """Say which backup was put back last, and where the state before it is."""
    who = name_of(here, restored.by)
    st.caption(f"A backup was put back {wording.ago(restored.at)} by {who}.")
    st.page_link(
        page("backups"),
        label="The state before it, for the way back",
        icon=":material/undo:",
        query_params={"backup": restored.kept_id},
    )


def _draw_findings(record: BackupRecord) -> None:
    details = record.details
    if record.error:
        st.error(wording.plain(record.error), icon=":material/error:")
    if left_out := details.get("left_out_file_count", 0):
        st.warning(
            f"{wording.count(left_out, 'stored file')} could not be saved, because the stored "
            "bytes are damaged. Put these files in again, then make another backup."
        )
    if missing := details.get("missing_file_count", 0):
        st.warning(
            f"{wording.count(missing, 'file')} that records name were gone already when this "
            "backup was made."
        )
    if fault := details.get("audit_fault", ""):
        st.warning(f"The audit log in it carries a fault: {wording.plain(str(fault))}")
    if record.state == "good":
        st.caption(
            "It was restored on trial, opened with the real store, counted and compared; every "
            "byte was read."
        )


def _draw_facts(here: Visit, record: BackupRecord) -> None:
    holds = "inside" if record.files_included else "listed only, they live elsewhere"
    files = f"{record.file_count:,} ({wording.size(record.file_bytes)}), {holds}"
    facts: Iterable[tuple[str, str]] = (
        ("Why", reason_word(record)),
        ("Made by", name_of(here, record.created_by)),
        ("Finished", wording.moment(record.finished_at)),
        ("Size", wording.size(record.size_bytes) if record.file else "–"),
        ("Stored files", files if record.file else "–"),
        ("Drawings", _drawings(record)),
        ("Lines of the audit log", f"{record.details.get('audit_lines', 0):,}"),
        ("File", record.file or "–"),
        ("SHA-256", record.sha256 or "–"),
    )
    rows = "".join(f"<div><dt>{escape(n)}</dt><dd>{escape(v)}</dd></div>" for n, v in facts)
    st.html(f'<dl class="lb-facts">{rows}</dl>')


def _drawings(record: BackupRecord) -> str:
    """Return how many pictures' strokes are in it, with those that are in no revision yet."""
    found = record.details.get("drawings")
    if not isinstance(found, Mapping):
        return "–"
    strokes = wording.count(found.get("strokes", 0), "stroke")
    return f"{strokes} on {wording.count(found.get('pictures', 0), 'picture')}"


def _draw_counts(record: BackupRecord) -> None:
    rows = [
        {"Collection": name.replace("_", " ").capitalize(), "Records": number}
        for name, number in record.record_counts.items()
        if number and name != "backups"
    ]
    if rows:
        st.subheader("Records in it", anchor=False)
        st.dataframe(rows, hide_index=True, height="content")
