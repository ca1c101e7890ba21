"""A picture with the cells that people and detectors marked in it, as exports take it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import final

from engine.cells.measuring import Measures, measures_of

__all__ = ["MarkedCell", "MarkedPicture"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedCell:
    """One cell: box in pixels of the picture, its kind, and who says so.

    ``confidence`` is a detector's, in 0..1, ``None`` where a person marked it. ``origin`` is
    ``human``, ``model``, ``edited`` or ``imported``.
    """

    id: str
    label: str
    x: float
    y: float
    width: float
    height: float
    confidence: float | None = None
    origin: str = "human"
    author: str = ""
    comments: str = ""
    at: datetime | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedPicture:
    """One picture with its cells; ``colours`` are ``#rrggbb`` by kind."""

    id: str
    name: str
    width: int
    height: int
    cells: tuple[MarkedCell, ...]
    pixel_size_um: float | None = None
    colours: tuple[tuple[str, str], ...] = ()

    def counts(self) -> dict[str, int]:
        """Return the number of cells of each kind that occurs."""
        return dict(Counter(cell.label for cell in self.cells))

    def measures(self, cell: MarkedCell) -> Measures:
        """Return the size of one of its cells."""
        return measures_of(cell.width, cell.height, self.pixel_size_um)
