"""Tile after tile to a label map, in memory that does not grow with the length of the CT.

nnU-Net keeps the class scores of the whole volume, 118 numbers for each voxel, and takes the
largest at the end. Here the tiles' *features* are summed (see :mod:`engine.spine.nnunet.
architecture`), in a slab as thick as one tile: once a layer of tiles is done, the planes that no
later tile touches are decided among all classes, and leave::

    z   0      s1            s2
        [== layer 0 ==]
               [== layer 1 ==]
        decided ^ after layer 0: planes 0..s1

Nothing is approximated: each decision is the argmax over all classes of the weighted mean.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol, final

import numpy as np
from numpy.typing import NDArray

from engine.spine.nnunet.architecture import LastLayer
from engine.spine.nnunet.plans import Triple
from engine.spine.nnunet.tiling import Box, TileGrid, centre_weights, padding

__all__ = ["Prediction", "TileNetwork", "box_around", "predict"]

_CHUNK: Final = 1 << 14
"""Voxels that are decided at once: their scores stay in the processor's cache."""
_PLANES: Final = 8
"""Planes of one feature that are added at once, for the same reason."""

Floats = NDArray[np.float32]


class TileNetwork(Protocol):
    """A network that turns a tile of CT into features, and the layer that turns these to scores."""

    @property
    def patch(self) -> Triple:
        """Sides of a tile: z, y, x."""
        ...

    @property
    def last_layer(self) -> LastLayer:
        """From features to classes."""
        ...

    def features(self, tile: Floats) -> Floats:
        """Return ``(features, Z, Y, X)`` of a tile ``(Z, Y, X)``; valid until the next call."""
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no truth value
class Prediction:
    """Codes ``(Z, Y, X) uint8`` as the data set has them, and how sure the network was.

    ``confidences``: for each code that was asked for and found, the mean over its voxels of the
    code's softmax probability, 0..1. ``tiles`` is the number of tiles that were computed.
    """

    labels: NDArray[np.uint8]
    confidences: Mapping[int, float]
    tiles: int


def box_around(mask: NDArray[np.bool_]) -> Box | None:
    """Return the box around everything that is true; None when nothing is.

    >>> box_around(np.array([[[0, 0, 0, 0], [0, 0, 1, 1]]], bool))
    ((0, 1), (1, 2), (2, 4))
    """
    flat = np.asarray(mask.any(axis=0))  # (Y, X)
    in_y = np.flatnonzero(np.any(flat, axis=1))
    in_x = np.flatnonzero(np.any(flat, axis=0))
    if not in_y.size:
        return None
    in_z = np.flatnonzero(mask.any(axis=(1, 2)))
    return _range(in_z), _range(in_y), _range(in_x)


def predict(
    network: TileNetwork,
    image: Floats,
    *,
    step: float,
    tissue: NDArray[np.bool_] | None = None,
    judged: Collection[int] = (),
    threads: int = 1,
    on_tile: Callable[[int, int], object] = lambda _done, _all: None,
) -> Prediction:
    """Predict a normalised CT.

    Parameters
    ----------
    network
        Computes the tiles.
    image
        ``(Z, Y, X) float32``; smaller than a tile is padded with 0, as nnU-Net does.
    step
        Largest distance of neighbouring tiles as a share of a tile.
    tissue
        ``(Z, Y, X)``: where there is anything but air; None: everywhere. Voxels outside the box
        around it are background, and tiles without any of it are not computed; all other tiles
        lie where they would lie anyway, so that nothing changes inside.
    judged
        Codes whose mean probability is wanted.
    threads
        Threads for the sums; the network has its own.
    on_tile
        Told the number of tiles done and of all, before the first and after each. Raising from it
        ends the prediction.
    """
    shape = _triple(image.shape)
    labels = np.zeros(shape, np.uint8)
    if tissue is None:
        tissue = np.ones((1, 1, 1), bool)
    tissue = np.broadcast_to(tissue, shape)
    body = box_around(tissue)
    if body is None:
        return Prediction(labels=labels, confidences={}, tiles=0)
    inner = padding(shape, network.patch)
    padded = _padded(image, network.patch, inner)
    region = _moved(body, [first for first, _ in inner])
    grid = TileGrid(shape=_triple(padded.shape), tile=network.patch, step=step)
    layers = _layers_of(grid, region, tissue, inner)
    work = _Decider(network.last_layer, judged)
    count = sum(len(tiles) for _, _, tiles in layers)
    target = labels[_slices(body)]
    on_tile(0, count)
    with ThreadPoolExecutor(max(1, threads)) as pool:
        if count == 1 and len(layers) == 1:
            _predict_one(network, padded, layers[0][2][0], region, work, target, pool)
            on_tile(1, 1)
        else:
            _predict_layers(network, padded, layers, region, work, target, pool, on_tile)
    return Prediction(labels=labels, confidences=work.confidences(), tiles=count)


Layers = list[tuple[int, int, list[Box]]]


def _layers_of(grid: TileGrid, region: Box, tissue: NDArray[np.bool_], inner: Box) -> Layers:
    """Return the layers with those tiles only that see something of the body."""
    offset = [-first for first, _ in inner]

    def is_seen(tile: Box) -> bool:
        common = _common(tile, region)  # inside the region, so never in the padding
        return common is not None and bool(tissue[_slices(_moved(common, offset))].any())

    return [(z, end, [tile for tile in tiles if is_seen(tile)]) for z, end, tiles in grid.layers()]


def _predict_one(
    network: TileNetwork,
    padded: Floats,
    tile: Box,
    region: Box,
    work: _Decider,
    target: NDArray[np.uint8],
    pool: ThreadPoolExecutor,
) -> None:
    """Decide a volume of one tile from its features as they are: no weights, no sums."""
    features = network.features(padded[_slices(tile)])
    part = features[(slice(None), *_slices(_moved(region, [-first for first, _ in tile])))]
    ones = np.ones((1, *part.shape[2:]), np.float32)

    def decide(plane: int) -> None:
        stacked = np.concatenate([part[:, plane], ones])
        target[plane] = work.decide(stacked)

    _all_done(pool.map(decide, range(part.shape[1])))


def _predict_layers(
    network: TileNetwork,
    padded: Floats,
    layers: Layers,
    region: Box,
    work: _Decider,
    target: NDArray[np.uint8],
    pool: ThreadPoolExecutor,
    on_tile: Callable[[int, int], object],
) -> None:
    weights = centre_weights(network.patch)
    slab = _Slab(
        features=network.last_layer.weights.shape[1], depth=network.patch[0], region=region
    )
    count, done = sum(len(tiles) for _, _, tiles in layers), 0
    for first, following, tiles in layers:
        slab.begin(first)
        for tile in tiles:
            slab.add(tile, network.features(padded[_slices(tile)]), weights, pool)
            done += 1
            on_tile(done, count)
        low, high = max(first, region[0][0]), min(following, region[0][1])

        def decide(plane: int) -> None:
            target[plane - region[0][0]] = work.decide(slab.plane(plane))

        _all_done(pool.map(decide, range(low, high)))


@final
class _Slab:
    """Sums of weighted features over as many planes as a tile has, and the sum of weights.

    ``sums`` is ``(features + 1, depth, Y, X)`` of the region; the last channel holds the weights,
    so that the last layer's bias is one more column of its matrix.
    """

    def __init__(self, *, features: int, depth: int, region: Box) -> None:
        (_, _), (y0, y1), (x0, x1) = region
        self._region = region
        self._first = 0
        self._sums = np.zeros((features + 1, depth, y1 - y0, x1 - x0), np.float32)

    def begin(self, first: int) -> None:
        """Move on to a layer that begins at plane ``first``; planes before it are forgotten."""
        shift = min(first - self._first, self._sums.shape[1])
        if shift:
            self._sums[:, :-shift] = self._sums[:, shift:]
            self._sums[:, -shift:] = 0
        self._first = first

    def add(self, tile: Box, features: Floats, weights: Floats, pool: ThreadPoolExecutor) -> None:
        """Add a tile's features, each voxel with its weight."""
        common = _common(tile, self._region)
        if common is None:
            return
        source = _slices(_moved(common, [-first for first, _ in tile]))
        (_, _), (y0, _), (x0, _) = self._region
        aim = _slices(_moved(common, [-self._first, -y0, -x0]))
        weights = weights[source]
        features = features[(slice(None), *source)]

        def add(channel: int) -> None:
            sums = self._sums[channel][aim]
            for low in range(0, len(weights), _PLANES):
                planes = slice(low, low + _PLANES)
                sums[planes] += weights[planes] * features[channel, planes]

        _all_done(pool.map(add, range(len(features))))
        self._sums[-1][aim] += weights

    def plane(self, z: int) -> Floats:
        """Return the sums of one plane, ``(features + 1, Y, X)``."""
        plane: Floats = self._sums[:, z - self._first]
        return plane


@final
class _Decider:
    """From summed features to codes; keeps account of probabilities."""

    def __init__(self, last: LastLayer, judged: Collection[int]) -> None:
        self._matrix = np.ascontiguousarray(np.column_stack([last.weights, last.bias]).T)
        self._is_judged = np.zeros(256, bool)
        self._is_judged[list(judged)] = True
        self._tallies: list[tuple[NDArray[np.float64], NDArray[np.intp]]] = []

    def decide(self, sums: Floats) -> NDArray[np.uint8]:
        """Return the winning code of each voxel of a plane ``(features + 1, Y, X)``."""
        flat = sums.reshape(len(sums), -1)
        codes = np.empty(flat.shape[1], np.uint8)
        for low in range(0, flat.shape[1], _CHUNK):
            part = slice(low, low + _CHUNK)
            codes[part] = self._decide_chunk(flat[:, part])
        return codes.reshape(sums.shape[1:])

    def confidences(self) -> dict[int, float]:
        """Return the mean probability of each judged code that was found."""
        if not self._tallies:
            return {}
        # one sum at the end: threads finish in any order, but floating sums must not depend on it
        tallies = sorted(self._tallies, key=lambda pair: pair[0].sum())
        total = np.sum([sums for sums, _ in tallies], axis=0)
        count = np.sum([counts for _, counts in tallies], axis=0)
        return {
            int(code): float(min(total[code] / count[code], 1.0)) for code in np.flatnonzero(count)
        }

    def _decide_chunk(self, sums: Floats) -> NDArray[np.uint8]:
        scores = sums.T @ self._matrix  # (voxels, classes), each times the sum of weights
        codes: NDArray[np.uint8] = scores.argmax(axis=1).astype(np.uint8)
        codes[sums[-1] == 0] = 0  # no tile was computed here: air
        chosen = np.flatnonzero(self._is_judged[codes])
        if chosen.size:
            found = codes[chosen]
            exponents = scores[chosen] / sums[-1][chosen, None]
            exponents -= exponents[np.arange(chosen.size), found][:, None]
            # codes hold the largest score, so that no exponent is above 0
            probability = 1 / np.exp(exponents).sum(axis=1, dtype=np.float64)
            sums_of = np.bincount(found, weights=probability, minlength=256).astype(np.float64)
            self._tallies.append((sums_of, np.bincount(found, minlength=256)))
        return codes


def _all_done(results: Iterable[None]) -> None:
    """Wait for all, and let the first error through."""
    for _ in results:
        pass


def _padded(image: Floats, patch: Triple, inner: Box) -> Floats:
    shape = [max(side, least) for side, least in zip(image.shape, patch, strict=True)]
    if tuple(shape) == image.shape:
        return image
    padded = np.zeros(shape, np.float32)
    padded[_slices(inner)] = image
    return padded


def _range(indices: NDArray[np.intp]) -> tuple[int, int]:
    return int(indices[0]), int(indices[-1]) + 1


def _slices(box: Box) -> tuple[slice, slice, slice]:
    z, y, x = (slice(start, stop) for start, stop in box)
    return z, y, x


def _moved(box: Box, offset: list[int]) -> Box:
    z, y, x = ((start + by, stop + by) for (start, stop), by in zip(box, offset, strict=True))
    return z, y, x


def _common(one: Box, other: Box) -> Box | None:
    z, y, x = ((max(a0, b0), min(a1, b1)) for (a0, a1), (b0, b1) in zip(one, other, strict=True))
    return (z, y, x) if all(start < stop for start, stop in (z, y, x)) else None


def _whole(shape: tuple[int, ...]) -> Box:
    z, y, x = shape
    return (0, z), (0, y), (0, x)


def _triple(values: tuple[int, ...]) -> Triple:
    z, y, x = values
    return z, y, x
