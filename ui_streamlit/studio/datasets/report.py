"""What became of each file of an import."""

from __future__ import annotations

from math import ceil
from typing import Final

import streamlit as st

from engine.datasets import reports
from engine.store.records import Dataset
from ui_streamlit.studio import wording
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_report"]

_PER_PAGE: Final = 50
_WORDS: Final = {
    "refused": ("Refused", ":material/block:"),
    "repaired": ("Repaired", ":material/build:"),
    "accepted": ("Accepted", ":material/check_circle:"),
    "left_out": ("Left out", ":material/skip_next:"),
}


def draw_report(here: Visit, dataset: Dataset) -> None:
    """Draw how many files were accepted, repaired, refused and left out, and each with why."""
    lines = reports.read(here.workbench.files.read(str(dataset.details["report"])))
    counts = reports.counts(lines)
    names = {
        f"{_WORDS[kind][0]} {number:,}": kind for kind in _WORDS if (number := counts.get(kind, 0))
    }
    removed = int(dataset.details.get("removed_identity", 0))
    if removed:
        st.caption(
            f"From {wording.count(removed, 'picture')} what could tell a person was taken out "
            "(EXIF, DICOM); the lines below list what."
        )
    asked = st.pills("Outcome", list(names), key="report-kind", label_visibility="collapsed")
    shown = [line for line in lines if not asked or line.outcome == names[asked]]
    shown.sort(key=lambda line: list(_WORDS).index(line.outcome))
    pages = ceil(len(shown) / _PER_PAGE)
    number = min(int(st.session_state.get("report-page") or 1), max(1, pages))
    rows = []
    for line in shown[(number - 1) * _PER_PAGE : number * _PER_PAGE]:
        label, icon = _WORDS[line.outcome]
        why = f": {wording.plain(' '.join(line.sentences))}" if line.sentences else ""
        rows.append(f"- {icon} **{label}** {wording.plain(line.name)}{why}")
    st.markdown("\n".join(rows))
    if pages > 1:
        st.pagination(pages, key="report-page", default=1)
