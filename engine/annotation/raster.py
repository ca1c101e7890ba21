"""Strokes to pixels, exactly: whole numbers only, no soft edges, the same on every machine.

A pixel belongs to a brush when its middle is no farther from the path than half the width, and to
an outline when its middle is inside (non-zero winding; of two outlines that share an edge each
pixel belongs to one). A stroke's pixels do not depend on what was drawn before, so any box of a
mask can be drawn anew alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from engine.annotation.strokes import Points, Stroke

__all__ = ["Box", "bounds", "connected", "covered", "draw", "wound"]

_Whole = NDArray[np.int64]

_UNIT: Final = 32  # steps per pixel: half of a stroke's grid, since a radius is half a width
_MIDDLE: Final = _UNIT // 2
_BAND_PX: Final = 1 << 21  # pixels drawn at a time, which bounds memory


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box of pixels; ``right`` and ``bottom`` are the first beyond it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Columns; 0 for an empty box."""
        return max(0, self.right - self.left)

    @property
    def height(self) -> int:
        """Rows; 0 for an empty box."""
        return max(0, self.bottom - self.top)

    @property
    def is_empty(self) -> bool:
        """Whether no pixel is in it."""
        return not (self.width and self.height)

    @property
    def part(self) -> tuple[slice, slice]:
        """Rows and columns, to index a mask."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def cut(self, other: Box) -> Box:
        """Return what is in both."""
        return Box(
            left=max(self.left, other.left),
            top=max(self.top, other.top),
            right=min(self.right, other.right),
            bottom=min(self.bottom, other.bottom),
        )

    @classmethod
    def whole(cls, shape: tuple[int, ...]) -> Box:
        """Return the box of all pixels of ``shape`` (rows, columns)."""
        return cls(left=0, top=0, right=shape[1], bottom=shape[0])


def draw(mask: NDArray[np.uint8], strokes: Iterable[Stroke], *, box: Box | None = None) -> None:
    """Draw ``strokes`` one after the other into ``mask`` ``(H, W)``; only inside ``box`` if given.

    >>> mask = np.zeros((2, 4), np.uint8)
    >>> corners = np.array([[1, 0], [3, 0], [3, 1], [1, 1]], np.float32)
    >>> draw(mask, [Stroke(tool="rectangle", state=2, points=corners)])
    >>> mask.tolist()
    [[0, 2, 2, 0], [0, 0, 0, 0]]
    """
    within = Box.whole(mask.shape)
    if box is not None:
        within = within.cut(box)
    for stroke in strokes:
        for part, inside in _parts(stroke, within):
            mask[part.part][inside] = stroke.state


def bounds(stroke: Stroke, shape: tuple[int, ...]) -> Box:
    """Return a box that holds all pixels of ``stroke`` in a picture of ``shape``; may be empty."""
    if stroke.area is not None:
        area = stroke.area
        box = Box(
            left=area.left,
            top=area.top,
            right=area.left + area.width,
            bottom=area.top + area.height,
        )
    else:
        reach = stroke.width_px / 2 if _is_path(stroke) else 0.0
        low = np.floor(stroke.points.min(axis=0) - reach).astype(int)
        high = np.ceil(stroke.points.max(axis=0) + reach).astype(int) + 1
        box = Box(left=int(low[0]), top=int(low[1]), right=int(high[0]), bottom=int(high[1]))
    return box.cut(Box.whole(shape))


def covered(stroke: Stroke, box: Box) -> NDArray[np.bool_]:
    """Return which pixels of ``box`` the stroke covers, ``(height, width)``."""
    found = np.zeros((box.height, box.width), np.bool_)
    for part, inside in _parts(stroke, box):
        rows = slice(part.top - box.top, part.bottom - box.top)
        found[rows, part.left - box.left : part.right - box.left] |= inside
    return found


def wound(outlines: Iterable[Points], box: Box) -> NDArray[np.bool_]:
    """Return which pixels of ``box`` the closed ``outlines`` wind around, all taken together."""
    found = [_outline_changes(outline) for outline in outlines]
    if not found or box.is_empty:
        return np.zeros((box.height, box.width), np.bool_)
    row, col, change = (np.concatenate(part) for part in zip(*found, strict=True))
    return _filled((row, col, change), box)


def connected(mask: NDArray[np.uint8], x: float, y: float) -> NDArray[np.bool_]:
    """Return the pixels that hang together (by edges) with the one at (x, y) and share its state.

    A place outside of the mask gives none.
    """
    import cv2

    row, col = math.floor(y), math.floor(x)
    inside = np.zeros(mask.shape, np.bool_)
    if not (0 <= row < mask.shape[0] and 0 <= col < mask.shape[1]):
        return inside
    same = (mask == mask[row, col]).astype(np.uint8)
    frame = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), np.uint8)
    flags = 4 | (1 << 8) | cv2.FLOODFILL_MASK_ONLY
    cv2.floodFill(same, frame, (col, row), 1, flags=flags)
    return np.asarray(frame[1:-1, 1:-1] == 1)


# --- bands -------------------------------------------------------------------------------------


def _is_path(stroke: Stroke) -> bool:
    return stroke.tool in ("brush", "eraser")


def _parts(stroke: Stroke, within: Box) -> Iterable[tuple[Box, NDArray[np.bool_]]]:
    """Give band after band of the stroke's box, each with the pixels that it covers."""
    box = bounds(stroke, (within.bottom, within.right)).cut(within)
    if box.is_empty:
        return
    if stroke.area is not None:
        area = stroke.area
        part = (
            slice(box.top - area.top, box.bottom - area.top),
            slice(box.left - area.left, box.right - area.left),
        )
        yield box, area.inside[part]
        return
    changes = _path_changes(stroke) if _is_path(stroke) else _outline_changes(stroke.points)
    rows = max(1, _BAND_PX // box.width)
    for top in range(box.top, box.bottom, rows):
        band = Box(left=box.left, top=top, right=box.right, bottom=min(top + rows, box.bottom))
        yield band, _filled(changes, band)


def _filled(changes: tuple[_Whole, _Whole, _Whole], band: Box) -> NDArray[np.bool_]:
    """Return where the sum of all changes up to a pixel, along its row, is not 0."""
    row, col, change = changes
    here = (row >= band.top) & (row < band.bottom)
    counts = np.zeros((band.height, band.width + 1), np.int32)
    place = np.clip(col[here] - band.left, 0, band.width)
    np.add.at(counts, (row[here] - band.top, place), change[here].astype(np.int32))
    return np.asarray(np.cumsum(counts[:, :-1], axis=1, dtype=np.int32) != 0)


# --- paths -------------------------------------------------------------------------------------


def _path_changes(stroke: Stroke) -> tuple[_Whole, _Whole, _Whole]:
    """Return (row, column, ±1) where runs of discs and of the bands between them begin and end."""
    places = _whole(stroke.points)
    radius = round(stroke.width_px * _MIDDLE)
    runs = [_disc_runs(places, radius)]
    if len(places) > 1:
        runs.append(_band_runs(places[:-1], places[1:], radius))
    row, first, last = (np.concatenate(part) for part in zip(*runs, strict=True))
    some = last >= first
    row, first, last = row[some], first[some], last[some]
    ones = np.ones(len(row), np.int64)
    return (
        np.concatenate([row, row]),
        np.concatenate([first, last + 1]),
        np.concatenate([ones, -ones]),
    )


def _disc_runs(middles: _Whole, radius: int) -> tuple[_Whole, _Whole, _Whole]:
    """Return (row, first, last column) of the discs around ``middles``."""
    which, row = _rows(middles[:, 1] - radius, middles[:, 1] + radius)
    up = row * _UNIT + _MIDDLE - middles[which, 1]
    half = np.sqrt(np.maximum(radius * radius - up * up, 0)).astype(np.int64)
    x = middles[which, 0]
    return row, _first(x - half), _last(x + half)


def _band_runs(a: _Whole, b: _Whole, radius: int) -> tuple[_Whole, _Whole, _Whole]:
    """Return the runs of what lies beside each piece of a path, at most ``radius`` from it.

    With d = b − a and e = pixel − a: 0 ≤ d·e ≤ |d|² and |d×e| ≤ r·|d|. Both bounds are linear in
    e's column, and the root is taken as a whole number, so nothing is rounded.
    """
    moving = (a != b).any(axis=1)
    a, b = a[moving], b[moving]
    d = b - a
    square = (d * d).sum(axis=1)
    reach = np.array([math.isqrt(radius * radius * int(s)) for s in square], np.int64)
    low, high = np.minimum(a[:, 1], b[:, 1]), np.maximum(a[:, 1], b[:, 1])
    which, row = _rows(low - radius, high + radius)
    dx, dy, limit, cross = d[which, 0], d[which, 1], square[which], reach[which]
    up = row * _UNIT + _MIDDLE - a[which, 1]
    along = _between(dx, -dy * up, limit - dy * up)
    across = _between(dy, dx * up - cross, dx * up + cross)
    x = a[which, 0]
    return (
        row,
        _first(x + np.maximum(along[0], across[0])),
        _last(x + np.minimum(along[1], across[1])),
    )


def _between(factor: _Whole, low: _Whole, high: _Whole) -> tuple[_Whole, _Whole]:
    """Return the least and the greatest whole number n with low ≤ factor·n ≤ high."""
    far = np.int64(1) << 40
    by = np.where(factor == 0, 1, np.abs(factor))
    below = np.where(factor < 0, -high, low)
    above = np.where(factor < 0, -low, high)
    any_or_none = np.where((low <= 0) & (high >= 0), far, -far)
    return (
        np.where(factor == 0, -any_or_none, -((-below) // by)),
        np.where(factor == 0, any_or_none, above // by),
    )


# --- outlines ----------------------------------------------------------------------------------


def _outline_changes(points: Points) -> tuple[_Whole, _Whole, _Whole]:
    """Return (row, column, ±1) where the rows of pixel middles cross the closed outline."""
    a = _whole(points)
    b = np.roll(a, -1, axis=0)
    turn = np.sign(b[:, 1] - a[:, 1])
    a, b = np.where(turn[:, None] < 0, b, a), np.where(turn[:, None] < 0, a, b)
    which, row = _rows(a[:, 1], b[:, 1] - 1)
    d = (b - a)[which]
    up = row * _UNIT + _MIDDLE - a[which, 1]
    cross = a[which, 0] - (-(up * d[:, 0]) // np.maximum(d[:, 1], 1))  # rounded up
    return row, _first(cross), turn[which]


# --- whole numbers -----------------------------------------------------------------------------


def _whole(points: Points) -> _Whole:
    return np.rint(points.astype(np.float64) * _UNIT).astype(np.int64)


def _first(x: _Whole) -> _Whole:
    """Return the first row or column whose middle is at ``x`` or beyond."""
    return -((_MIDDLE - x) // _UNIT)


def _last(x: _Whole) -> _Whole:
    """Return the last row or column whose middle is at ``x`` or before."""
    return (x - _MIDDLE) // _UNIT


def _rows(low: _Whole, high: _Whole) -> tuple[_Whole, _Whole]:
    """Return every row whose middle is in ``low..high`` of each piece, and which piece it is."""
    first, last = _first(low), _last(high)
    number = np.maximum(last - first + 1, 0)
    which = np.repeat(np.arange(len(number)), number)
    ends = np.cumsum(number)
    inner = np.arange(int(number.sum())) - np.repeat(ends - number, number)
    return which, first[which] + inner
