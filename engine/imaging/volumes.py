"""A volume: voxels that never go anywhere without their place in the patient.

Knows axes, millimetres, cutting and resampling. Does not know files (:mod:`engine.imaging.
volume_files`) nor anatomy. World coordinates are RAS+ millimetres: x grows to the patient's right,
y to the front (anterior), z to the head (superior). DICOM and ITK count x and y the other way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Literal, TypeVar, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import VolumeError
from engine.imaging import regridding

__all__ = ["AIR_HU", "AxisTurn", "Plane", "Volume", "VolumeSlice"]

AIR_HU = -1024.0
"""What lies outside of a scan: a little below air (-1000 HU), as scanners write it."""

Plane = Literal["axial", "coronal", "sagittal"]
"""The plane that a slice lies closest to: seen from the feet, the front or the side."""

VoxelBox = Sequence[tuple[int, int]]
"""Half-open ranges ``((i0, i1), (j0, j1), (k0, k1))`` of voxel indices."""

AnyType = TypeVar("AnyType", bound=np.generic)

_NORMAL: dict[Plane, int] = {"sagittal": 0, "coronal": 1, "axial": 2}
_LETTERS = (("R", "L"), ("A", "P"), ("S", "I"))


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no truth value
class Volume:
    """Voxels in Hounsfield units and where they are.

    ``voxels`` is ``(I, J, K) float32`` in HU, in the axis order of its file. ``affine`` is
    ``(4, 4) float64`` and maps the index of a voxel's centre, ``(i, j, k, 1)``, to RAS+ mm.

    Raises
    ------
    VolumeError
        When the voxels are not three-dimensional float32, a side is empty, or the affine is not an
        invertible, finite matrix with the last row 0 0 0 1.
    """

    voxels: NDArray[np.float32]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        voxels, affine = self.voxels, self.affine
        if voxels.ndim != 3 or voxels.dtype != np.float32 or not voxels.size:
            raise VolumeError(
                f"Expected voxels (I, J, K) of float32, but got {voxels.shape} of {voxels.dtype}; "
                "convert them first."
            )
        is_affine = affine.shape == (4, 4) and affine.dtype == np.float64
        if not is_affine or not np.isfinite(affine).all():
            raise VolumeError(
                f"Expected an affine (4, 4) of finite float64, but got {affine.shape} of "
                f"{affine.dtype}; give the matrix from voxel indices to RAS+ mm."
            )
        if not np.array_equal(affine[3], [0, 0, 0, 1]) or abs(np.linalg.det(affine)) < 1e-9:
            raise VolumeError(
                "Expected an affine that can be inverted, with the last row 0 0 0 1, but got "
                f"determinant {np.linalg.det(affine):.3g} and last row {affine[3].tolist()}; "
                "the file's orientation is damaged."
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along i, j, k."""
        i, j, k = self.voxels.shape
        return i, j, k

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of neighbouring voxels along i, j, k in mm."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0).tolist()
        return i, j, k

    @property
    def axis_codes(self) -> tuple[str, str, str]:
        """Where each axis points, as in nibabel: ``("L", "P", "S")`` for a usual DICOM series."""
        axes, signs = _turn_of(self.affine)
        letters = [""] * 3
        for world, (own, sign) in enumerate(zip(axes, signs, strict=True)):
            letters[own] = _LETTERS[world][0 if sign > 0 else 1]
        return letters[0], letters[1], letters[2]

    @property
    def is_sheared(self) -> bool:
        """Whether the axes are not at right angles (by more than about 0.1°)."""
        unit = self.affine[:3, :3] / np.asarray(self.spacing_mm)
        return bool(np.abs(unit.T @ unit - np.eye(3)).max() > 2e-3)

    def world(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return voxel indices ``(n, 3)`` as RAS+ mm ``(n, 3)``; fractions are welcome."""
        return _moved(self.affine, points)

    def voxel(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """Return RAS+ mm ``(n, 3)`` as voxel indices ``(n, 3)``, not rounded, maybe outside."""
        return _moved(np.asarray(np.linalg.inv(self.affine), np.float64), points_mm)

    def canonical(self) -> tuple[Volume, AxisTurn]:
        """Return the volume with axes closest to R, A, S, and the turn that leads back.

        Voxels are only reordered, never interpolated, and share memory.
        """
        axes, signs = _turn_of(self.affine)
        turn = AxisTurn(axes=axes, signs=signs, shape=self.shape)
        return (
            Volume(voxels=turn.forth(self.voxels), affine=self.affine @ turn.to_own_indices()),
            turn,
        )

    def resampled(self, spacing_mm: float | Sequence[float], order: Literal[0, 1, 3] = 1) -> Volume:
        """Return the same field of view at another spacing along the same axes.

        The outer faces of the volume stay where they are, to half a new voxel; a side has at least
        one voxel. ``order`` 0: nearest voxel; 1: linear, and where it shrinks each new voxel is
        the weighted mean of all old ones below it, so that nothing aliases; 3: cubic spline,
        which does not average.
        """
        return Volume(
            **regridding.resize(
                self.voxels,
                self.affine,
                spacing_mm=np.broadcast_to(np.asarray(spacing_mm, np.float64), 3),
                order=order,
            )
        )

    def straightened(self) -> Volume:
        """Return a volume with axes at right angles (the tilt of a gantry undone), else itself.

        Axes i and j stay; k becomes their normal. Nothing is cut off; new corners are air.
        """
        if not self.is_sheared:
            return self
        return Volume(**regridding.straighten(self.voxels, self.affine, outside=AIR_HU))

    def cropped(self, box: VoxelBox) -> Volume:
        """Return the voxels inside the half-open ranges; world coordinates stay true.

        Raises
        ------
        VolumeError
            When the box is empty or reaches outside.
        """
        ranges = tuple((int(start), int(stop)) for start, stop in box)
        is_inside = len(ranges) == 3 and all(
            0 <= start < stop <= side
            for (start, stop), side in zip(ranges, self.shape, strict=True)
        )
        if not is_inside:
            raise VolumeError(
                f"Expected a box inside {self.shape}, but got {ranges}; give half-open ranges of "
                "voxels for i, j and k."
            )
        affine = self.affine.copy()
        affine[:3, 3] = self.world([[start for start, _ in ranges]])[0]
        return Volume(voxels=self.voxels[tuple(slice(*r) for r in ranges)], affine=affine)

    def plane_axis(self, plane: Plane) -> int:
        """Return which own axis (0, 1, 2) a viewer scrolls through in ``plane``."""
        return _turn_of(self.affine)[0][_NORMAL[plane]]

    def slice(self, plane: Plane, index: int) -> VolumeSlice:
        """Return one slice as a radiologist looks at it; ``index`` counts along the own axis.

        Rows run from head to feet (axial: from front to back), columns from the patient's right
        to left (sagittal: from front to back).

        Raises
        ------
        VolumeError
            When there is no such slice.
        """
        axes, signs = _turn_of(self.affine)
        normal = _NORMAL[plane]
        if not 0 <= index < self.shape[axes[normal]]:
            raise VolumeError(
                f"Expected a {plane} slice from 0 to {self.shape[axes[normal]] - 1}, but got "
                f"{index}; choose one inside the volume."
            )
        row_world = 1 if plane == "axial" else 2
        column_world = 1 if plane == "sagittal" else 0
        row, column = axes[row_world], axes[column_world]
        pixels = np.take(self.voxels, index, axis=axes[normal])
        if row > column:  # (column axis, row axis) -> (row axis, column axis)
            pixels = pixels.T
        # World axes grow to the right, front and head; rows and columns run the other way.
        flips = (signs[row_world] > 0, signs[column_world] > 0)
        pixels = pixels[:: -1 if flips[0] else 1, :: -1 if flips[1] else 1]
        spacing = self.spacing_mm
        return VolumeSlice(
            pixels=np.ascontiguousarray(pixels),
            spacing_mm=(spacing[row], spacing[column]),
            plane=plane,
            index=index,
            axes=(row, column, axes[normal]),
            flips=flips,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no truth value
class VolumeSlice:
    """One slice ``pixels (rows, columns) float32`` in HU, and the way back into the volume.

    ``axes`` are the volume's axes that rows, columns and the normal lie along; ``flips`` says
    whether rows and columns run against theirs.
    """

    pixels: NDArray[np.float32]
    spacing_mm: tuple[float, float]
    plane: Plane
    index: int
    axes: tuple[int, int, int]
    flips: tuple[bool, bool]

    def voxel(self, row: float, column: float) -> tuple[float, float, float]:
        """Return the voxel index (i, j, k) below a pixel."""
        rows, columns = self.pixels.shape
        found = [0.0, 0.0, 0.0]
        found[self.axes[0]] = rows - 1 - row if self.flips[0] else row
        found[self.axes[1]] = columns - 1 - column if self.flips[1] else column
        found[self.axes[2]] = self.index
        return found[0], found[1], found[2]

    def pixel(self, voxel: Sequence[float]) -> tuple[float, float]:
        """Return (row, column) of a voxel index, whether or not it lies in this slice."""
        rows, columns = self.pixels.shape
        row, column = float(voxel[self.axes[0]]), float(voxel[self.axes[1]])
        return (
            rows - 1 - row if self.flips[0] else row,
            columns - 1 - column if self.flips[1] else column,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class AxisTurn:
    """How a volume's own axes became R, A, S, for the way there and back.

    World axis ``w`` came from own axis ``axes[w]``, reversed where ``signs[w]`` is -1; ``shape``
    is the own one.
    """

    axes: tuple[int, int, int]
    signs: tuple[int, int, int]
    shape: tuple[int, int, int]

    def forth(self, array: NDArray[AnyType]) -> NDArray[AnyType]:
        """Return an array in own axes (first three) as one in R, A, S."""
        turned = array.transpose(*self.axes, *range(3, array.ndim))
        return turned[tuple(slice(None, None, sign) for sign in self.signs)]

    def back(self, array: NDArray[AnyType]) -> NDArray[AnyType]:
        """Return an array in R, A, S (first three axes) as one in own axes, such as labels."""
        unflipped = array[tuple(slice(None, None, sign) for sign in self.signs)]
        order = np.argsort(self.axes).tolist()
        return unflipped.transpose(*order, *range(3, array.ndim))

    def to_own_indices(self) -> NDArray[np.float64]:
        """Return the ``(4, 4)`` matrix from indices in R, A, S to own indices."""
        matrix = np.zeros((4, 4))
        matrix[3, 3] = 1
        for world, (own, sign) in enumerate(zip(self.axes, self.signs, strict=True)):
            matrix[own, world] = sign
            matrix[own, 3] = self.shape[own] - 1 if sign < 0 else 0
        return matrix

    def indices_back(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return indices ``(n, 3)`` in R, A, S as own indices ``(n, 3)``."""
        return _moved(self.to_own_indices(), points)


def _turn_of(affine: NDArray[np.float64]) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return, for R, A, S, the own axis that lies closest and its sign.

    Of the six ways to pair axes the one with the largest sum of cosines wins, so that an oblique
    volume never gives one world axis away twice; on a tie the first in order.
    """
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    axes = max(
        permutations(range(3)),
        key=lambda own: round(sum(abs(directions[w, own[w]]) for w in range(3)), 9),
    )
    signs = [1 if directions[w, axes[w]] >= 0 else -1 for w in range(3)]
    return (axes[0], axes[1], axes[2]), (signs[0], signs[1], signs[2])


def _moved(matrix: NDArray[np.float64], points: ArrayLike) -> NDArray[np.float64]:
    table = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    moved: NDArray[np.float64] = table @ matrix[:3, :3].T + matrix[:3, 3]
    return moved
