"""Blood cells in a picture of a smear: boxes with names, from a network or by classical rules."""

from __future__ import annotations

from engine.cells.detecting import detect

__all__ = ["detect"]
