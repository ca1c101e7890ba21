"""Outlines to pixels by one exact rule: a pixel is inside when its centre is (even-odd)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.datasets.entries import Area, Polygon, Shapes
from engine.errors import DatasetError

__all__ = ["draw_shapes", "fill_rings"]


def fill_rings(
    rings: Iterable[NDArray[np.float64]], size: tuple[int, int]
) -> tuple[NDArray[np.bool_], tuple[slice, slice]]:
    """Return the pixels inside an odd number of closed rings ``(N, 2)`` of x, y, and where.

    The array covers the rows and columns of the second answer only. A centre on the left or upper
    edge is inside, one on the right or lower edge is not, so that neighbours never share a pixel.
    """
    height, width = size
    closed = [ring for ring in rings if len(ring) >= 3]
    if not closed:
        return np.zeros((0, 0), bool), (slice(0, 0), slice(0, 0))
    points = np.concatenate(closed)
    left, top = np.clip(np.floor(points.min(axis=0)).astype(int), 0, [width, height])
    right, bottom = np.clip(np.ceil(points.max(axis=0)).astype(int), 0, [width, height])
    flips = np.zeros((bottom - top, right - left + 1), np.uint8)
    for ring in closed:
        _flip(flips, ring, left=int(left), top=int(top))
    inside = np.bitwise_xor.accumulate(flips, axis=1)[:, :-1].astype(bool)
    return inside, (slice(int(top), int(bottom)), slice(int(left), int(right)))


def draw_shapes(
    shapes: Shapes, values: Mapping[str, int], size: tuple[int, int]
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Return polygons and areas as a mask ``(H, W)`` of ``values`` by class, and repairs.

    Later shapes lie over earlier ones. Boxes are no outlines and are passed over.

    Raises
    ------
    DatasetError
        When an area has another size than the picture.
    """
    mask = np.zeros(size, np.uint8)
    flat = outside = 0
    for shape in shapes.shapes:
        if isinstance(shape, Area):
            if shape.pixels.shape != size:
                raise DatasetError(
                    f"A run-length mask is {shape.pixels.shape[1]}×{shape.pixels.shape[0]} but "
                    f"its picture is {size[1]}×{size[0]}; export the labels again."
                )
            mask[shape.pixels] = values[shape.class_name]
        elif isinstance(shape, Polygon):
            inside, where = fill_rings((shape.exterior, *shape.holes), size)
            flat += not inside.any()
            outside += _is_outside(shape.exterior, size)
            mask[where][inside] = values[shape.class_name]
    notes = []
    if flat:
        notes.append(f"{flat} outlines enclose no pixel and were left out.")
    if outside:
        notes.append(f"{outside} outlines reach beyond the picture and were cut.")
    return mask, tuple(notes)


def _is_outside(points: NDArray[np.float64], size: Sequence[int]) -> bool:
    low, high = points.min(axis=0), points.max(axis=0)
    return bool((low < -0.5).any() or high[0] > size[1] + 0.5 or high[1] > size[0] + 0.5)


def _flip(flips: NDArray[np.uint8], ring: NDArray[np.float64], *, left: int, top: int) -> None:
    """Flip, on each row, the first pixel whose centre lies right of each edge of the ring."""
    rows, columns = flips.shape
    ends = np.roll(ring, -1, axis=0)
    for (x0, y0), (x1, y1) in zip(ring.tolist(), ends.tolist(), strict=True):
        if y0 == y1:
            continue
        low, high = (y0, y1) if y0 < y1 else (y1, y0)
        first = max(0, int(np.ceil(low - 0.5)) - top)
        last = min(rows, int(np.ceil(high - 0.5)) - top)
        if last <= first:
            continue
        centres = np.arange(first, last) + top + 0.5
        crossing = x0 + (centres - y0) * (x1 - x0) / (y1 - y0)
        at = np.clip(np.ceil(crossing - 0.5).astype(int) - left, 0, columns - 1)
        flips[np.arange(first, last), at] ^= 1
