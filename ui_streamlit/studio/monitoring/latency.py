"""How long each network took in the last hour."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

import streamlit as st

from engine.inference.timings import ModelLatency
from ui_streamlit.studio import wording
from ui_streamlit.studio.pieces import empty
from ui_streamlit.studio.visits import Visit, live

__all__ = ["draw_latency", "table"]

# Heading and class; what phones have no room for is extra.
_COLUMNS = (
    *(("Model", ""), ("Runs", ""), ("p50", ""), ("p95", "")),
    *(("Longest", "lb-extra"), ("Last", "lb-extra")),
)


@live("monitoring.view", every_s=5)
def draw_latency(here: Visit) -> None:
    """Draw one row for each model that has run since the server began."""
    found = here.workbench.monitor.latencies()
    if not found:
        empty(
            "No model has run yet",
            "Check an eye or find vertebrae, and the times of each network appear here.",
            icon=":material/timer:",
        )
        return
    st.html(table([_cells(one) for one in found]))
    st.caption(
        "Half of the runs of the last hour took no longer than p50, 95 % no longer than p95."
    )


def table(rows: list[list[str]]) -> str:
    """Return an HTML table whose first column names the rows."""
    heads = "".join(f'<th scope="col" class="{kind}">{name}</th>' for name, kind in _COLUMNS)
    body = "".join(f"<tr>{_row(cells)}</tr>" for cells in rows)
    return f'<table class="lb-latency"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'


def _row(cells: list[str]) -> str:
    first, *others = [escape(cell) for cell in cells]
    rest = (
        f'<td class="{kind}">{cell}</td>'
        for cell, (_, kind) in zip(others, _COLUMNS[1:], strict=True)
    )
    return f'<th scope="row">{first}</th>{"".join(rest)}'


def _cells(one: ModelLatency) -> list[str]:
    times = [_time(s if one.recent else None) for s in (one.p50_s, one.p95_s, one.longest_s)]
    last = datetime.fromtimestamp(one.last_at, UTC) if one.last_at else None
    return [one.model, f"{one.count:,}", *times, wording.ago(last)]


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{1000 * seconds:,.1f} ms" if seconds < 1 else wording.duration(seconds)
