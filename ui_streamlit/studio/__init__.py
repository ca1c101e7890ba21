"""What every page of the studio stands in: who is there, what is shown when things go wrong.

A page is a file in ``studio_pages`` that begins with ``here = visit("its.action")``. It shows
what the workbench knows and hands back what the visitor wants; it computes and keeps nothing.
"""

from __future__ import annotations

from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import Question, ask, tell
from ui_streamlit.studio.pieces import card, chip, empty, heading
from ui_streamlit.studio.visits import Visit, live, visit

__all__ = [
    "Question",
    "Visit",
    "ask",
    "attempt",
    "card",
    "chip",
    "empty",
    "heading",
    "live",
    "tell",
    "visit",
]
