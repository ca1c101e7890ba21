"""How slices lie on the screen: which voxel each pixel shows, and where it is in the patient.

Radiological display: coronal and axial with the patient's right on the left, sagittal with the
front on the left; head up, and in axial slices the front. Slices are planes of the volume's own
grid turned to R, A, S, so an oblique CT is shown along its own planes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import RequestError
from engine.imaging.volumes import Plane

if TYPE_CHECKING:
    from engine.spine.results import Grid
    from engine.spine.saved import SavedDetection

__all__ = ["LONGEST_PX", "PLANES", "View", "view_geometry", "view_of"]

LONGEST_PX = 1024
"""No side of a slice has more pixels than this."""

PLANES: tuple[Plane, ...] = ("sagittal", "coronal", "axial")

# Axes R, A, S of columns, rows and slices. Columns and rows run against theirs in each plane.
_AXES: Mapping[Plane, tuple[int, int, int]] = MappingProxyType(
    {"sagittal": (1, 2, 0), "coronal": (0, 2, 1), "axial": (0, 1, 2)}
)
_LETTERS = (("R", "L"), ("A", "P"), ("H", "F"))


@final
@dataclass(frozen=True, kw_only=True, eq=False)  # arrays have no truth value
class View:
    """All slices of one plane of a grid in R, A, S.

    ``count`` slices of ``width`` × ``height`` pixels, each ``mm_per_pixel`` wide and high.
    ``axes`` are the grid's axes of columns, rows and slices. Pixel (column, row) of slice n lies at
    ``origin_mm + column · right_mm + row · down_mm + n · next_mm`` in RAS+ mm.
    """

    plane: Plane
    axes: tuple[int, int, int]
    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    spacing_mm: tuple[float, float, float]

    @property
    def count(self) -> int:
        """Number of slices."""
        return self.shape[self.axes[2]]

    @cached_property
    def mm_per_pixel(self) -> float:
        """The finer of both voxel sizes, or what fits :data:`LONGEST_PX`."""
        steps = [self.spacing_mm[axis] for axis in self.axes[:2]]
        sides = [self.shape[axis] * step for axis, step in zip(self.axes[:2], steps, strict=True)]
        return max(min(steps), max(sides) / LONGEST_PX)

    @property
    def width(self) -> int:
        """Pixels of a row."""
        return self._pixels(0)

    @property
    def height(self) -> int:
        """Pixels of a column."""
        return self._pixels(1)

    def indices(self, side: int) -> NDArray[np.float64]:
        """Return the index along its axis for each pixel of a row (``side`` 0) or column (1).

        Fractions lie between voxels; the first and last may lie half a voxel outside of the grid.
        """
        step = self.mm_per_pixel / self.spacing_mm[self.axes[side]]
        pixels = self._pixels(side)
        first = ((self.shape[self.axes[side]] - 1) + (pixels - 1) * step) / 2
        return first - step * np.arange(pixels, dtype=np.float64)

    def pixel(self, index: NDArray[np.float64]) -> tuple[float, float, int]:
        """Return (column, row, slice) of an index ``(3,)`` of the grid; the slice is rounded."""
        found = []
        for side in (0, 1):
            along = self.indices(side)
            step = self.mm_per_pixel / self.spacing_mm[self.axes[side]]
            found.append(float((along[0] - index[self.axes[side]]) / step))
        nearest = int(np.clip(np.rint(index[self.axes[2]]), 0, self.count - 1))
        return found[0], found[1], nearest

    @property
    def origin_mm(self) -> NDArray[np.float64]:
        """Centre of pixel (0, 0) of slice 0."""
        index = np.zeros(3)
        for side in (0, 1):
            index[self.axes[side]] = self.indices(side)[0]
        origin: NDArray[np.float64] = self.affine[:3, :3] @ index + self.affine[:3, 3]
        return origin

    @property
    def right_mm(self) -> NDArray[np.float64]:
        """Step of one column."""
        return self._step_mm(0)

    @property
    def down_mm(self) -> NDArray[np.float64]:
        """Step of one row."""
        return self._step_mm(1)

    @property
    def next_mm(self) -> NDArray[np.float64]:
        """Step of one slice: towards right, front or head."""
        return self.affine[:3, self.axes[2]].copy()

    @property
    def edges(self) -> dict[str, str]:
        """Letters for the borders: R, L, A, P, H (head) and F (feet)."""
        across, along = _LETTERS[self.axes[0]], _LETTERS[self.axes[1]]
        return {"left": across[0], "right": across[1], "top": along[0], "bottom": along[1]}

    def document(self) -> dict[str, Any]:
        """Return the geometry as a page needs it."""
        return {
            "count": self.count,
            "width": self.width,
            "height": self.height,
            "mm_per_pixel": round(self.mm_per_pixel, 6),
            "origin_mm": _plain(self.origin_mm),
            "right_mm": _plain(self.right_mm),
            "down_mm": _plain(self.down_mm),
            "next_mm": _plain(self.next_mm),
            "edges": self.edges,
        }

    def _pixels(self, side: int) -> int:
        axis = self.axes[side]
        return max(1, round(self.shape[axis] * self.spacing_mm[axis] / self.mm_per_pixel))

    def _step_mm(self, side: int) -> NDArray[np.float64]:
        axis = self.axes[side]
        step: NDArray[np.float64] = self.affine[:3, axis] * (
            -self.mm_per_pixel / self.spacing_mm[axis]
        )
        return step


def view_of(grid: Grid, plane: str) -> View:
    """Return the slices of a plane through a grid whose axes point to R, A, S.

    Raises
    ------
    RequestError
        When there is no such plane.
    """
    for known in PLANES:
        if plane == known:
            return View(
                plane=known,
                axes=_AXES[known],
                shape=grid.shape,
                affine=grid.affine,
                spacing_mm=grid.spacing_mm,
            )
    raise RequestError(f"Expected a plane ({', '.join(PLANES)}), but got {plane[:40]!r}.")


def view_geometry(saved: SavedDetection) -> dict[str, dict[str, Any]]:
    """Return the geometry of all three planes as a document; see :class:`View`."""
    return {plane: view_of(saved.volume_grid, plane).document() for plane in PLANES}


def _plain(values: NDArray[np.float64]) -> list[float]:
    return [round(value, 6) + 0.0 for value in values.tolist()]
