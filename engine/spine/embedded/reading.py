"""From a CT to the network's maps: coarse grid, body crop, tiles where it is large, one record out.

Everything before the network works in bounded memory on the CT as it is stored; everything after
on voxels of 4 mm. Does not know what the maps mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from engine.imaging.volumes import AIR_HU, Volume
from engine.spine.embedded.maps import Map, SpineMaps
from engine.spine.embedded.targets import CLASSES, GRID_MM, REGIONS, SIDE_MULTIPLE, normalised

__all__ = ["Change", "Coarse", "Network", "coarse_of", "count_tiles", "read_maps"]

Floats = NDArray[np.float64]
Network = Callable[[Map], Mapping[str, Map]]
"""``(1, 1, I, J, K)`` normalised → the four maps, each ``(1, channels, I, J, K)``."""

Change = Literal["none", "flipped", "shifted"]
"""How a repetition looks at the CT: as it is, left and right exchanged, or half a voxel beside."""

BODY_HU = -400.0
MARGIN_MM = 16.0
"""Air that is kept around the body; also what is kept of a table, which hardly matters."""
MOST_OBLIQUE_DEG = 12.0
"""Patients lie askew by this much in what the network learnt from; more is turned straight."""
TILE_VOXELS = 1_100_000
"""Most voxels of one tile: about 0.6 GB at work."""
OVERLAP = 32
"""Voxels that neighbouring tiles share; their answers are blended."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no truth value
class Coarse:
    """A CT on the network's grid, cut to the body.

    ``hu`` is ``(I, J, K) float32`` with axes along R, A, S and ``affine`` its place;
    ``image_shape`` and ``image_affine`` are those of the CT that it was made of.
    """

    hu: Map
    affine: Floats
    image_shape: tuple[int, int, int]
    image_affine: Floats


def coarse_of(volume: Volume) -> Coarse:
    """Bring a CT of any axis order, spacing and tilt to the network's grid."""
    if volume.is_sheared:
        # In the plane first: that makes it small, and shearing is along the other axis.
        small, _ = volume.canonical()
        third = min(small.spacing_mm[2], GRID_MM)
        small = small.resampled((GRID_MM, GRID_MM, third)).straightened().resampled(GRID_MM)
    else:
        small = volume.resampled(GRID_MM)
    small, _ = small.canonical()
    small = _turned_straight(small)
    box = _body_box(small.voxels)
    cut = small.cropped(box)
    return Coarse(
        hu=np.ascontiguousarray(cut.voxels),
        affine=cut.affine,
        image_shape=volume.shape,
        image_affine=volume.affine,
    )


def count_tiles(coarse: Coarse) -> int:
    """Return how many times the network runs for one reading."""
    return len(list(_tiles(_padded_sides(coarse.hu.shape))))


def read_maps(
    coarse: Coarse,
    network: Network,
    *,
    change: Change = "none",
    on_tile: Callable[[int, int], object] = lambda _done, _all: None,
) -> SpineMaps:
    """Run the network over a coarse CT.

    Parameters
    ----------
    coarse
        Of :func:`coarse_of`.
    network
        See :data:`Network`.
    change
        How to look at it; the maps come back in the CT's own place all the same, flipped back.
    on_tile
        Told (done, all) after each tile; raising from it cancels.
    """
    seen, affine = _changed(coarse, change)
    sides = _padded_sides(seen.shape)
    padded = np.full(sides, normalised(AIR_HU), np.float32)
    padded[tuple(slice(0, n) for n in seen.shape)] = normalised(seen)
    tiles = list(_tiles(sides))
    answers = _gathered(padded, tiles, network, on_tile)
    own = tuple(slice(0, n) for n in seen.shape)
    maps = {name: array[(slice(None), *own)] for name, array in answers.items()}
    if change == "flipped":
        maps = {name: array[:, ::-1] for name, array in maps.items()}
    return SpineMaps(
        heat=maps["heat"][0],
        classes=maps["classes"],
        region=maps["region"],
        level=maps["level"][0],
        affine=affine,
        image_shape=coarse.image_shape,
        image_affine=coarse.image_affine,
    )


def _turned_straight(volume: Volume) -> Volume:
    """Resample an oblique volume along the patient's axes when it is very oblique."""
    unit = volume.affine[:3, :3] / np.asarray(volume.spacing_mm)
    if np.degrees(np.arccos(np.clip(np.diag(unit).min(), -1.0, 1.0))) <= MOST_OBLIQUE_DEG:
        return volume
    ends = np.array(np.meshgrid(*[(0, n - 1) for n in volume.shape])).reshape(3, -1)
    corners = volume.world(ends.T)
    low, high = corners.min(axis=0), corners.max(axis=0)
    shape = tuple((np.ceil((high - low) / GRID_MM) + 1).astype(int).tolist())
    affine = np.diag([GRID_MM, GRID_MM, GRID_MM, 1.0])
    affine[:3, 3] = low
    into = np.linalg.inv(volume.affine) @ affine
    turned = np.empty(shape, np.float32)
    ndimage.affine_transform(
        volume.voxels, into[:3, :3], into[:3, 3], shape, turned, order=1, cval=AIR_HU
    )
    return Volume(voxels=turned, affine=affine)


def _body_box(hu: Map) -> list[tuple[int, int]]:
    """Return the box of the body with a margin: the largest part that is no air."""
    dense = hu > BODY_HU
    solid = ndimage.binary_opening(dense, structure=np.ones((3, 3, 1)))  # thin tables go
    parts, found = ndimage.label(solid)
    if not found:
        return [(0, n) for n in hu.shape]
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    box = ndimage.find_objects((parts == int(sizes.argmax())).astype(np.uint8))[0]
    margin = round(MARGIN_MM / GRID_MM)
    return [
        (max(0, s.start - margin), min(n, s.stop + margin))
        for s, n in zip(box, hu.shape, strict=True)
    ]


def _changed(coarse: Coarse, change: Change) -> tuple[Map, Floats]:
    """Return what the network looks at, and the affine of its answer once flipped back."""
    if change == "flipped":
        return coarse.hu[::-1], coarse.affine
    if change == "none":
        return coarse.hu, coarse.affine
    affine = coarse.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ (0.5, 0.5, 0.5)
    halves = coarse.hu
    for axis in range(3):
        if halves.shape[axis] > 1:
            first, second = (
                np.take(halves, range(start, halves.shape[axis] - 1 + start), axis=axis)
                for start in (0, 1)
            )
            halves = (first + second) * np.float32(0.5)
        else:
            affine[:3, 3] -= 0.5 * affine[:3, axis]
    return halves, affine


def _padded_sides(shape: tuple[int, ...]) -> tuple[int, int, int]:
    i, j, k = (-(-n // SIDE_MULTIPLE) * SIDE_MULTIPLE for n in shape)
    return i, j, k


def _tiles(sides: tuple[int, int, int]) -> Iterator[tuple[slice, slice, slice]]:
    """Yield tiles that cover a padded grid: cut along the long axis, all of one size."""
    lengths = list(sides)
    while np.prod(lengths) > TILE_VOXELS:
        longest = int(np.argmax(lengths))
        if lengths[longest] <= 2 * OVERLAP:
            break
        lengths[longest] -= SIDE_MULTIPLE
    starts = [_starts(side, length) for side, length in zip(sides, lengths, strict=True)]
    for i in starts[0]:
        for j in starts[1]:
            for k in starts[2]:
                yield (
                    slice(i, i + lengths[0]),
                    slice(j, j + lengths[1]),
                    slice(k, k + lengths[2]),
                )


def _starts(side: int, length: int) -> list[int]:
    if length >= side:
        return [0]
    count = -(-(side - OVERLAP) // (length - OVERLAP))
    places = np.linspace(0, side - length, count)
    even = {int(place) // SIDE_MULTIPLE * SIDE_MULTIPLE for place in places[:-1]}
    return [*sorted(even), side - length]


def _gathered(
    padded: Map,
    tiles: list[tuple[slice, slice, slice]],
    network: Network,
    on_tile: Callable[[int, int], object],
) -> dict[str, Map]:
    """Run all tiles; where they overlap, an answer counts more the farther it is from a cut."""
    if len(tiles) == 1:
        answer = {name: array[0] for name, array in network(padded[None, None]).items()}
        on_tile(1, 1)
        return answer
    counts = {"heat": 1, "classes": len(CLASSES), "region": len(REGIONS), "level": 1}
    sums = {name: np.zeros((count, *padded.shape), np.float32) for name, count in counts.items()}
    weights = np.zeros(padded.shape, np.float32)
    for done, tile in enumerate(tiles, start=1):
        weight = _weight(tile, padded.shape)
        part = network(np.ascontiguousarray(padded[tile])[None, None])
        for name, total in sums.items():
            total[(slice(None), *tile)] += part[name][0] * weight
        weights[tile] += weight
        on_tile(done, len(tiles))
    for total in sums.values():
        total /= weights
    return sums


def _weight(tile: tuple[slice, slice, slice], sides: tuple[int, ...]) -> Map:
    """Return ``tile``'s weights: falling towards sides where another tile goes on."""
    lines = []
    for part, side in zip(tile, sides, strict=True):
        place = np.arange(part.start, part.stop)
        line = np.ones(len(place))
        if part.start > 0:
            line = np.minimum(line, (place - part.start + 1) / OVERLAP)
        if part.stop < side:
            line = np.minimum(line, (part.stop - place) / OVERLAP)
        lines.append(line.astype(np.float32))
    return np.asarray(lines[0][:, None, None] * lines[1][:, None] * lines[2], np.float32)
