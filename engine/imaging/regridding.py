"""Voxels on another grid: another spacing, right angles, other positions of slices.

Works on bare arrays and affines for :mod:`engine.imaging.volumes` and the readers; knows no
anatomy and no files.
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

__all__ = ["Grid", "resize", "shift_plane", "straighten"]


class Grid(TypedDict):
    """The two fields of a volume."""

    voxels: NDArray[np.float32]
    affine: NDArray[np.float64]


def resize(
    voxels: NDArray[np.float32],
    affine: NDArray[np.float64],
    *,
    spacing_mm: NDArray[np.float64],
    order: int,
) -> Grid:
    """Return the field of view at ``spacing_mm`` (3,); see ``Volume.resampled``."""
    old_mm = np.linalg.norm(affine[:3, :3], axis=0)
    sides = [
        max(1, round(side * old / new))
        for side, old, new in zip(voxels.shape, old_mm, spacing_mm, strict=True)
    ]
    factors = spacing_mm / old_mm  # old voxels per new one
    # The middle of the field of view stays; the outer faces follow to half a voxel.
    starts = [
        (side - 1) / 2 - factor * (new_side - 1) / 2
        for side, new_side, factor in zip(voxels.shape, sides, factors, strict=True)
    ]
    moved = affine.copy()
    moved[:3, :3] = affine[:3, :3] * factors
    moved[:3, 3] = affine[:3, :3] @ np.asarray(starts) + affine[:3, 3]
    if order == 3:
        return Grid(voxels=_spline(voxels, factors, starts, sides), affine=moved)
    # The axis that shrinks most goes first: the others then have less to do.
    for axis in sorted(range(3), key=lambda a: sides[a] / voxels.shape[a]):
        centres = starts[axis] + factors[axis] * np.arange(sides[axis])
        weights = _weights(voxels.shape[axis], centres, width=factors[axis], order=order)
        voxels = _along(voxels, weights, axis)
    return Grid(voxels=voxels, affine=moved)


def straighten(voxels: NDArray[np.float32], affine: NDArray[np.float64], *, outside: float) -> Grid:
    """Shift the planes of a sheared volume until k stands at right angles on i and j.

    Expects i and j at right angles already (as scanners make them); where they are not, j is
    made so by the same linear interpolation.
    """
    from scipy import ndimage

    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    first = affine[:3, 0] / spacing[0]
    second = affine[:3, 1] - first * (first @ affine[:3, 1])
    second /= np.linalg.norm(second)
    third = np.cross(first, second)
    third *= np.sign(third @ affine[:3, 2])
    height = abs(third @ affine[:3, 2])
    target = np.stack([first, second, third], axis=1) * [spacing[0], spacing[1], height]
    # All corners of the old grid in new steps, to hold every voxel.
    corners = np.array(np.meshgrid(*[(0, side - 1) for side in voxels.shape])).reshape(3, -1)
    steps = np.linalg.solve(target, affine[:3, :3] @ corners)
    low, high = np.floor(steps.min(axis=1) + 1e-6), np.ceil(steps.max(axis=1) - 1e-6)
    moved = np.eye(4)
    moved[:3, :3] = target
    moved[:3, 3] = affine[:3, 3] + target @ low
    into = np.linalg.inv(affine) @ moved  # new index -> old index
    shape = tuple((high - low + 1).astype(int).tolist())
    result = np.empty(shape, np.float32)
    ndimage.affine_transform(
        voxels, into[:3, :3], into[:3, 3], shape, result, order=1, mode="constant", cval=outside
    )
    return Grid(voxels=result, affine=moved)


def shift_plane(
    plane: NDArray[np.float32],
    *,
    start: tuple[float, float],
    shape: tuple[int, int],
    outside: float,
) -> NDArray[np.float32]:
    """Return ``plane`` sampled at ``start + (0.., 0..)``, linear between pixels.

    ``start`` is where pixel (0, 0) of the result lies in ``plane``; what lies outside is
    ``outside``.

    >>> shift_plane(np.float32([[1, 3]]), start=(0, 0.5), shape=(1, 2), outside=-9)
    array([[ 2., -9.]], dtype=float32)
    """
    from scipy import ndimage

    result = np.empty(shape, np.float32)
    ndimage.affine_transform(
        plane, np.ones(2), start, shape, result, order=1, mode="constant", cval=outside
    )
    return result


def _spline(
    voxels: NDArray[np.float32],
    factors: NDArray[np.float64],
    starts: list[float],
    sides: list[int],
) -> NDArray[np.float32]:
    from scipy import ndimage

    result = np.empty(sides, np.float32)
    ndimage.affine_transform(voxels, factors, starts, tuple(sides), result, order=3, mode="nearest")
    return result


def _weights(
    side: int, centres: NDArray[np.float64], *, width: float, order: int
) -> NDArray[np.float32]:
    """Return ``(new, old)``: how much of each old voxel goes into each new one; rows sum to 1.

    A triangle whose half-width is one new voxel where it shrinks, else one old voxel (which is
    linear interpolation). Outside, the nearest voxel counts.
    """
    if order == 0:
        nearest = np.clip(np.floor(centres + 0.5), 0, side - 1).astype(int)
        picked = np.zeros((len(centres), side), np.float32)
        picked[np.arange(len(centres)), nearest] = 1
        return picked
    centres = np.clip(centres, 0, side - 1)
    reach = max(1.0, float(width))
    distances = np.abs(np.arange(side)[None] - centres[:, None])
    triangle = np.maximum(0, 1 - distances / reach)
    triangle /= triangle.sum(axis=1, keepdims=True)
    return np.asarray(triangle, np.float32)


def _along(
    voxels: NDArray[np.float32], weights: NDArray[np.float32], axis: int
) -> NDArray[np.float32]:
    """Multiply one axis by ``weights (new, old)``, plane by plane so that little is held twice.

    The weights are nearly all zero, so they are kept sparse: less work than a full product, and
    none of its threads, which wait for each other on a busy machine.
    """
    from scipy import sparse

    new, old = weights.shape
    if new == old and np.array_equal(weights, np.eye(new)):
        return voxels
    shape = list(voxels.shape)
    shape[axis] = new
    result = np.empty(shape, np.float32)
    # Walk along the axis whose planes lie closest together in memory.
    other = max((a for a in range(3) if a != axis), key=lambda a: abs(voxels.strides[a]))
    source, target = (
        np.moveaxis(voxels, (axis, other), (0, 2)),
        np.moveaxis(result, (axis, other), (0, 2)),
    )
    few = sparse.csr_array(weights)
    for at in range(source.shape[2]):
        target[:, :, at] = few @ source[:, :, at]
    return result
