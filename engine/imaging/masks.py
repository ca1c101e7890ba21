"""Masks of three states, one byte per pixel, and the files that they are kept in.

0 is background, 1 unhealthy, 2 healthy; 255 means that nobody has looked there.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import PictureError

__all__ = [
    "BACKGROUND",
    "HEALTHY",
    "NOT_ANNOTATED",
    "STATES",
    "UNHEALTHY",
    "Mask",
    "counts",
    "decode",
    "encode",
]

Mask = NDArray[np.uint8]
"""States ``(H, W) uint8``."""

BACKGROUND: Final = 0
UNHEALTHY: Final = 1
HEALTHY: Final = 2
NOT_ANNOTATED: Final = 255

STATES: Final = {
    "background": BACKGROUND,
    "unhealthy": UNHEALTHY,
    "healthy": HEALTHY,
    "not_annotated": NOT_ANNOTATED,
}
"""Every state by its name."""


def encode(mask: Mask, *, classes: int = 3) -> bytes:
    """Return the mask as a grey PNG of 8 bits, whose samples are the states themselves.

    A dataset with named classes has masks of ``classes`` values, the index of each pixel's class.

    Raises
    ------
    PictureError
        When it is not ``(H, W) uint8``, is empty, or has another value than the classes and 255.
    """
    _check(mask, classes)
    _, data = cv2.imencode(".png", np.ascontiguousarray(mask))
    return bytes(data)


def decode(data: bytes, *, classes: int = 3) -> Mask:
    """Return the mask in a file that :func:`encode` wrote for so many ``classes``.

    Raises
    ------
    PictureError
        When the bytes are not such a file.
    """
    try:
        mask = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # no bytes at all
        mask = None
    if mask is None:
        raise PictureError("Expected a mask as a PNG file, but the bytes are something else.")
    _check(mask, classes)
    return np.asarray(mask, np.uint8)


def counts(mask: Mask) -> dict[str, int]:
    """Return how many pixels are in each state, by its name.

    >>> counts(np.array([[0, 2], [2, 255]], np.uint8))
    {'background': 1, 'unhealthy': 0, 'healthy': 2, 'not_annotated': 1}
    """
    found = np.bincount(mask.ravel(), minlength=256)
    return {name: int(found[value]) for name, value in STATES.items()}


def _check(mask: NDArray[np.generic], classes: int) -> None:
    if mask.ndim != 2 or mask.dtype != np.uint8 or not mask.size:
        raise PictureError(
            f"Expected a mask (height, width) of uint8, but got {mask.shape} of {mask.dtype}."
        )
    allowed = [*range(classes), NOT_ANNOTATED]
    strange = sorted(set(np.unique(mask).tolist()) - set(allowed))
    if strange:
        names = ", ".join(map(str, allowed)) if classes <= 8 else f"0 to {classes - 1} and 255"
        raise PictureError(
            f"A mask has the values {names}, but this one has "
            f"{', '.join(map(str, strange[:8]))} too; map them to states first."
        )
