"""Where tiles lie on a picture, and how much each of their pixels counts.

Everything is a multiple of the network's own step (a U-Net with four poolings: 16), so that each
tile is pooled on the same raster as the whole picture would be. Two neighbours fade into each
other; the outermost quarter of what they share, where a tile lacks its surroundings, counts
nothing::

    tile a  1 1 1 1 1 1 1 . . 0 0           |  shared: a quarter of 0, a half of
    tile b              0 0 . . 1 1 1 1 1   |  fading, a quarter of 1

Weights are made per axis and sum to 1 on each pixel, so blending needs no division.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError

__all__ = ["AxisTiles", "Tiling", "tiles_along"]

_LEAST_WEIGHT: Final = 1e-7
_LARGEST_OVERLAP: Final = 0.9


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Tiling:
    """Tiles of at most ``tile_px`` a side that share at least ``overlap`` (0..0.9) of a side.

    ``multiple`` is what the network's sides must be multiples of.

    Raises
    ------
    InputError
        When the values do not fit each other.
    """

    tile_px: int
    overlap: float = 0.25
    multiple: int = 1

    def __post_init__(self) -> None:
        if not (1 <= self.multiple <= self.tile_px):
            raise InputError(
                f"A tile should have at least {self.multiple} pixels a side, as the network needs, "
                f"but {self.tile_px} were asked for."
            )
        if not 0 <= self.overlap <= _LARGEST_OVERLAP:
            raise InputError(
                f"Neighbouring tiles should share 0 to {_LARGEST_OVERLAP:g} of a side, but "
                f"{self.overlap:g} was asked for."
            )


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no truth value
class AxisTiles:
    """Tiles along one axis of ``length`` pixels.

    All have ``side`` pixels and begin at ``starts``; the last one may reach beyond ``length`` by
    less than the network's multiple. ``weights`` ``(tiles, side) float32`` sum to 1 on each pixel.
    """

    length: int
    side: int
    starts: tuple[int, ...]
    weights: NDArray[np.float32]

    def finished_after(self, index: int) -> int:
        """Return the first pixel that tiles after ``index`` still touch; the length at the end."""
        return self.starts[index + 1] if index + 1 < len(self.starts) else self.length


def tiles_along(length: int, tiling: Tiling) -> AxisTiles:
    """Lay tiles along an axis of ``length`` >= 1 pixels.

    The tiles are as small as their number allows, so that work grows with the area.

    >>> tiles_along(2048, Tiling(tile_px=512, multiple=16)).starts
    (0, 384, 768, 1152, 1536)
    >>> tiles_along(520, Tiling(tile_px=512, multiple=16)).side
    304
    """
    if length < 1:
        raise InputError(f"A picture has at least one pixel a side, but this one has {length}.")
    unit = tiling.multiple
    # everything in units of the network's multiple
    total, largest = -(-length // unit), tiling.tile_px // unit
    side = min(total, largest)
    count = _count(total, side, tiling.overlap)
    while side > 1 and _count(total, side - 1, tiling.overlap) <= count:
        side -= 1
    step = _step(side, tiling.overlap)
    starts = tuple(min(index * step, total - side) * unit for index in range(count))
    return AxisTiles(
        length=length,
        side=side * unit,
        starts=starts,
        weights=_weights(starts, side * unit),
    )


def _step(side: int, overlap: float) -> int:
    return max(1, int(side * (1 - overlap) + 1e-9))


def _count(total: int, side: int, overlap: float) -> int:
    return 1 if side >= total else -(-(total - side) // _step(side, overlap)) + 1


def _weights(starts: tuple[int, ...], side: int) -> NDArray[np.float32]:
    raw = np.ones((len(starts), side))
    for index in range(len(starts) - 1):
        shared = min(starts[index] + side - starts[index + 1], side // 2)
        if shared > 0:
            rise = _rise(shared)
            raw[index, side - shared :] *= rise[::-1]
            raw[index + 1, :shared] *= rise
    sums = np.zeros(starts[-1] + side)
    for start, row in zip(starts, raw, strict=True):
        sums[start : start + side] += row
    for start, row in zip(starts, raw, strict=True):
        row /= sums[start : start + side]
    weights: NDArray[np.float32] = raw.astype(np.float32)
    return weights


def _rise(shared: int) -> NDArray[np.float64]:
    """Return a fade from 0 to 1 over the middle half of ``shared`` pixels."""
    place = (np.arange(shared) + 0.5) / shared
    along = np.clip(2 * place - 0.5, 0, 1)
    return np.maximum(0.5 - 0.5 * np.cos(np.pi * along), _LEAST_WEIGHT)
