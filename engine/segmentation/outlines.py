"""Objects as polygons along the edges of their pixels: filled again they are the same pixels."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Ring", "polygons"]

Ring = list[list[int]]
"""Corners ``[x, y]``, the first one repeated at the end; outer rings clockwise on a screen."""

_Point = tuple[int, int]
_AHEAD: Final = {(1, 0): (0, 1), (0, 1): (-1, 0), (-1, 0): (0, -1), (0, -1): (1, 0)}
"""Each heading and the one to its right, with y downwards."""


def polygons(pixels: NDArray[np.bool_], *, left: int = 0, top: int = 0) -> list[list[Ring]]:
    """Return the parts of an object ``(h, w)`` that touch by edges: an outer ring, then holes.

    >>> polygons(np.array([[True]]), left=5, top=7)
    [[[[5, 7], [6, 7], [6, 8], [5, 8], [5, 7]]]]
    """
    count, labels = cv2.connectedComponents(pixels.view(np.uint8), connectivity=4)
    found = []
    for number in range(1, count):
        rings = _rings(labels == number)
        rings.sort(key=_area, reverse=True)  # holes run the other way round: their area is below 0
        found.append([[[x + left, y + top] for x, y in ring] for ring in rings])
    return found


def _rings(inside: NDArray[np.bool_]) -> list[list[_Point]]:
    """Walk along all edges with the pixels at the right hand."""
    ways = _edges(inside)
    rings = []
    # the uppermost corner of a ring, and of those the leftmost, is one where it turns
    for start in sorted(ways, key=lambda point: (point[1], point[0])):
        while start in ways:
            rings.append(_walk(ways, start))
    return rings


def _walk(ways: dict[_Point, list[_Point]], start: _Point) -> list[_Point]:
    heading = ways[start][0]
    ring, here = [start], start
    while True:
        options = ways[here]
        if len(options) > 1:  # two pixels touch at this corner: turning right keeps them apart
            turn = _AHEAD[heading]
            towards = turn if turn in options else options[0]
        else:
            towards = options[0]
        options.remove(towards)
        if not options:
            del ways[here]
        if towards != heading:
            ring.append(here)
        heading = towards
        here = here[0] + towards[0], here[1] + towards[1]
        if here == start:
            return [*ring, start]


def _edges(inside: NDArray[np.bool_]) -> dict[_Point, list[_Point]]:
    """Return for each corner the headings of the edges that begin there."""
    padded = np.pad(inside, 1).astype(np.int8)
    rows = np.diff(padded, axis=0)[:, 1:-1]  # +1: a pixel begins below; -1: one ended above
    cols = np.diff(padded, axis=1)[1:-1]
    ways: dict[_Point, list[_Point]] = {}
    for change, sign, begin, heading in (
        (rows, 1, (0, 0), (1, 0)),
        (rows, -1, (1, 0), (-1, 0)),
        (cols, 1, (0, 1), (0, -1)),
        (cols, -1, (0, 0), (0, 1)),
    ):
        for y, x in np.argwhere(change == sign).tolist():
            ways.setdefault((x + begin[0], y + begin[1]), []).append(heading)
    return ways


def _area(ring: list[_Point]) -> float:
    corners = np.array(ring, np.float64)
    x, y = corners[:, 0], corners[:, 1]
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()) / 2
