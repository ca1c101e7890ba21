"""A case as a small picture: the truth left, the answer right, each class in its own colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.imaging.palettes import OKABE_ITO
from engine.imaging.pictures import encode_png
from engine.segmentation.drawing import class_colours
from engine.segmentation.scoring.overlap import IGNORED

__all__ = ["draw_case"]

_SIDE_PX: Final = 320
_SMALLEST_PX: Final = 160
_GAP_PX: Final = 6
_FILL: Final = 0.3
_RIM: Final = (255, 255, 255)


def draw_case(
    picture: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    predicted: NDArray[np.uint8],
    classes: Sequence[str],
) -> bytes:
    """Return a PNG: the picture twice, with the truth and with the answer drawn in.

    ``picture`` is ``(H, W, 3) uint8``, the masks ``(H, W) uint8``. What nobody annotated is
    hatched on the left.
    """
    height, width = truth.shape
    longest = max(height, width)
    scale = min(1.0, _SIDE_PX / longest) if longest >= _SMALLEST_PX else _SMALLEST_PX / longest
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    masks = (truth, predicted)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    sides = [_drawn(np.asarray(small, np.uint8), _resized(mask, size), classes) for mask in masks]
    gap = np.full((size[1], _GAP_PX, 3), 255, np.uint8)
    return encode_png(np.concatenate([sides[0], gap, sides[1]], axis=1))


def _resized(mask: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def _drawn(
    picture: NDArray[np.uint8], mask: NDArray[np.uint8], classes: Sequence[str]
) -> NDArray[np.uint8]:
    drawn = picture.astype(np.float32)
    around = np.ones((3, 3), np.uint8)
    for value, colour in class_colours(classes).items():
        inside = mask == value
        plain = inside.view(np.uint8)
        drawn[inside] = (1 - _FILL) * drawn[inside] + _FILL * np.array(colour, np.float32)
        # A light rim outside the coloured line: one of both shows on any stain.
        drawn[(cv2.dilate(plain, around) > 0) & ~inside] = _RIM
        drawn[inside & (cv2.erode(plain, around) == 0)] = colour
    rows, cols = np.indices(mask.shape)
    hatched = (mask == IGNORED) & ((rows + cols) % 8 < 2)
    drawn[hatched] = OKABE_ITO["yellow"]
    return np.asarray(np.rint(drawn), np.uint8)
