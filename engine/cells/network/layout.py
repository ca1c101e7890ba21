"""What the network's input and output look like; shared by its recipe and its reader."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["SIDE_MULTIPLE_PX", "STRIDE_PX", "normalised"]

STRIDE_PX: Final = 4
"""Pixels of the picture for each cell of the output's grid."""
SIDE_MULTIPLE_PX: Final = 32
"""Sides of the input are multiples of this."""

_GROUND_PERCENTILE: Final = 90.0
_GROUND: Final = 0.92


def normalised(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return ``(3, H, W) float32`` with the empty slide made nearly white, for any lamp or camera.

    ``picture`` is ``(H, W, 3) uint8`` RGB. Each channel is scaled so that its 90th percentile, the
    slide between the cells in most smears, becomes 0.92; then 0..1.2 is moved to about -1..1.

    >>> grey = np.full((32, 32, 3), 184, np.uint8)
    >>> round(float(normalised(grey).mean()), 2)
    0.84
    """
    light = picture.astype(np.float32) / 255
    thinned = light[::4, ::4].reshape(-1, 3)
    ground = np.maximum(np.percentile(thinned, _GROUND_PERCENTILE, axis=0), 0.2).astype(np.float32)
    balanced = np.clip(light * (_GROUND / ground), 0, 1.2)
    return np.ascontiguousarray((balanced * 2 - 1).transpose(2, 0, 1), dtype=np.float32)
