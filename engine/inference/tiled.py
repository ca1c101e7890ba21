"""Pictures of any size through a network, tile by tile, in memory that does not grow with height.

Tiles are read row by row. What they say is blended in a band as high as one tile; once a row of
tiles is done, the rows that no later tile touches are handed out and forgotten::

    y   0      s1            s2
        [== row 0 ==]
               [== row 1 ==]
        handed ^ out after row 0: rows 0..s1

While the network computes a tile, the next one is read and the last one blended. Inside of a
picture the result is that of the whole picture at once, as far as the network's view reaches no
further than a quarter of the overlap, see :mod:`engine.inference.tiled_grid`. Knows no model: a
network is a function, and so is what becomes of its scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import ModelError
from engine.inference.tiled_grid import AxisTiles, Tiling, tiles_along

__all__ = ["Answer", "Prepare", "Sink", "Source", "TileDone", "Tiling", "forecast_mb", "run_tiled"]

_MB: Final = 1_000_000

Answer = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""A network: ``(1, C, h, w) float32`` to scores ``(1, K, h, w) float32``, which become ours."""

Prepare = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Normalises a tile: ``(h, w, 3) uint8`` to ``(C, h, w) float32``."""


class Source(Protocol):
    """A picture that is read part by part: RGB, upright, ``height`` × ``width`` pixels."""

    @property
    def height(self) -> int:
        """Rows."""
        ...

    @property
    def width(self) -> int:
        """Columns."""
        ...

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
        """Return ``(height, width, 3) uint8``; the part lies inside of the picture."""
        ...


Sink = Callable[[int, NDArray[np.float32]], object]
"""Takes finished rows, from the top down without gaps: the first row's number and blended scores
``(K, rows, W) float32``, which are the sink's until it returns."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TileDone:
    """So many of all tiles are done."""

    done: int
    total: int


def run_tiled(
    source: Source,
    answer: Answer,
    sink: Sink,
    *,
    tiling: Tiling,
    prepare: Prepare,
    check: Callable[[], object] = lambda: None,
) -> Iterator[TileDone]:
    """Send a picture through a network; yields after each tile.

    Parameters
    ----------
    source
        the picture, from 1×1 pixel up.
    answer
        the network; called from one other thread, one tile at a time.
    sink
        gets the scores of each row of pixels once.
    tiling
        how tiles lie. Beyond the right and lower border the picture is mirrored, as far as the
        network's multiple asks for.
    prepare
        normalises a tile.
    check
        called before each tile; raising from it ends the work. Here callers look for cancellation
        and for memory.

    Raises
    ------
    ModelError
        When the network answers with another shape than scores for each pixel of its tile.
    """
    rows, cols = tiles_along(source.height, tiling), tiles_along(source.width, tiling)
    blend = _Blend(rows, cols, sink)
    total, done = len(rows.starts) * len(cols.starts), 0
    with ThreadPoolExecutor(1, thread_name_prefix="tiles") as pool:
        waiting: tuple[int, int, Future[NDArray[np.float32]]] | None = None
        for row in range(len(rows.starts)):
            for col in range(len(cols.starts)):
                check()
                batch = prepare(_read(source, rows, row, cols, col))[np.newaxis]
                asked = pool.submit(answer, batch)
                if waiting is not None:
                    blend.add(waiting[0], waiting[1], waiting[2].result())
                    done += 1
                    yield TileDone(done=done, total=total)
                waiting = row, col, asked
        assert waiting is not None  # there is at least one tile
        blend.add(waiting[0], waiting[1], waiting[2].result())
    yield TileDone(done=total, total=total)


def forecast_mb(height: int, width: int, *, classes: int, tiling: Tiling) -> float:
    """Return how much memory blending takes at its peak; network, source and sink not counted."""
    rows, cols = tiles_along(height, tiling), tiles_along(width, tiling)
    tile = rows.side * cols.side
    # the band; of two tiles each the input and the scores, one of them weighted
    return (classes * rows.side * width + tile * (2 * 3 + 3 * classes)) * 4 / _MB


@final
class _Blend:
    """Sums of weighted scores over as many rows as a tile has."""

    def __init__(self, rows: AxisTiles, cols: AxisTiles, sink: Sink) -> None:
        self._rows = rows
        self._cols = cols
        self._sink = sink
        self._band: NDArray[np.float32] | None = None

    def add(self, row: int, col: int, scores: NDArray[np.float32]) -> None:
        """Blend a tile; after the last one of its row, hand out what is finished."""
        rows, cols = self._rows, self._cols
        if scores.ndim != 4 or scores.shape[0] != 1 or scores.shape[2:] != (rows.side, cols.side):
            raise ModelError(
                f"A network for segmentation should answer (1, classes, {rows.side}, {cols.side}) "
                f"for a tile of that size, but it answered {scores.shape}; it is another kind of "
                "model."
            )
        if self._band is None:
            self._band = np.zeros((scores.shape[1], rows.side, cols.length), np.float32)
        left = cols.starts[col]
        wide = min(cols.side, cols.length - left)
        across = cols.weights[col, :wide]
        for high in range(scores.shape[1]):
            part = scores[0, high, :, :wide] * across
            part *= rows.weights[row][:, np.newaxis]
            self._band[high, :, left : left + wide] += part
        if col + 1 == len(cols.starts):
            self._hand_out(row, self._band)

    def _hand_out(self, row: int, band: NDArray[np.float32]) -> None:
        first = self._rows.starts[row]
        finished = self._rows.finished_after(row) - first
        self._sink(first, band[:, :finished])
        kept = self._rows.side - finished
        if row + 1 < len(self._rows.starts):
            band[:, :kept] = band[:, finished:]
            band[:, kept:] = 0


def _read(
    source: Source, rows: AxisTiles, row: int, cols: AxisTiles, col: int
) -> NDArray[np.uint8]:
    """Return a tile ``(h, w, 3)``, mirrored where it reaches beyond the picture."""
    top, left = rows.starts[row], cols.starts[col]
    high, wide = min(rows.side, rows.length - top), min(cols.side, cols.length - left)
    part = source.read(top, left, high, wide)
    if high < rows.side:
        part = part[_mirrored(rows.side, high)]
    if wide < cols.side:
        part = part[:, _mirrored(cols.side, wide)]
    return part


def _mirrored(side: int, length: int) -> NDArray[np.intp]:
    """Return ``side`` indices below ``length``: 0 1 2 3 2 1 0 1 … for a length of 4."""
    period = max(1, 2 * (length - 1))
    place = np.arange(side) % period
    return np.minimum(place, period - place) if length > 1 else np.zeros(side, np.intp)
