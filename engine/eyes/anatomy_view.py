"""How the anatomy network sees a picture: one box of it, whole, without distortion.

Used by training and in use alike. Knows pixels and boxes, no network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.imaging.boxes import Box

__all__ = ["BORDER", "VIEW_HEIGHT", "VIEW_WIDTH", "View", "view_of"]

VIEW_HEIGHT: Final = 128
VIEW_WIDTH: Final = 144
BORDER: Final = 124
"""Grey level of whatever lies outside of the picture."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A part of a picture at the network's size.

    ``pixels`` is ``(128, 144, 3) uint8 RGB``. ``box`` is what it shows, in pixels of the picture;
    it may reach beyond the picture, where ``pixels`` are grey. ``scale`` is pixels of the view
    for one pixel of the picture.
    """

    pixels: NDArray[np.uint8]
    box: Box
    scale: float

    def to_picture(self, x: float, y: float) -> tuple[float, float]:
        """Map a point of the view to one of the picture."""
        return self.box.x + x / self.scale, self.box.y + y / self.scale


def view_of(picture: NDArray[np.uint8], box: Box | None = None) -> View:
    """Return what the network sees of ``box``, by default of the whole ``(H, W, 3)`` picture.

    The box is grown to the network's shape around its own middle, never cut.
    """
    height, width = picture.shape[:2]
    if box is None:
        box = Box(0, 0, width, height)
    aspect = VIEW_WIDTH / VIEW_HEIGHT
    shown_width = max(box.width, box.height * aspect, 1.0)
    cx, cy = box.centre
    shown = Box(
        cx - shown_width / 2, cy - shown_width / aspect / 2, shown_width, shown_width / aspect
    )
    scale = VIEW_WIDTH / shown_width
    pixels = np.full((VIEW_HEIGHT, VIEW_WIDTH, 3), BORDER, np.uint8)
    x0, x1 = _inside(shown.x, shown.x + shown.width, width)
    y0, y1 = _inside(shown.y, shown.y + shown.height, height)
    if x0 < x1 and y0 < y1:
        left, right = round((x0 - shown.x) * scale), round((x1 - shown.x) * scale)
        top, bottom = round((y0 - shown.y) * scale), round((y1 - shown.y) * scale)
        left, top = max(left, 0), max(top, 0)
        right, bottom = (
            min(max(right, left + 1), VIEW_WIDTH),
            min(max(bottom, top + 1), VIEW_HEIGHT),
        )
        if left < right and top < bottom:
            way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            part = picture[y0:y1, x0:x1]
            pixels[top:bottom, left:right] = cv2.resize(
                part, (right - left, bottom - top), interpolation=way
            )
    return View(pixels=pixels, box=shown, scale=scale)


def _inside(start: float, stop: float, limit: int) -> tuple[int, int]:
    """Return whole pixels start..stop within 0..limit; empty when there are none."""
    first = min(max(int(np.floor(start)), 0), limit)
    last = min(max(int(np.ceil(stop)), 0), limit)
    return first, last
