"""Sizes of cells, in pixels and, where the pixel's size is known, in micrometres."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean, median, stdev
from typing import final

from engine.errors import RequestError

__all__ = ["Measures", "Spread", "checked_pixel_size", "measures_of", "spread_of"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Size of one cell, taken as the ellipse that fills its box.

    The diameter is that of a disc of the same area. ``*_um`` are ``None`` when the size of a pixel
    is not known.
    """

    area_px: float
    diameter_px: float
    area_um2: float | None
    diameter_um: float | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Diameters of several cells in µm; ``deviation`` is 0 for one cell."""

    number: int
    mean: float
    deviation: float
    median: float
    smallest: float
    largest: float


def measures_of(width_px: float, height_px: float, pixel_size_um: float | None) -> Measures:
    """Measure a cell from its box; ``pixel_size_um`` is the edge of a pixel.

    >>> found = measures_of(80, 80, 0.1)
    >>> round(found.diameter_um, 3), round(found.area_um2, 2)
    (8.0, 50.27)
    """
    area = math.pi / 4 * width_px * height_px
    diameter = math.sqrt(width_px * height_px)
    edge = checked_pixel_size(pixel_size_um)
    return Measures(
        area_px=area,
        diameter_px=diameter,
        area_um2=None if edge is None else area * edge * edge,
        diameter_um=None if edge is None else diameter * edge,
    )


def checked_pixel_size(pixel_size_um: float | None) -> float | None:
    """Return the edge of a pixel in µm; ``None`` and 0 mean that it is not known.

    Raises
    ------
    RequestError
        When no microscope has such pixels.
    """
    if not pixel_size_um:
        return None
    if not 0.001 <= pixel_size_um <= 1000:
        raise RequestError(
            "The edge of a pixel must be from 0.001 to 1000 µm, but is "
            f"{pixel_size_um:g}; 0.1 is usual for a 100× objective."
        )
    return pixel_size_um


def spread_of(diameters_um: Iterable[float]) -> Spread | None:
    """Return how large the cells are and how much they differ; ``None`` without any.

    >>> found = spread_of([6.0, 8.0])
    >>> found.mean, round(found.deviation, 3), found.largest
    (7.0, 1.414, 8.0)
    """
    values = list(diameters_um)
    if not values:
        return None
    return Spread(
        number=len(values),
        mean=fmean(values),
        deviation=stdev(values) if len(values) > 1 else 0.0,
        median=median(values),
        smallest=min(values),
        largest=max(values),
    )
