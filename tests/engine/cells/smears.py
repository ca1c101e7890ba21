"""Smears drawn with discs: number, place and size of the cells are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CYTOPLASM",
    "MODEL",
    "NO_MODEL",
    "NUCLEUS",
    "PAPER",
    "RED",
    "disc_smear",
    "lymphocyte",
    "red_cell",
]

PAPER, RED, NUCLEUS, CYTOPLASM = (230, 228, 225), (205, 165, 170), (95, 60, 165), (190, 175, 215)

MODEL: Final = Path(__file__).parents[3] / "assets" / "models" / "cells"
NO_MODEL: Final = "assets/models/cells is not there: the network is not made yet"

Disc = tuple[tuple[int, int], int, tuple[int, int, int]]


def disc_smear(*discs: Disc, width: int = 400, height: int = 300) -> NDArray[np.uint8]:
    """Draw discs (centre, radius, colour), later ones above."""
    picture = np.full((height, width, 3), PAPER, np.uint8)
    for centre, radius, colour in discs:
        cv2.circle(picture, centre, radius, colour, -1, cv2.LINE_AA)
    return picture


def lymphocyte(x: int, y: int, radius: int = 30) -> Sequence[Disc]:
    """A round nucleus in a thin rim."""
    return [((x, y), radius, CYTOPLASM), ((x, y), radius - 4, NUCLEUS)]


def red_cell(x: int, y: int, radius: int = 36) -> Sequence[Disc]:
    """A disc in the colour of haemoglobin."""
    return [((x, y), radius, RED)]
