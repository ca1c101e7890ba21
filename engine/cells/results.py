"""What any detector answers: cells as boxes in pixels of the picture."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import final

__all__ = ["Cell", "CellsFound"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell.

    ``x`` and ``y`` are the left and top border, ``width`` and ``height`` the size, in pixels of
    the picture that was given, from its top left corner. ``confidence`` is in 0..1.
    """

    label: str
    x: float
    y: float
    width: float
    height: float
    confidence: float

    @property
    def diameter_px(self) -> float:
        """Mean of width and height."""
        return (self.width + self.height) / 2


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CellsFound:
    """The cells of one picture, most certain first.

    ``width`` and ``height`` are the picture's in pixels. ``scale`` is how much the picture was
    enlarged (above 1) or reduced for looking at it. ``detector`` names who looked. ``notes`` are
    sentences that a person should read.
    """

    cells: tuple[Cell, ...]
    width: int
    height: int
    detector: str
    scale: float
    notes: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """Return the number of cells of each name that occurs.

        >>> cell = Cell(label="RBC", x=0, y=0, width=9, height=9, confidence=0.9)
        >>> CellsFound(cells=(cell, cell), width=20, height=9, detector="d", scale=1.0).counts()
        {'RBC': 2}
        """
        return dict(Counter(cell.label for cell in self.cells))
