"""Average precision of boxes, as Pascal VOC (from 2010) and COCO at IoU 0.5 define it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.cells.network.decoding import Boxes, overlaps

__all__ = ["Scored", "average_precision", "best_threshold", "matched"]


class Scored(NamedTuple):
    """Boxes of one class over all pictures, best first, and how many there should be.

    ``hits (N,)``: the box is the best one of a true cell; ``scores (N,)`` in 0..1.
    """

    hits: NDArray[np.bool_]
    scores: NDArray[np.float32]
    wanted: int


def matched(
    answers: Sequence[Boxes],
    truths: Sequence[tuple[NDArray[np.float32], NDArray[np.int64]]],
    kind: int,
    *,
    share: float = 0.5,
) -> Scored:
    """Match the boxes of one class with the truth, picture by picture, best first.

    A box hits when its IoU with a true cell that nobody has hit is at least ``share``.
    ``truths`` are corners ``(M, 4)`` and classes ``(M,)`` for each picture.
    """
    hits: list[bool] = []
    scores: list[float] = []
    wanted = 0
    for answer, (corners, classes) in zip(answers, truths, strict=True):
        true = corners[classes == kind]
        wanted += len(true)
        free = np.ones(len(true), bool)
        own = answer.classes == kind
        shares = overlaps(answer.corners[own], true)
        for row, score in zip(shares, answer.scores[own], strict=True):
            open_shares = np.where(free, row, 0.0)
            best = int(np.argmax(open_shares)) if len(true) else -1
            is_hit = best >= 0 and bool(open_shares[best] >= share)
            if is_hit:
                free[best] = False
            hits.append(is_hit)
            scores.append(float(score))
    order = np.argsort(-np.array(scores, np.float32), kind="stable")
    return Scored(np.array(hits, bool)[order], np.array(scores, np.float32)[order], wanted)


def average_precision(scored: Scored) -> float:
    """Return the area under the precision envelope over recall, in 0..1.

    >>> hits = np.array([True, False, True])
    >>> round(average_precision(Scored(hits, np.ones(3, np.float32), 2)), 4)  # 0.5 * 1 + 0.5 * 2/3
    0.8333
    """
    if scored.wanted == 0:
        return float("nan")
    found = np.cumsum(scored.hits)
    recall = found / scored.wanted
    precision = found / np.arange(1, len(found) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(np.concatenate([[0.0], recall]))
    return float(np.sum(steps * envelope))


def best_threshold(scored: Scored) -> tuple[float, float]:
    """Return the score from which on F1 is highest, and that F1."""
    if len(scored.hits) == 0 or scored.wanted == 0:
        return 0.5, 0.0
    found = np.cumsum(scored.hits)
    f1 = 2 * found / (np.arange(1, len(found) + 1) + scored.wanted)
    best = int(np.argmax(f1))
    return float(scored.scores[best]), float(f1[best])
