"""What states of pictures are called, and how figures of agreement are written."""

from __future__ import annotations

from typing import Final

from ui_streamlit.studio.pieces import Tone

__all__ = ["STATUS", "figure"]

STATUS: Final[dict[str, tuple[str, Tone]]] = {
    "new": ("new", "quiet"),
    "in_progress": ("in progress", "busy"),
    "to_review": ("to review", "waiting"),
    "sent_back": ("sent back", "bad"),
    "approved": ("approved", "good"),
}


def figure(value: float | None) -> str:
    """Write Dice or kappa.

    >>> figure(0.81234), figure(-1.0), figure(None)
    ('0.812', '-1.000', 'not defined')
    """
    return "not defined" if value is None else f"{value:.3f}"
