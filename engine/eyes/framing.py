"""Where to cut when an eye fills its picture, or when nobody knows where in it the eye is.

A crop that reaches far beyond its picture repeats edge pixels over half of its area. Streaks of
that kind say how a picture was framed, not how the eye is; a network must not meet them.
"""

from __future__ import annotations

import math

from engine.errors import InputError
from engine.eyes import crops

__all__ = ["MAX_OUTSIDE", "fit_corners", "whole_picture_corners"]

MAX_OUTSIDE = 0.06
"""Share of the crop's width or height that may lie beyond each edge of the picture."""

_WIDTH_RATIO = 1 + 2 * crops.PADDING_X / 100
_HEIGHT_RATIO = crops.EYE_ASPECT + 2 * crops.PADDING_Y / 100


def fit_corners(corners: crops.Corners, *, height: int, width: int) -> crops.Corners:
    """Shrink and shift an eye's corners until its canonical crop lies in the picture.

    The line between the corners keeps its direction. Corners whose crop already fits come back
    unchanged, so that this does nothing to eyes found in a face.

    Parameters
    ----------
    corners
        Corners in pixels of the picture; they may lie outside it.
    height, width
        Size of the picture in pixels.

    Raises
    ------
    InputError
        When the corners coincide or the picture is empty.

    Examples
    --------
    >>> fit_corners(((40.0, 50.0), (60.0, 50.0)), height=100, width=100)
    ((40.0, 50.0), (60.0, 50.0))
    >>> (ax, ay), (bx, by) = fit_corners(((-100.0, 50.0), (200.0, 50.0)), height=125, width=140)
    >>> round(ax, 1), round(bx, 1)
    (13.2, 126.8)
    """
    (ax, ay), (bx, by) = corners
    eye_width = math.hypot(bx - ax, by - ay)
    if eye_width == 0 or height < 1 or width < 1:
        raise InputError(
            f"Two different corners and a picture are needed, but got {corners!r} in "
            f"{width}×{height} px; find the eye again or leave it out."
        )
    along_x, along_y = (bx - ax) / eye_width, (by - ay) / eye_width
    # Half extents of the turned crop per pixel of eye width.
    reach_x = (abs(along_x) * _WIDTH_RATIO + abs(along_y) * _HEIGHT_RATIO) / 2
    reach_y = (abs(along_y) * _WIDTH_RATIO + abs(along_x) * _HEIGHT_RATIO) / 2
    inner = 1 - 2 * MAX_OUTSIDE
    fitted = min(eye_width, width / (2 * reach_x * inner), height / (2 * reach_y * inner))
    x = _clamped((ax + bx) / 2, fitted * reach_x * inner, width)
    y = _clamped((ay + by) / 2, fitted * reach_y * inner, height)
    half_x, half_y = along_x * fitted / 2, along_y * fitted / 2
    if fitted == eye_width and x == (ax + bx) / 2 and y == (ay + by) / 2:
        return corners
    return (x - half_x, y - half_y), (x + half_x, y + half_y)


def whole_picture_corners(*, height: int, width: int) -> crops.Corners:
    """Return corners whose crop is the largest one inside the picture, in its middle.

    For a close-up in which no eye opening could be found.

    >>> whole_picture_corners(height=125, width=140)
    ((20.0, 62.5), (120.0, 62.5))
    """
    eye_width = min(width / _WIDTH_RATIO, height / _HEIGHT_RATIO)
    x, y = width / 2, height / 2
    return (x - eye_width / 2, y), (x + eye_width / 2, y)


def _clamped(centre: float, reach: float, size: int) -> float:
    """Move a centre so that ``centre ± reach`` lies in 0..size."""
    return min(max(centre, reach), max(size - reach, reach))
