"""Masks to outlines and back without loss: outlines run along the edges of pixels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from engine.annotation.raster import Box, wound
from engine.annotation.strokes import Points

__all__ = ["mask_of", "polygons_of"]


def polygons_of(mask: NDArray[np.uint8], state: int) -> tuple[Points, ...]:
    """Return the outlines of all pixels with ``state``, (x, y) of pixel corners.

    An outline runs with its pixels at its right hand, and around a hole the other way, so that
    together, by winding, they are exactly those pixels.

    >>> polygons_of(np.array([[1]], np.uint8), 1)[0].tolist()
    [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
    """
    inside = np.pad(mask == state, 1)
    ways = _edges(inside)
    found = []
    for start in list(ways):
        while ways.get(start):
            found.append(_walk(ways, start))
    return tuple(np.array(corners, np.float32) for corners in found)


def mask_of(
    polygons: Iterable[Points], state: int, shape: tuple[int, int], *, around: int = 0
) -> NDArray[np.uint8]:
    """Return a mask ``shape`` with ``state`` inside of ``polygons`` and ``around`` elsewhere.

    Holes are outlines that run against the one around them, as :func:`polygons_of` gives them.
    """
    inside = wound(polygons, Box.whole(shape))
    return np.where(inside, np.uint8(state), np.uint8(around))


def _edges(inside: NDArray[np.bool_]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Return from each corner where to go: one step along an edge between inside and outside."""
    ways: dict[tuple[int, int], list[tuple[int, int]]] = {}
    across = inside[1:, 1:-1].astype(np.int8) - inside[:-1, 1:-1]  # +1 at a top edge
    down = inside[1:-1, 1:].astype(np.int8) - inside[1:-1, :-1]  # +1 at a left edge
    for (row, col), change in zip(np.argwhere(across).tolist(), across[across != 0], strict=True):
        start, end = ((col, row), (col + 1, row)) if change > 0 else ((col + 1, row), (col, row))
        ways.setdefault(start, []).append(end)
    for (row, col), change in zip(np.argwhere(down).tolist(), down[down != 0], strict=True):
        start, end = ((col, row + 1), (col, row)) if change > 0 else ((col, row), (col, row + 1))
        ways.setdefault(start, []).append(end)
    return ways


def _walk(
    ways: dict[tuple[int, int], list[tuple[int, int]]], start: tuple[int, int]
) -> list[tuple[int, int]]:
    """Follow edges from ``start`` until it is reached again; return the corners where it turns."""
    path, here, heading = [start], ways[start].pop(), (0, 0)
    heading = (here[0] - start[0], here[1] - start[1])
    while here != start:
        path.append(here)
        # Where two pixels touch at a corner only, turn right: it keeps them apart.
        right = (here[0] - heading[1], here[1] + heading[0])
        ahead = ways[here]
        there = right if right in ahead else ahead[0]
        ahead.remove(there)
        heading = (there[0] - here[0], there[1] - here[1])
        here = there
    return _corners(path)


def _corners(path: list[tuple[int, int]]) -> list[tuple[int, int]]:
    before, after = (*path[-1:], *path[:-1]), (*path[1:], *path[:1])
    return [
        here
        for a, here, b in zip(before, path, after, strict=True)
        if (here[0] - a[0], here[1] - a[1]) != (b[0] - here[0], b[1] - here[1])
    ]
