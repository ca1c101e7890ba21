"""The grid on which a phantom is drawn, and how a shape is laid over what is there.

A shape is a signed distance in mm (below 0 inside), evaluated only where the shape can be. A voxel
that the surface crosses gets the mixture of both sides (partial volume). Coordinates are those of
the patient (x to the right, y to the front, z to the head); the patient may lie rolled in the grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, radians, sin
from typing import final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Canvas", "Floats", "Region"]

Floats = NDArray[np.floating]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A box of the lattice: patient coordinates of its voxels, which broadcast to its shape.

    ``inside`` are the slices of the canvas that it covers and ``own`` the part of the region that
    lies on the canvas; the two differ only for a region that reaches over the border.
    """

    x: Floats
    y: Floats
    z: Floats
    inside: tuple[slice, slice, slice]
    own: tuple[slice, slice, slice]
    shape: tuple[int, int, int]

    @property
    def is_cut(self) -> bool:
        """Whether a part of the region lies outside of the canvas."""
        kept = tuple(one.stop - one.start for one in self.own)
        return kept != self.shape


@final
class Canvas:
    """CT numbers and truth maps on one lattice.

    Parameters
    ----------
    shape
        Voxels along right, front and head.
    spacing_mm
        Voxel size.
    origin_mm
        Centre of voxel (0, 0, 0) in world RAS+ mm.
    pivot_mm, roll_deg
        The patient's origin in the world, and the roll about the long axis.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        spacing_mm: tuple[float, float, float],
        origin_mm: tuple[float, float, float],
        pivot_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
        roll_deg: float = 0.0,
    ) -> None:
        self.shape = shape
        self.spacing = np.asarray(spacing_mm, float)
        self.start = np.asarray(origin_mm, float) - np.asarray(pivot_mm, float)
        self.pivot = np.asarray(pivot_mm, float)
        angle = radians(roll_deg)
        self._cos, self._sin = cos(angle), sin(angle)
        # The mixture at a surface is as wide as a voxel; geometric mean for unequal sides.
        self.softness = float(np.prod(self.spacing) ** (1 / 3))
        self.hu = np.full(shape, -1000.0, np.float32)
        self.labels = np.zeros(shape, np.uint8)
        self.bodies = np.zeros(shape, np.bool_)
        self.structures = np.zeros(shape, np.uint8)
        self.rib_levels = np.zeros(shape, np.uint8)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel."""
        return float(np.prod(self.spacing)) / 1000.0

    def to_world(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn patient coordinates (n, 3) into world RAS+ mm."""
        points = np.atleast_2d(points)
        x = self._cos * points[:, 0] - self._sin * points[:, 1]
        y = self._sin * points[:, 0] + self._cos * points[:, 1]
        return np.asarray(np.stack([x, y, points[:, 2]], axis=1) + self.pivot)

    def everything(self) -> Region:
        """Return the region of all voxels."""
        return self._region(np.zeros(3, int), np.asarray(self.shape))

    def region(
        self, low: Sequence[float], high: Sequence[float], *, whole: bool = False
    ) -> Region | None:
        """Return the voxels around the box ``low``..``high`` (patient mm), or None.

        ``whole`` keeps the part that lies outside of the canvas, so that the shape can be measured
        entirely; None still means that nothing of the box is on the canvas.
        """
        corners = np.array([[x, y, 0.0] for x in (low[0], high[0]) for y in (low[1], high[1])])
        turned = self.to_world(corners) - self.pivot
        least = np.array([turned[:, 0].min(), turned[:, 1].min(), low[2]]) - self.softness
        most = np.array([turned[:, 0].max(), turned[:, 1].max(), high[2]]) + self.softness
        first = np.floor((least - self.start) / self.spacing).astype(int)
        last = np.ceil((most - self.start) / self.spacing).astype(int) + 1
        kept_first = np.maximum(first, 0)
        kept_last = np.minimum(last, self.shape)
        if np.any(kept_last <= kept_first):
            return None
        return self._region(first, last) if whole else self._region(kept_first, kept_last)

    def _region(self, first: NDArray[np.int_], last: NDArray[np.int_]) -> Region:
        axes = [
            (self.start[a] + np.arange(first[a], last[a]) * self.spacing[a]).astype(np.float32)
            for a in range(3)
        ]
        along, across = axes[0][:, None, None], axes[1][None, :, None]
        c, s = np.float32(self._cos), np.float32(self._sin)
        begin, end = np.maximum(first, 0), np.minimum(last, self.shape)
        return Region(
            x=c * along + s * across,
            y=c * across - s * along,
            z=axes[2][None, None, :],
            inside=_slices(begin, end),
            own=_slices(begin - first, end - first),
            shape=tuple(int(n) for n in last - first),  # type: ignore[arg-type]  # three of them
        )

    def coverage(self, distance: Floats) -> Floats:
        """Return which part of each voxel lies inside of a shape, 0..1."""
        covered = distance * np.float32(-1.0 / self.softness)
        covered += np.float32(0.5)
        return np.asarray(np.clip(covered, 0.0, 1.0, out=covered))

    def paint(self, region: Region, distance: Floats, hu: float | Floats) -> None:
        """Lay a shape with CT number ``hu`` over what is there."""
        self.blend(region, self.coverage(distance), hu)

    def blend(self, region: Region, covered: Floats, hu: float | Floats) -> None:
        """Lay CT number ``hu`` over what is there, by the covered part of each voxel."""
        covered = np.broadcast_to(covered, region.shape)[region.own]
        if isinstance(hu, np.ndarray):
            hu = np.broadcast_to(hu, region.shape)[region.own]
        below = self.hu[region.inside]
        change = hu - below
        change *= covered
        below += change

    def paint_bone(
        self, region: Region, distance: Floats, *, shell_mm: float, shell: float, inner: float
    ) -> None:
        """Lay bone over what is there: a hard shell around softer bone."""
        all_of_it = self.coverage(distance)
        inside = self.coverage(distance + np.float32(shell_mm))
        # shell where covered but not inner bone; dividing keeps the mixture of both right
        mixture = shell + (inner - shell) * inside / np.maximum(all_of_it, 1e-6)
        self.blend(region, all_of_it, mixture)

    def mark(self, region: Region, distance: Floats, code: int, *, where: str) -> None:
        """Write ``code`` into the map ``where`` wherever the shape holds the voxel's centre."""
        target = getattr(self, where)[region.inside]
        target[np.broadcast_to(distance < 0, region.shape)[region.own]] = code


def _slices(first: NDArray[np.int_], last: NDArray[np.int_]) -> tuple[slice, slice, slice]:
    one, two, three = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    return one, two, three
