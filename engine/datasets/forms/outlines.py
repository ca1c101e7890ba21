"""Regions of a mask as outlines along the edges of their pixels, and as boxes.

Corners have whole numbers, so that every pixel's centre is clearly inside or outside: whoever
fills an outline by centres gets exactly the pixels that it was made of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Region", "outline", "regions"]

_Point = tuple[int, int]


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Region:
    """Connected pixels of one value: where their box begins, and the pixels inside of it."""

    value: int
    x: int
    y: int
    pixels: NDArray[np.bool_]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, width and height in pixels."""
        height, width = self.pixels.shape
        return self.x, self.y, width, height


def regions(values: NDArray[np.uint8]) -> Iterator[Region]:
    """Yield what is connected by edges in ``values (H, W)``, value by value; 0 is no region."""
    import cv2

    for value in np.unique(values).tolist():
        if not value:
            continue
        where = (values == value).astype(np.uint8)
        count, labels, boxes, _ = cv2.connectedComponentsWithStats(where, connectivity=4)
        for number in range(1, count):
            x, y, width, height = (int(part) for part in boxes[number][:4])
            inside = labels[y : y + height, x : x + width] == number
            yield Region(value=value, x=x, y=y, pixels=inside)


def outline(region: Region) -> tuple[NDArray[np.float64], tuple[NDArray[np.float64], ...]]:
    """Return the outer ring ``(N, 2)`` of x, y of a connected region, and those of its holes.

    Rings are not closed by a repeated point. The outer one runs clockwise as seen on a screen.
    """
    shift = np.array([region.x, region.y], np.float64)
    rings = [np.array(ring, np.float64) + shift for ring in _rings(region.pixels)]
    outer = next(ring for ring in rings if _area(ring) > 0)
    return outer, tuple(ring for ring in rings if _area(ring) < 0)


def _rings(pixels: NDArray[np.bool_]) -> Iterator[list[_Point]]:
    """Walk along all edges with the region on the right hand."""
    following = _edges(pixels)
    while following:
        start = next(iter(following))
        here, heading = start, (0, 0)
        ring: list[_Point] = []
        while True:
            towards = _next(following, here, heading)
            step = (towards[0] - here[0], towards[1] - here[1])
            if step != heading:
                ring.append(here)
            here, heading = towards, step
            if here == start:
                break
        # The walk may have begun in the middle of a straight edge.
        first = (ring[1][0] - ring[0][0], ring[1][1] - ring[0][1])
        if (np.sign(first[0]), np.sign(first[1])) == heading:
            ring = ring[1:]
        yield ring


def _next(following: dict[_Point, list[_Point]], here: _Point, heading: _Point) -> _Point:
    """Take the way on from ``here``; where two pixels touch by a corner, the one to the right."""
    ways = following[here]
    right = (here[0] - heading[1], here[1] + heading[0])
    taken = right if right in ways else ways[0]
    ways.remove(taken)
    if not ways:
        del following[here]
    return taken


def _edges(pixels: NDArray[np.bool_]) -> dict[_Point, list[_Point]]:
    padded = np.pad(pixels, 1).astype(np.int8)
    across = np.diff(padded, axis=0)[:, 1:-1]  # +1: a pixel begins below, -1: one ended above
    down = np.diff(padded, axis=1)[1:-1]
    following: dict[_Point, list[_Point]] = {}
    for sign, begin, end in ((1, (0, 0), (1, 0)), (-1, (1, 0), (0, 0))):
        _collect(following, np.argwhere(across == sign), begin, end)
    for sign, begin, end in ((1, (0, 1), (0, 0)), (-1, (0, 0), (0, 1))):
        _collect(following, np.argwhere(down == sign), begin, end)
    return following


def _collect(
    following: dict[_Point, list[_Point]],
    found: NDArray[np.intp],
    begin: _Point,
    end: _Point,
) -> None:
    for y, x in found.tolist():
        start = (x + begin[0], y + begin[1])
        following.setdefault(start, []).append((x + end[0], y + end[1]))


def _area(ring: NDArray[np.float64]) -> float:
    following = np.roll(ring, -1, axis=0)
    return float((ring[:, 0] * following[:, 1] - following[:, 0] * ring[:, 1]).sum()) / 2
