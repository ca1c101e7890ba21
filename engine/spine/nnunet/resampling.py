"""From a CT to the grid of a network and back, with TotalSegmentator's own interpolation.

TotalSegmentator scales with ``scipy.ndimage.zoom``, which lays the *centres* of the outermost
voxels on each other and cuts the result to whole CT numbers. nnU-Net would resample once more, but
finds its own spacing already there. Labels come back by the nearest voxel, which needs no
interpolation at all: one list of indices for each axis.

Source: ``totalsegmentator/resampling.py``, ``nnunet.py`` of TotalSegmentator 2.18 (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from engine.errors import VolumeError
from engine.imaging.volumes import Volume

__all__ = ["GridChange", "grid_change", "nearest_indices", "to_grid"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class GridChange:
    """A volume's shape before and after, axes x, y, z (RAS+)."""

    before: tuple[int, int, int]
    after: tuple[int, int, int]
    zoom: tuple[float, float, float]

    @property
    def is_none(self) -> bool:
        """Whether the volume already has the wanted spacing."""
        return self.zoom == (1.0, 1.0, 1.0)

    def affine(self, before: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return voxel → mm of the new grid: the outermost centres stay where they are."""
        result = before.copy()
        for axis, (old, new) in enumerate(zip(self.before, self.after, strict=True)):
            result[:3, axis] *= (old - 1) / (new - 1) if new > 1 and old > 1 else old / new
        return result

    def labels_back(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return labels ``after`` on the grid ``before``, each voxel from the nearest one."""
        if self.is_none:
            return labels
        lists = [
            nearest_indices(new, old) for old, new in zip(self.before, self.after, strict=True)
        ]
        # axis by axis: the smallest first, so that little is copied more than once
        for axis in sorted(range(3), key=lambda axis: self.before[axis] / self.after[axis]):
            labels = np.take(labels, lists[axis], axis=axis)
        return labels


def grid_change(
    shape: Sequence[int], spacing_mm: Sequence[float], target_mm: Sequence[float]
) -> GridChange:
    """Return what TotalSegmentator makes of ``shape`` voxels of ``spacing_mm``.

    >>> grid_change((100, 100, 50), (1.0, 1.0, 3.0), (3.0, 3.0, 3.0)).after
    (33, 33, 50)

    Raises
    ------
    VolumeError
        When a side would be left without a voxel.
    """
    # A NIfTI header keeps spacings in single precision, and they are read from there.
    single = [float(np.float32(value)) for value in spacing_mm]
    i, j, k = (own / target for own, target in zip(single, target_mm, strict=True))
    before = _triple(shape)
    after = _triple([round(side * zoom) for side, zoom in zip(before, (i, j, k), strict=True)])
    if min(after) < 1:
        raise VolumeError(
            f"Expected a CT of at least one voxel of {target_mm[0]:g} mm on each side, but got "
            f"{'×'.join(map(str, before))} voxels of "
            f"{'×'.join(f'{value:.3g}' for value in spacing_mm)} mm; take a larger CT."
        )
    return GridChange(before=before, after=after, zoom=(i, j, k))


def to_grid(volume: Volume, change: GridChange) -> NDArray[np.float32]:
    """Return the CT numbers on the new grid, ``(x, y, z) float32``.

    Linear, without averaging; whole numbers when anything was resampled, cut towards 0.
    """
    if change.is_none:
        return volume.voxels
    # Double precision until it is cut, so that 99.99… and 100 go the way they go there.
    exact = ndimage.zoom(
        volume.voxels, change.zoom, output=np.float64, order=1, mode="nearest", prefilter=False
    )
    whole: NDArray[np.float32] = np.trunc(exact, out=exact).astype(np.float32)
    return whole


def nearest_indices(source: int, target: int) -> NDArray[np.intp]:
    """Return for each of ``target`` voxels the nearest of ``source``, the outermost on each other.

    >>> nearest_indices(3, 5).tolist()
    [0, 1, 1, 2, 2]
    """
    distance = (source - 1) / (target - 1) if target > 1 else 1.0
    nearest: NDArray[np.intp] = np.floor(np.arange(target) * distance + 0.5).astype(np.intp)
    return np.minimum(nearest, source - 1, out=nearest)


def _triple(values: Sequence[int]) -> tuple[int, int, int]:
    x, y, z = values
    return x, y, z
