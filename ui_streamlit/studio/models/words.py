"""How a model's stage is called."""

from __future__ import annotations

from typing import Final

from engine.store.records import ModelRecord
from ui_streamlit.studio.pieces import Tone

__all__ = ["STAGES", "title_of"]

STAGES: Final[dict[str, tuple[str, Tone, str]]] = {
    "active": ("In use", "good", ":material/check_circle:"),
    "candidate": ("Candidate", "waiting", ":material/hourglass_empty:"),
    "retired": ("Retired", "quiet", ":material/archive:"),
}


def title_of(model: ModelRecord) -> str:
    """Return name and version."""
    return f"{model.name} {model.version}"
