"""How long each network took in the last hour."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from engine.inference.timings import ModelLatency
from ui_streamlit.studio import wording
from ui_streamlit.studio.pieces import empty
from ui_streamlit.studio.visits import Visit, live

__all__ = ["draw_latency", "row"]


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
    st.table([row(one) for one in found], border="horizontal", hide_index=True)
    st.caption(
        "Half of the runs of the last hour took no longer than p50, 95 % no longer than p95."
    )


def row(one: ModelLatency) -> dict[str, str]:
    """Return the cells of one model."""
    last = datetime.fromtimestamp(one.last_at, UTC) if one.last_at else None
    return {
        "Model": one.model,
        "Runs": f"{one.count:,}",
        "p50": _time(one.p50_s if one.recent else None),
        "p95": _time(one.p95_s if one.recent else None),
        "Longest": _time(one.longest_s if one.recent else None),
        "Last": wording.ago(last),
    }


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{1000 * seconds:,.1f} ms" if seconds < 1 else wording.duration(seconds)
