"""What a picture must be for cells to be looked for in it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.errors import PictureError

__all__ = ["SMALLEST_PX", "require_picture"]

SMALLEST_PX: Final = 16
"""Smallest side."""


def require_picture(picture: NDArray[np.uint8]) -> None:
    """Return when cells can be looked for in the array.

    Raises
    ------
    PictureError
        When it is not ``(H, W, 3) uint8``, or a side is below :data:`SMALLEST_PX`.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise PictureError(
            f"Cells are looked for in (H, W, 3) uint8 RGB, but got {picture.shape} "
            f"{picture.dtype}; decode the picture first."
        )
    height, width = picture.shape[:2]
    if min(height, width) < SMALLEST_PX:
        raise PictureError(
            f"Cells need a picture of at least {SMALLEST_PX} × {SMALLEST_PX} pixels, but it "
            f"has {width} × {height}; send a larger one."
        )
