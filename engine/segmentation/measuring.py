"""How much there is of each class, and of which objects it is made."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.segmentation.results import Segmentation

__all__ = ["ClassMeasure", "Measures", "ObjectMeasure", "measure", "objects_of"]

_NEIGHBOURS: Final = 8
_BAND_ROWS: Final = 512
_UM2_PER_MM2: Final = 1e6


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectMeasure:
    """What hangs together of one class, also over corners.

    ``x``, ``y``: centre of its pixels; ``left``, ``top``, ``width``, ``height``: its box; all in
    pixels, where the first pixel reaches from 0 to 1. ``diameter_px`` is that of a circle of the
    same area. µm and µm² are None without a pixel size.
    """

    class_index: int
    class_name: str
    area_px: int
    x: float
    y: float
    left: int
    top: int
    width: int
    height: int
    diameter_px: float
    area_um2: float | None
    diameter_um: float | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMeasure:
    """How much there is of one class: pixels, their share of the picture (0..1), mm², objects.

    ``objects`` is None for the background, which is made of none; ``area_mm2`` is None without a
    pixel size; ``median_area_px`` is that of the objects, None without any.
    """

    index: int
    name: str
    area_px: int
    share: float
    area_mm2: float | None
    objects: int | None
    median_area_px: float | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """All that was measured in one picture."""

    width: int
    height: int
    pixel_size_um: float | None
    classes: tuple[ClassMeasure, ...]
    objects: tuple[ObjectMeasure, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the classes as a JSON document; objects are in the tables."""
        return {
            "width": self.width,
            "height": self.height,
            "pixel_size_um": self.pixel_size_um,
            "classes": [
                {
                    "name": row.name,
                    "area_px": row.area_px,
                    "share": round(row.share, 6),
                    "area_mm2": row.area_mm2,
                    "objects": row.objects,
                    "median_area_px": row.median_area_px,
                }
                for row in self.classes
            ],
        }


def measure(found: Segmentation, *, smallest_px: int = 1, with_objects: bool = True) -> Measures:
    """Measure a picture's mask; objects below ``smallest_px`` pixels are not counted.

    ``with_objects=False``: they are counted and not listed, which is quicker and needs less room.

    Raises
    ------
    InputError
        When ``smallest_px`` or the pixel size is not above 0.
    """
    size = found.pixel_size_um
    if smallest_px < 1 or (size is not None and not (math.isfinite(size) and size > 0)):
        raise InputError(
            f"Objects have at least one pixel and pixels a size above 0 µm, but got "
            f"{smallest_px} and {size}."
        )
    counts = _counts(found.mask)
    objects: list[ObjectMeasure] = []
    classes: list[ClassMeasure] = []
    for index, name in enumerate(found.classes):
        areas: NDArray[np.integer] = np.zeros(0, np.int64)
        if index and counts[index] and with_objects:
            boxes, centres = _components(found.mask, index, smallest_px)
            areas = boxes[:, cv2.CC_STAT_AREA]
            objects += _listed(found, index, boxes, centres)
        elif index and counts[index]:
            areas = _areas(found.mask, index)
            areas = areas[areas >= smallest_px]
        pixels = int(counts[index])
        classes.append(
            ClassMeasure(
                index=index,
                name=name,
                area_px=pixels,
                share=pixels / max(1, found.mask.size),
                area_mm2=None if size is None else pixels * size * size / _UM2_PER_MM2,
                objects=len(areas) if index else None,
                median_area_px=float(np.median(areas)) if areas.size else None,
            )
        )
    return Measures(
        width=found.width,
        height=found.height,
        pixel_size_um=size,
        classes=tuple(classes),
        objects=tuple(objects),
    )


def objects_of(mask: NDArray[np.uint8], index: int) -> Iterator[tuple[int, int, NDArray[np.bool_]]]:
    """Yield left, top and pixels ``(h, w)`` of each object of a class."""
    inside = np.asarray(mask == index).view(np.uint8)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(inside, connectivity=_NEIGHBOURS)
    for number in range(1, count):
        left, top, width, height = (int(side) for side in boxes[number][:4])
        yield left, top, labels[top : top + height, left : left + width] == number


def _counts(mask: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return how many pixels have each value; in bands, for NumPy counts eight bytes for each."""
    counts = np.zeros(256, np.int64)
    for top in range(0, len(mask), _BAND_ROWS):
        counts += np.bincount(mask[top : top + _BAND_ROWS].ravel(), minlength=256)
    return counts


def _components(
    mask: NDArray[np.uint8], index: int, smallest_px: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return left, top, width, height and area, and the centre, of each object of a class."""
    inside = np.asarray(mask == index).view(np.uint8)
    _, _, boxes, centres = cv2.connectedComponentsWithStats(inside, connectivity=_NEIGHBOURS)
    kept = np.flatnonzero(boxes[1:, cv2.CC_STAT_AREA] >= smallest_px) + 1
    return np.asarray(boxes[kept], np.int32), np.asarray(centres[kept], np.float64)


def _areas(mask: NDArray[np.uint8], index: int) -> NDArray[np.int64]:
    """Return the pixels of each object of a class, found in bands of rows: in little memory."""
    from scipy import sparse

    areas, pairs = [np.zeros(0, np.int64)], [np.zeros((2, 0), np.int64)]
    before, first = np.zeros(mask.shape[1], np.int64), 0  # objects of earlier bands
    for top in range(0, len(mask), _BAND_ROWS):
        inside = np.asarray(mask[top : top + _BAND_ROWS] == index).view(np.uint8)
        count, labels, boxes, _ = cv2.connectedComponentsWithStats(inside, connectivity=_NEIGHBOURS)
        areas.append(boxes[1:, cv2.CC_STAT_AREA].astype(np.int64))
        rows = [np.where(row > 0, row.astype(np.int64) + first, 0) for row in labels[[0, -1]]]
        pairs.append(_touching(before, rows[0]))
        before, first = rows[1], first + count - 1
    above, below = np.concatenate(pairs, axis=1) - 1
    links = sparse.coo_array((np.ones(len(above), bool), (above, below)), shape=(first, first))
    _, whole = sparse.csgraph.connected_components(links, directed=False)
    return np.bincount(whole, weights=np.concatenate(areas)).astype(np.int64)


def _touching(above: NDArray[np.int64], below: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which objects of two neighbouring rows touch, also over corners: ``(2, N)``."""
    found = []
    for shift in (-1, 0, 1):
        upper = above[max(0, -shift) : len(above) - max(0, shift)]
        lower = below[max(0, shift) : len(below) - max(0, -shift)]
        both = (upper > 0) & (lower > 0)
        found.append(np.stack([upper[both], lower[both]]))
    return np.concatenate(found, axis=1)


def _listed(
    found: Segmentation, index: int, boxes: NDArray[np.int32], centres: NDArray[np.float64]
) -> Iterator[ObjectMeasure]:
    size = found.pixel_size_um
    for row, centre in zip(boxes.tolist(), (centres + 0.5).tolist(), strict=True):
        left, top, width, height, area = row
        diameter = 2 * math.sqrt(area / math.pi)
        yield ObjectMeasure(
            class_index=index,
            class_name=found.classes[index],
            area_px=area,
            x=centre[0],
            y=centre[1],
            left=left,
            top=top,
            width=width,
            height=height,
            diameter_px=diameter,
            area_um2=None if size is None else area * size * size,
            diameter_um=None if size is None else diameter * size,
        )
