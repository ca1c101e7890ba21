"""What the network says about one CT: maps on a coarse grid, and how to read them at points in mm.

Knows the order of the network's classes and the place of the grid in the patient; does not know
how the maps were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from engine.errors import RequestError
from engine.spine.embedded.targets import CLASSES

__all__ = ["SpineMaps"]

Floats = NDArray[np.float64]
Map = NDArray[np.float32]

MEAN_MM = 8.0
"""Radius over which level and region are averaged: inside of one body of the neck, nearly."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no truth value
class SpineMaps:
    """The network's answers about one CT.

    ``heat`` is ``(I, J, K)`` in 0..1 with a hill of 1 at each body's centre. ``classes`` is
    ``(len(CLASSES), I, J, K)``, probabilities that sum to 1. ``region`` is ``(3, I, J, K)``, the
    probabilities of neck, chest and loin, and ``level`` is ``(I, J, K)``, counted from C1 = 0 to
    L5 = 23; both mean something inside bodies only. ``affine`` maps indices of these maps to RAS+
    mm. ``image_shape`` and ``image_affine`` are those of the image that the maps were made of,
    which may reach farther than the maps.

    Raises
    ------
    RequestError
        When the arrays do not share one grid.
    """

    heat: Map
    classes: Map
    region: Map
    level: Map
    affine: Floats
    image_shape: tuple[int, int, int]
    image_affine: Floats

    def __post_init__(self) -> None:
        grid = self.heat.shape
        expected = {
            "classes": (len(CLASSES), *grid),
            "region": (3, *grid),
            "level": grid,
        }
        for name, shape in expected.items():
            if getattr(self, name).shape != shape or len(grid) != 3:
                raise RequestError(
                    f"Expected {name} of shape {shape} beside heat of shape {grid}, but got "
                    f"{getattr(self, name).shape}; maps of one network share a grid."
                )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of grid points along each axis."""
        i, j, k = self.heat.shape
        return i, j, k

    @property
    def spacing_mm(self) -> float:
        """Distance of neighbouring grid points in mm (the same along each axis)."""
        return float(np.linalg.norm(self.affine[:3, 0]))

    def of(self, *names: str) -> Map:
        """Return the probability ``(I, J, K)`` of one class, or of several together.

        A class that this network does not have counts as never seen.
        """
        picked = [self.classes[CLASSES.index(name)] for name in names if name in CLASSES]
        if not picked:
            return np.zeros(self.shape, np.float32)
        return np.asarray(
            picked[0] if len(picked) == 1 else np.sum(picked, axis=0, dtype=np.float32)
        )

    def world(self, indices: ArrayLike) -> Floats:
        """Return grid indices ``(n, 3)`` as RAS+ mm ``(n, 3)``."""
        return _moved(self.affine, indices)

    def index(self, points_mm: ArrayLike) -> Floats:
        """Return RAS+ mm ``(n, 3)`` as grid indices ``(n, 3)``, not rounded, maybe outside."""
        return _moved(_inverse(self.affine), points_mm)

    def read(self, array: Map, points_mm: ArrayLike) -> Floats:
        """Return the values of a map ``(I, J, K)`` at points in mm: linear, outside as nearest."""
        at = self.index(points_mm).T
        return np.asarray(
            ndimage.map_coordinates(array, at, order=1, mode="nearest", output=np.float64)
        )

    def level_at(self, points_mm: ArrayLike) -> Floats:
        """Return the guessed level around points ``(n, 3)``: the mean over bodies near them."""
        return self._mean_in_bodies(self.level, points_mm)

    def regions_at(self, points_mm: ArrayLike) -> Floats:
        """Return the probabilities ``(n, 3)`` of neck, chest and loin around points."""
        parts = [self._mean_in_bodies(part, points_mm) for part in self.region]
        shares = np.maximum(np.stack(parts, axis=1), 1e-6)
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def _mean_in_bodies(self, array: Map, points_mm: ArrayLike) -> Floats:
        body = self.of("body")
        reach = max(1, round(MEAN_MM / self.spacing_mm))
        steps = np.arange(-reach, reach + 1)
        window = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
        window = window[np.linalg.norm(window, axis=1) <= reach + 0.1]
        at = np.rint(self.index(points_mm)).astype(np.int64)[:, None] + window  # (n, window, 3)
        inside = ((at >= 0) & (at < self.shape)).all(axis=-1)
        i, j, k = np.moveaxis(np.clip(at, 0, np.asarray(self.shape) - 1), -1, 0)
        weight = np.where(inside, body[i, j, k] + 1e-3, 0.0)
        values = array[i, j, k].astype(np.float64)
        return np.asarray((weight * values).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-9))

    def depth_mm(self, points_mm: ArrayLike) -> Floats:
        """Return how far points ``(n, 3)`` lie inside the image's nearest face, mm.

        Negative outside.
        """
        return np.asarray(self._depths(points_mm).min(axis=1))

    def room_mm(self, point_mm: Sequence[float] | Floats, direction: Floats) -> float:
        """Return how far one can go from a point along a unit vector until the image ends, mm."""
        start = self._image_index([np.asarray(point_mm)])[0]
        step = np.linalg.inv(self.image_affine)[:3, :3] @ direction
        ends = np.where(step > 0, np.asarray(self.image_shape) - 0.5, -0.5)
        with np.errstate(divide="ignore", invalid="ignore"):
            lengths = np.where(np.abs(step) > 1e-9, (ends - start) / step, np.inf)
        return float(max(lengths.min(), 0.0))

    def _image_index(self, points_mm: ArrayLike) -> Floats:
        return _moved(_inverse(self.image_affine), points_mm)

    def _depths(self, points_mm: ArrayLike) -> Floats:
        index = self._image_index(points_mm)
        sides = np.asarray(self.image_shape)
        spacing = np.linalg.norm(self.image_affine[:3, :3], axis=0)
        low, high = (index + 0.5) * spacing, (sides - 0.5 - index) * spacing
        return np.asarray(np.minimum(low, high))


def _inverse(matrix: Floats) -> Floats:
    return np.asarray(np.linalg.inv(matrix), np.float64)


def _moved(matrix: Floats, points: ArrayLike) -> Floats:
    values = np.asarray(points, np.float64).reshape(-1, 3)
    return np.asarray(values @ matrix[:3, :3].T + matrix[:3, 3])
