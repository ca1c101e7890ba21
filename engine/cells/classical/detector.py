"""The classical detector behind the seam: lymphocytes, other white cells, platelets, by rules."""

from __future__ import annotations

from typing import Final, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.cells.asked_pictures import require_picture
from engine.cells.classical.nuclei import Nucleus, find_nuclei
from engine.cells.classical.parameters import Parameters
from engine.cells.classical.stain import nuclear_density, otsu
from engine.cells.names import LYMPHOCYTE, PLATELET, WBC
from engine.cells.results import Cell, CellsFound

__all__ = ["ClassicalDetector"]

_PLATELET_SHARE: Final = 0.5
"""Stained bodies down to this share of the smallest nucleus are called platelets."""
_NOTE: Final = "Found by rules of stain and shape; red cells are not looked for."


@final
class ClassicalDetector:
    """Rules with ``parameters``; holds no state."""

    name = "Lymphocyte rules 1.0"

    def __init__(self, parameters: Parameters | None = None) -> None:
        self._parameters = parameters or Parameters()

    def detect(self, picture: NDArray[np.uint8]) -> CellsFound:
        """Return the cells of ``(H, W, 3) uint8`` RGB; see :class:`CellDetector`."""
        require_picture(picture)
        given = self._parameters
        height, width = picture.shape[:2]
        factor = 1.0 / given.downscale
        small = picture
        if factor < 1.0:
            size = (max(1, round(width * factor)), max(1, round(height * factor)))
            small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        density = nuclear_density(small)
        threshold = given.threshold or otsu(density)
        nuclei = find_nuclei(
            density,
            threshold=threshold,
            smallest_px=given.smallest_px * factor,
            join_px=given.join_px * factor,
            split=given.split,
        )
        cells = [
            cell
            for nucleus in nuclei
            if (cell := _cell(nucleus, given, factor, threshold)) is not None
        ]
        return CellsFound(
            cells=tuple(sorted(cells, key=lambda cell: -cell.confidence)),
            width=width,
            height=height,
            detector=self.name,
            scale=factor,
            notes=(_NOTE,),
        )


def _cell(nucleus: Nucleus, given: Parameters, factor: float, threshold: float) -> Cell | None:
    diameter = nucleus.diameter_px / factor
    if diameter > given.largest_px:
        return None
    if diameter < given.smallest_px:
        if diameter < _PLATELET_SHARE * given.smallest_px:
            return None
        label = PLATELET
    else:
        label = LYMPHOCYTE if _is_lymphocyte(nucleus, given) else WBC
    left, top, right, bottom = (float(value) / factor for value in nucleus.cell)
    return Cell(
        label=label,
        x=left,
        y=top,
        width=right - left,
        height=bottom - top,
        confidence=float(_confidence(nucleus, given, label, threshold)),
    )


def _is_lymphocyte(nucleus: Nucleus, given: Parameters) -> bool:
    """Tell a round nucleus that nearly fills its cell."""
    return (
        nucleus.roundness >= given.roundness
        and nucleus.solidity >= given.solidity
        and nucleus.share >= given.nucleus_share
    )


def _confidence(nucleus: Nucleus, given: Parameters, label: str, threshold: float) -> float:
    """Say how clearly the rules are met, 0.3..0.99: contrast, and distance to the shape's limits.

    It orders cells for review; it is not a probability.
    """
    contrast = min(1.0, nucleus.density / threshold - 1.0)
    if label == PLATELET:
        return round(0.3 + 0.4 * contrast, 3)
    margins = (
        nucleus.roundness - given.roundness,
        nucleus.solidity - given.solidity,
        nucleus.share - given.nucleus_share,
    )
    clear = min(1.0, 4 * (min(margins) if label == LYMPHOCYTE else max(-m for m in margins)))
    return round(min(0.99, 0.4 + 0.3 * contrast + 0.29 * max(0.0, clear)), 3)
