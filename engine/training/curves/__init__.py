"""How a training went, as one picture: loss and Dice over epochs."""

from __future__ import annotations

from engine.training.curves.drawing import draw_curves

__all__ = ["draw_curves"]
