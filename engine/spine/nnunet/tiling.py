"""Tiles over a volume and how much each voxel of a tile counts, as nnU-Net lays them.

Axes are nnU-Net's: z, y, x. On an axis of 110 voxels, tiles of 64 at steps of at most half a tile::

    0                       110
    [-----------]                     0
         [-----------]               23
              [-----------]          46     three tiles, evenly spread

Source: ``compute_steps_for_sliding_window`` and ``compute_gaussian`` of nnunetv2 2.8.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from engine.spine.nnunet.plans import Triple

__all__ = ["Box", "TileGrid", "centre_weights", "padding", "tile_starts"]

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""Half-open ranges of voxels along z, y, x."""

_HIGHEST_WEIGHT: Final = 10.0
"""nnU-Net's scale, which keeps half precision away from its smallest numbers."""


def tile_starts(side: int, tile: int, step: float) -> tuple[int, ...]:
    """Return where tiles begin on an axis of ``side`` >= ``tile`` voxels.

    ``step`` is the largest distance of neighbours as a share of a tile, in 0..1.

    >>> tile_starts(110, 64, 0.5)
    (0, 23, 46)
    """
    count = math.ceil((side - tile) / (tile * step)) + 1
    if count == 1:
        return (0,)
    distance = (side - tile) / (count - 1)
    # numpy's rounding (half to even), as nnU-Net does it
    return tuple(int(np.round(distance * index)) for index in range(count))


def padding(shape: Triple, tile: Triple) -> Box:
    """Return where a volume lies inside of its padded self: in the middle, one less before.

    >>> padding((5, 3, 9), (8, 3, 4))
    ((1, 6), (0, 3), (0, 9))
    """
    before = [max(0, least - side) // 2 for side, least in zip(shape, tile, strict=True)]
    z, y, x = [(first, first + side) for first, side in zip(before, shape, strict=True)]
    return z, y, x


@lru_cache(maxsize=2)
def centre_weights(tile: Triple) -> NDArray[np.float32]:
    """Return the weight of each voxel of a tile, ``(Z, Y, X)`` in (0, 10], highest in the middle.

    A Gaussian with a standard deviation of an eighth of each side, rounded to half precision as
    nnU-Net keeps it; what would round to 0 gets the smallest weight above.
    """
    point = np.zeros(tile)
    point[tuple(side // 2 for side in tile)] = 1
    spread = ndimage.gaussian_filter(point, [side / 8 for side in tile], 0, mode="constant", cval=0)
    half = (spread / (spread.max() / _HIGHEST_WEIGHT)).astype(np.float16)
    half[half == 0] = half[half > 0].min()
    weights: NDArray[np.float32] = half.astype(np.float32)
    weights.flags.writeable = False  # shared between callers
    return weights


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TileGrid:
    """All tiles of a volume of ``shape``, in layers along z.

    ``tile`` is at most ``shape`` on each axis: pad first. ``step`` as in :func:`tile_starts`.
    """

    shape: Triple
    tile: Triple
    step: float

    @property
    def starts(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Where tiles begin along z, y and x."""
        z, y, x = (
            tile_starts(side, tile, self.step)
            for side, tile in zip(self.shape, self.tile, strict=True)
        )
        return z, y, x

    def layers(self) -> Iterator[tuple[int, int, list[Box]]]:
        """Yield for each layer its first plane, the next layer's first plane, and its tiles.

        The planes between both are final once the tiles of the layer are done; for the last layer
        the second number is the end of the volume.
        """
        in_z, in_y, in_x = self.starts
        for index, z in enumerate(in_z):
            following = in_z[index + 1] if index + 1 < len(in_z) else self.shape[0]
            yield z, following, [self._box(z, y, x) for y in in_y for x in in_x]

    def _box(self, z: int, y: int, x: int) -> Box:
        deep, high, wide = self.tile
        return (z, z + deep), (y, y + high), (x, x + wide)
