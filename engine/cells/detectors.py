"""The seam between a picture and whoever finds the cells in it."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.cells.results import CellsFound

__all__ = ["Backend", "CellDetector"]

Backend = Literal["network", "opencv"]
"""``network``: the small network that ships; ``opencv``: classical rules for lymphocytes."""


class CellDetector(Protocol):
    """Finds cells in pictures, from any number of threads at once."""

    @property
    def name(self) -> str:
        """What people see: name and version."""
        ...

    def detect(self, picture: NDArray[np.uint8]) -> CellsFound:
        """Return the cells of ``(H, W, 3) uint8`` RGB.

        Raises
        ------
        PictureError
            When the array is no such picture.
        """
        ...
