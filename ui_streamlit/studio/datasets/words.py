"""What the states of datasets, pictures and splits are called."""

from __future__ import annotations

from typing import Final

from ui_streamlit.studio.pieces import Tone

__all__ = ["DATASET", "FINDINGS", "PICTURE", "SPLITS"]

DATASET: Final[dict[str, tuple[str, Tone]]] = {
    "uploaded": ("Waits for an answer", "waiting"),
    "importing": ("Coming in", "busy"),
    "ready": ("Ready", "good"),
    "error": ("Not complete", "bad"),
}

PICTURE: Final[dict[str, str]] = {
    "new": "new",
    "in_progress": "in progress",
    "to_review": "to review",
    "sent_back": "sent back",
    "approved": "approved",
}

SPLITS: Final[dict[str, str]] = {
    "": "no split",
    "train": "training",
    "validation": "validation",
    "test": "test",
}

FINDINGS: Final[dict[str, str]] = {
    "leakage": "Leaks between splits",
    "duplicates": "The same file",
    "near_duplicates": "Look-alikes",
    "empty": "Empty masks",
    "full": "Masks of one class",
}
