"""From the network's maps to boxes: peaks of the heat, their boxes, overlapping ones thinned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from engine.cells.network.layout import STRIDE_PX

__all__ = ["Boxes", "boxes_of", "merged", "overlaps"]

_PEAK: Final = 3  # cells of the grid in which only the highest counts
_SAME: Final = 0.5  # overlap (IoU) above which two boxes of one class are one cell
_SAME_ANY: Final = 0.75  # the same between classes
_MOST: Final = 3000


class Boxes(NamedTuple):
    """``corners (N, 4) float32`` in pixels, ``classes (N,)``, ``scores (N,)``; best first."""

    corners: NDArray[np.float32]
    classes: NDArray[np.int64]
    scores: NDArray[np.float32]


def boxes_of(
    heat: NDArray[np.float32],
    sides: NDArray[np.float32],
    *,
    threshold: float,
    stride_px: float = STRIDE_PX,
) -> Boxes:
    """Return the boxes of one picture.

    ``heat`` is ``(C, h, w)`` in 0..1, ``sides`` is ``(4, h, w)`` in pixels of the network's input.
    ``stride_px`` is the size of the grid's cell in pixels of the answer.
    """
    highest = ndimage.maximum_filter(heat, size=(1, _PEAK, _PEAK))
    kinds, rows, columns = np.nonzero((heat == highest) & (heat >= threshold))
    scores = heat[kinds, rows, columns]
    best = np.argsort(-scores, kind="stable")[:_MOST]
    kinds, rows, columns, scores = kinds[best], rows[best], columns[best], scores[best]
    x, y = (columns + 0.5) * stride_px, (rows + 0.5) * stride_px
    left, top, right, bottom = sides[:, rows, columns] * (stride_px / STRIDE_PX)
    corners = np.stack([x - left, y - top, x + right, y + bottom], axis=1).astype(np.float32)
    kept = _thinned(corners, kinds)
    return Boxes(corners[kept], kinds[kept].astype(np.int64), scores[kept].astype(np.float32))


def merged(parts: Sequence[Boxes]) -> Boxes:
    """Return the boxes of overlapping parts as one list, each cell once, best first."""
    whole = Boxes(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
    best = np.argsort(-whole.scores, kind="stable")
    kept = best[_thinned(whole.corners[best], whole.classes[best])]
    return Boxes(whole.corners[kept], whole.classes[kept], whole.scores[kept])


def _thinned(corners: NDArray[np.float32], kinds: NDArray[np.int64]) -> list[int]:
    """Keep a box unless a better one of its class, or nearly the same one of another, is kept."""
    kept: list[int] = []
    for index in range(len(corners)):
        if kept:
            shares = overlaps(corners[index : index + 1], corners[kept])[0]
            limit = np.where(kinds[kept] == kinds[index], _SAME, _SAME_ANY)
            if np.any(shares > limit):
                continue
        kept.append(index)
    return kept


def overlaps(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return intersection over union of each box with each other, ``(N, M)`` in 0..1.

    >>> one, others = np.array([[0, 0, 2, 2.0]]), np.array([[1, 0, 3, 2.0], [5, 5, 6, 6]])
    >>> overlaps(one, others).tolist() == [[np.float32(1 / 3), 0.0]]
    True
    """
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(np.maximum(b[:, 2:] - b[:, :2], 0), axis=1) for b in (first, second)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    return np.asarray(shared / np.maximum(union, 1e-9), dtype=np.float32)
