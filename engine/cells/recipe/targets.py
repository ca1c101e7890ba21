"""What the network should answer for a picture: a hill at each cell's centre, and its box there."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.cells.names import CLASSES
from engine.cells.network.layout import STRIDE_PX
from engine.cells.recipe.samples import Sample

__all__ = ["Targets", "targets_of"]

_SPREAD: Final = 0.11  # of the smaller side of the box, at least one cell of the grid
_TAUGHT_BOX: Final = 0.3  # the box is taught where the hill is higher than this


class Targets(NamedTuple):
    """Arrays on the grid of the output, ``h = H / STRIDE_PX``.

    ``heat (C, h, w)`` in 0..1; ``counts (C, h, w)`` 1 where the heat is taught; ``sides (4, h, w)``
    distances in pixels from the middle of the grid's cell to left, top, right, bottom of the box;
    ``weight (h, w)`` of the boxes' loss.
    """

    heat: NDArray[np.float32]
    counts: NDArray[np.float32]
    sides: NDArray[np.float32]
    weight: NDArray[np.float32]


def targets_of(sample: Sample) -> Targets:
    """Return the targets of a picture whose sides are multiples of the stride."""
    height, width = (side // STRIDE_PX for side in sample.picture.shape[:2])
    heat = np.zeros((len(CLASSES), height, width), np.float32)
    sides = np.ones((4, height, width), np.float32)
    weight = np.zeros((height, width), np.float32)
    xs = (np.arange(width, dtype=np.float32) + 0.5) * STRIDE_PX
    ys = (np.arange(height, dtype=np.float32) + 0.5) * STRIDE_PX
    large_first = np.argsort(-np.prod(sample.boxes[:, 2:] - sample.boxes[:, :2], axis=1))
    for index in large_first:
        left, top, right, bottom = (float(v) for v in sample.boxes[index])
        spread = max(_SPREAD * min(right - left, bottom - top), STRIDE_PX * 0.75)
        hill_x = np.exp(-0.5 * ((xs - (left + right) / 2) / spread) ** 2)
        hill_y = np.exp(-0.5 * ((ys - (top + bottom) / 2) / spread) ** 2)
        hill = hill_y[:, None] * hill_x[None, :]
        column = int(np.clip((left + right) / 2 // STRIDE_PX, 0, width - 1))
        row = int(np.clip((top + bottom) / 2 // STRIDE_PX, 0, height - 1))
        hill[row, column] = 1.0
        kind = int(sample.classes[index])
        np.maximum(heat[kind], hill, out=heat[kind])
        own = hill > np.maximum(weight, _TAUGHT_BOX)
        weight[own] = hill[own]
        for side, value in enumerate(
            (
                np.broadcast_to(xs - left, (height, width)),
                np.broadcast_to((ys - top)[:, None], (height, width)),
                np.broadcast_to(right - xs, (height, width)),
                np.broadcast_to((bottom - ys)[:, None], (height, width)),
            )
        ):
            sides[side][own] = value[own]
    counts = np.ones_like(heat)
    for kind, is_complete in enumerate(sample.complete):
        if not is_complete:  # unlabelled cells may be anywhere: only what is labelled teaches
            counts[kind] = heat[kind] > 0.05
    return Targets(heat, counts, np.maximum(sides, 1.0), weight)
