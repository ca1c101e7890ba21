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


def measure(found: Segmentation, *, smallest_px: int = 1) -> Measures:
    """Measure a picture's mask; objects below ``smallest_px`` pixels are not counted.

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
    counts = np.bincount(found.mask.ravel(), minlength=256) if found.mask.size else np.zeros(256)
    objects: list[ObjectMeasure] = []
    classes: list[ClassMeasure] = []
    for index, name in enumerate(found.classes):
        own = []
        if index and counts[index]:
            own = list(_objects(found, index, smallest_px))
        objects += own
        areas = [one.area_px for one in own]
        pixels = int(counts[index])
        classes.append(
            ClassMeasure(
                index=index,
                name=name,
                area_px=pixels,
                share=pixels / max(1, found.mask.size),
                area_mm2=None if size is None else pixels * size * size / _UM2_PER_MM2,
                objects=len(own) if index else None,
                median_area_px=float(np.median(areas)) if areas else None,
            )
        )
    return Measures(
        width=found.width,
        height=found.height,
        pixel_size_um=size,
        classes=tuple(classes),
        objects=tuple(objects),
    )


def objects_of(
    mask: NDArray[np.uint8], index: int
) -> Iterator[tuple[int, int, NDArray[np.bool_], tuple[float, float]]]:
    """Yield left, top, pixels ``(h, w)`` and centre (x, y) of each object of a class."""
    inside = np.asarray(mask == index).view(np.uint8)
    count, labels, boxes, centres = cv2.connectedComponentsWithStats(
        inside, connectivity=_NEIGHBOURS
    )
    for number in range(1, count):
        left, top, width, height = (int(side) for side in boxes[number][:4])
        pixels = labels[top : top + height, left : left + width] == number
        x, y = (float(value) + 0.5 for value in centres[number])
        yield left, top, pixels, (x, y)


def _objects(found: Segmentation, index: int, smallest_px: int) -> Iterator[ObjectMeasure]:
    size = found.pixel_size_um
    for left, top, pixels, (x, y) in objects_of(found.mask, index):
        area = int(np.count_nonzero(pixels))
        if area < smallest_px:
            continue
        diameter = 2 * math.sqrt(area / math.pi)
        yield ObjectMeasure(
            class_index=index,
            class_name=found.classes[index],
            area_px=area,
            x=x,
            y=y,
            left=left,
            top=top,
            width=pixels.shape[1],
            height=pixels.shape[0],
            diameter_px=diameter,
            area_um2=None if size is None else area * size * size,
            diameter_um=None if size is None else diameter * size,
        )
