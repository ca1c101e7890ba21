"""How the server is now: one sentence, each part with its sign and words, and the figures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

import streamlit as st

from engine.monitoring import Figures, PartHealth
from engine.monitoring.health import State, worst
from ui_streamlit.studio import wording
from ui_streamlit.studio.navigation import PAGES, page
from ui_streamlit.studio.visits import Visit, live

__all__ = ["draw_overview", "draw_style"]

_WORDS: Final[dict[State, str]] = {"ok": "Works", "attention": "Look soon", "failed": "Failed"}

# Where something can be done about a part.
_PAGES: Final = {"worker": "jobs", "intake": "jobs", "backups": "backups", "audit": "audit"}

# Its shape is another one for each state (monitoring.css), so that nobody needs the colours.
_SIGN: Final = '<i class="lb-sign" aria-hidden="true"></i>'


def draw_style() -> None:
    """Bring the style of this page; once, outside of what refreshes."""
    st.html(Path(__file__).with_name("monitoring.css"))


@live("monitoring.view", every_s=5)
def draw_overview(here: Visit) -> None:
    """Draw the state of the whole, of each part, and the figures of this moment."""
    monitor = here.workbench.monitor
    parts, now = monitor.parts(), monitor.now()
    st.html(
        f'<p class="lb-whole" data-state="{worst(parts)}">{_SIGN}'
        f"<span>{escape(summary(parts))}</span></p>"
        f'<ul class="lb-parts">{"".join(_part(part) for part in parts)}</ul>'
    )
    _draw_ways(here, parts)
    st.html(f'<dl class="lb-figures">{"".join(_figures(now))}</dl>')


def _draw_ways(here: Visit, parts: Sequence[PartHealth]) -> None:
    """Offer the pages where something can be done about what is not well."""
    wanted = {_PAGES[part.name] for part in parts if part.state != "ok" and part.name in _PAGES}
    shown = [known for known in PAGES if known.name in wanted and here.may(known.action)]
    # Also when it is empty: what follows keeps its place, and nothing is drawn twice for a moment.
    with st.container(horizontal=True):
        for known in shown:
            st.page_link(page(known.name), label=known.title, icon=known.icon, width="content")


def summary(parts: Sequence[PartHealth]) -> str:
    """Say in one sentence how the whole is."""
    failed = [part.title for part in parts if part.state == "failed"]
    soon = [part.title for part in parts if part.state == "attention"]
    if failed:
        also = f" Look soon at: {', '.join(soon)}." if soon else ""
        return f"Failed: {', '.join(failed)}.{also}"
    if soon:
        return f"Everything works. Look soon at: {', '.join(soon)}."
    return f"All {len(parts)} parts work."


def _part(part: PartHealth) -> str:
    return (
        f'<li data-state="{part.state}">{_SIGN}<div>'
        f"<p><strong>{escape(part.title)}</strong> <em>{_WORDS[part.state]}</em></p>"
        f"<p>{escape(part.text)}</p></div></li>"
    )


def _figures(now: Figures) -> list[str]:
    cores = f"{now.cpu_cores:g} core{'' if now.cpu_cores == 1 else 's'}"
    limit = "" if now.cpu_source == "machine" else " by quota"
    queue = "records cannot be read"
    if now.jobs is not None:
        oldest = now.oldest_pending_s
        wait = f"oldest for {wording.duration(oldest)}" if oldest is not None else "none waits"
        queue = f"{wait}, {now.running} at work"
    rows = [
        ("Processor", f"{now.cpu_percent:.0f} %", f"of {cores}{limit}"),
        ("Memory free", _mb(now.memory_free_mb), f"of {_mb(now.memory_total_mb)}, {_limit(now)}"),
        ("Swap free", _mb(now.swap_free_mb), "not counted as memory"),
        ("Disk free", _mb(now.disk_free_mb), f"of {_mb(now.disk_total_mb)}"),
        ("Jobs waiting", "–" if now.waiting is None else str(now.waiting), queue),
        ("This server", _mb(now.server_mb), _children(now)),
    ]
    rows += [(gpu.name, _mb(gpu.free_mb), f"free of {_mb(gpu.total_mb)}") for gpu in now.gpus]
    return [
        f"<div><dt>{escape(title)}</dt><dd>{escape(value)}</dd><dd>{escape(note)}</dd></div>"
        for title, value, note in rows
    ]


def _limit(now: Figures) -> str:
    return "the machine's" if now.memory_source == "system" else f"limit by {now.memory_source}"


def _children(now: Figures) -> str:
    if not now.children:
        return "resident; no process below it"
    below = wording.count(now.children, "process", "processes")
    return f"and {_mb(now.children_mb)} in {below} below it"


def _mb(amount_mb: float) -> str:
    return wording.megabytes(amount_mb)
