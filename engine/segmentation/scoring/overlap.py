"""Which pixels agree: the table of confusions and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError

__all__ = ["IGNORED", "Overlap", "check_pair", "confusion", "mean_dice", "overlaps"]

IGNORED: Final = 255
"""In a truth: nobody has looked at this pixel."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Agreement on one class, each in 0..1 and NaN where there is nothing to measure.

    A class in neither mask has no score at all. One that is only predicted has Dice, IoU and
    precision 0 and no recall; one that is missed altogether has Dice, IoU and recall 0 and no
    precision. ``truth_px`` and ``predicted_px`` count pixels.
    """

    dice: float
    iou: float
    precision: float
    recall: float
    truth_px: int
    predicted_px: int


def confusion(
    truth: NDArray[np.uint8], predicted: NDArray[np.uint8], classes: int
) -> NDArray[np.int64]:
    """Return ``(K, K)`` counts of pixels: row the true class, column the predicted one.

    Pixels whose truth is 255 are left out, whatever is predicted there.

    >>> truth = np.array([[0, 1, 1, 255]], np.uint8)
    >>> confusion(truth, np.array([[0, 0, 1, 1]], np.uint8), 2).tolist()
    [[1, 0], [1, 1]]

    Raises
    ------
    InputError
        When the masks differ in shape, or hold other values than the classes.
    """
    check_pair(truth, predicted)
    if not 1 <= classes <= IGNORED:
        raise InputError(f"Expected 1 to {IGNORED} classes, but got {classes}.")
    # One table of all 256 × 256 pairs: a single pass, and strange values show in it.
    pairs = truth.astype(np.uint16) << 8 | predicted
    table = np.bincount(pairs.ravel(), minlength=65536).reshape(256, 256)
    strange_truth = table[classes:IGNORED].sum(axis=1)
    strange_answer = table[:IGNORED, classes:].sum(axis=0)
    for counts, name in ((strange_truth, "truth"), (strange_answer, "prediction")):
        if counts.any():
            value = classes + int(np.flatnonzero(counts)[0])
            raise InputError(
                f"Expected classes 0 to {classes - 1} in the {name}, but it holds {value}; map it "
                "to a class, or in the truth to 255 (not annotated)."
            )
    return np.ascontiguousarray(table[:classes, :classes], np.int64)


def overlaps(table: NDArray[np.int64]) -> tuple[Overlap, ...]:
    """Return the agreement on each class from a table of confusions ``(K, K)``.

    >>> found = overlaps(np.array([[6, 2], [1, 3]]))
    >>> round(found[1].dice, 4), found[1].iou  # 3 agree, 5 predicted, 4 true
    (0.6667, 0.5)
    """
    agreed = np.diag(table)
    truth, predicted = table.sum(axis=1), table.sum(axis=0)
    return tuple(
        _overlap(int(both), int(true), int(found))
        for both, true, found in zip(agreed, truth, predicted, strict=True)
    )


def mean_dice(found: tuple[Overlap, ...]) -> float:
    """Return the mean Dice over the classes but the first (the background) that can be measured.

    NaN when none can: neither mask holds anything.
    """
    values = [overlap.dice for overlap in found[1:] if not np.isnan(overlap.dice)]
    return float(np.mean(values)) if values else float("nan")


def check_pair(truth: NDArray[Any], predicted: NDArray[Any]) -> None:
    """Make sure that two masks are of one shape ``(H, W)`` and ``uint8``.

    Raises
    ------
    InputError
        With what came.
    """
    for mask, name in ((truth, "truth"), (predicted, "prediction")):
        if mask.ndim != 2 or mask.dtype != np.uint8 or not mask.size:
            raise InputError(
                f"Expected the {name} as (height, width) of uint8, but got {mask.shape} of "
                f"{mask.dtype}."
            )
    if truth.shape != predicted.shape:
        raise InputError(
            f"The truth is {truth.shape[1]}×{truth.shape[0]} but the prediction "
            f"{predicted.shape[1]}×{predicted.shape[0]}; bring them to one size."
        )


def _overlap(both: int, true: int, found: int) -> Overlap:
    return Overlap(
        dice=_share(2 * both, true + found),
        iou=_share(both, true + found - both),
        precision=_share(both, found),
        recall=_share(both, true),
        truth_px=true,
        predicted_px=found,
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
