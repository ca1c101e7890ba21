"""What states, reasons and collections are called on the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from engine.backups import Lost, Preview
from engine.store.records import BackupRecord
from ui_streamlit.studio import wording
from ui_streamlit.studio.pieces import Tone

__all__ = ["StateWord", "lost_lines", "reason_word", "state_word", "summary"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StateWord:
    """How a state is written."""

    label: str
    tone: Tone
    icon: str


_STATES: Final = {
    "making": StateWord(label="Being made", tone="busy", icon=":material/progress_activity:"),
    "rehearsing": StateWord(label="Being checked", tone="busy", icon=":material/rule:"),
    "good": StateWord(label="Good", tone="good", icon=":material/verified:"),
    "found": StateWord(label="Not checked yet", tone="waiting", icon=":material/help:"),
}
_DAMAGED: Final = StateWord(label="Damaged", tone="bad", icon=":material/broken_image:")
_FAILED: Final = StateWord(label="Failed", tone="bad", icon=":material/error:")
_REASONS: Final = {
    "by hand": "Made by hand",
    "interval": "Made by the clock",
    "before shutdown": "Before the server stopped",
    "before migration": "Before an update of the records",
    "before restore": "Before another one was put back",
}


def state_word(record: BackupRecord) -> StateWord:
    """Return how the state of a backup is written."""
    if record.state == "bad":
        return _DAMAGED if record.file else _FAILED
    return _STATES[record.state]


def reason_word(record: BackupRecord) -> str:
    """Return why a backup was made, in words."""
    return _REASONS.get(record.reason, record.reason or "–")


def summary(record: BackupRecord) -> str:
    """Return in one line what is in a backup."""
    if not record.file:
        return "Nothing was kept of it."
    records = wording.count(
        sum(number for name, number in record.record_counts.items() if name != "backups"), "record"
    )
    files = wording.count(record.file_count, "file")
    held = files if record.files_included or not record.file_count else f"a list of {files}"
    return f"{records}, {held}, {wording.size(record.size_bytes)}"


def lost_lines(preview: Preview) -> tuple[str, ...]:
    """Return what a restore takes away, a line each; what comes back as well."""
    lines = [_line(row) for row in preview.lost]
    if preview.running:
        lines.append(f"{wording.count(len(preview.running), 'running job')} will be stopped")
    if not preview.actor_stays:
        lines.append("Your own sign-in: your account, password or role was another one then")
    return tuple(lines) or ("Nothing: records are as they were then",)


def _line(row: Lost) -> str:
    parts = []
    if row.gone:
        parts.append(f"{row.gone:,} made since then go")
    if row.changed:
        parts.append(f"{row.changed:,} change back")
    if row.back:
        parts.append(f"{row.back:,} come back")
    return f"{row.collection.replace('_', ' ').capitalize()}: {', '.join(parts)}"
