"""Whether the same things were found: connected objects, matched by how far they overlap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.segmentation.scoring.overlap import IGNORED, check_pair

__all__ = ["ObjectScore", "match_objects"]

_IOU: Final = 0.5
_NEIGHBOURS: Final = 8


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectScore:
    """Objects found, invented and missed. Shares are NaN where there is nothing to measure."""

    found: int
    invented: int
    missed: int

    @property
    def precision(self) -> float:
        """Share of the predicted objects that are true ones."""
        return _share(self.found, self.found + self.invented)

    @property
    def recall(self) -> float:
        """Share of the true objects that were found."""
        return _share(self.found, self.found + self.missed)

    @property
    def f1(self) -> float:
        """Harmonic mean of both: ``2 found / (2 found + invented + missed)``."""
        return _share(2 * self.found, 2 * self.found + self.invented + self.missed)


def match_objects(
    truth: NDArray[np.uint8],
    predicted: NDArray[np.uint8],
    value: int,
    *,
    iou: float = _IOU,
    smallest_px: int = 1,
) -> ObjectScore:
    """Match the objects of class ``value`` in two masks ``(H, W) uint8``.

    An object is what hangs together, also over corners (8 neighbours). Pairs are taken from the
    largest IoU down to ``iou`` (included), each object once. Pixels that nobody annotated (255 in
    the truth) are cut from both masks; a predicted object of which more than half lies there is
    left out, since nobody knows. Predicted and true objects below ``smallest_px`` are left out.

    Raises
    ------
    InputError
        When the masks do not fit each other, or ``iou`` is not in (0, 1].
    """
    check_pair(truth, predicted)
    if not 0.0 < iou <= 1.0:
        raise InputError(f"The IoU from which objects match must be in (0, 1], but is {iou:g}.")
    known = truth != IGNORED
    true_labels, true_sizes = _labelled((truth == value) & known)
    whole_labels, whole_sizes = _labelled(predicted == value)
    kept_sizes = np.bincount(whole_labels[known], minlength=len(whole_sizes))
    unknown = (whole_sizes > 0) & (2 * kept_sizes < whole_sizes)
    found_labels = np.where(known & ~unknown[whole_labels], whole_labels, 0)
    found_sizes = np.bincount(found_labels.ravel(), minlength=len(whole_sizes))
    found_sizes[0] = 0
    is_true, is_found = true_sizes >= smallest_px, found_sizes >= smallest_px
    hits = _pairs(true_labels, found_labels, true_sizes, found_sizes, is_true, is_found, iou)
    return ObjectScore(
        found=hits, invented=int(is_found.sum()) - hits, missed=int(is_true.sum()) - hits
    )


def _labelled(inside: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return a number for each object (0 outside), and the pixels of each (0 for 0)."""
    count, labels = cv2.connectedComponents(inside.view(np.uint8), connectivity=_NEIGHBOURS)
    sizes = np.bincount(labels.ravel(), minlength=count)
    sizes[0] = 0
    return np.asarray(labels, np.int32), sizes


def _pairs(
    true_labels: NDArray[np.int32],
    found_labels: NDArray[np.int32],
    true_sizes: NDArray[np.int64],
    found_sizes: NDArray[np.int64],
    is_true: NDArray[np.bool_],
    is_found: NDArray[np.bool_],
    iou: float,
) -> int:
    """Return how many pairs reach the IoU, the best first, each object once."""
    both = (true_labels > 0) & (found_labels > 0)
    keys = true_labels[both].astype(np.int64) * len(found_sizes) + found_labels[both]
    pairs, shared = np.unique(keys, return_counts=True)
    true_at, found_at = pairs // len(found_sizes), pairs % len(found_sizes)
    union = true_sizes[true_at] + found_sizes[found_at] - shared
    # Compared as whole numbers as far as it goes: an IoU of exactly 0.5 has to count.
    good = (shared >= iou * union - 1e-9) & is_true[true_at] & is_found[found_at]
    order = np.argsort(-(shared / union), kind="stable")
    taken_true: set[int] = set()
    taken_found: set[int] = set()
    for at in order[good[order]].tolist():
        pair = int(true_at[at]), int(found_at[at])
        if pair[0] not in taken_true and pair[1] not in taken_found:
            taken_true.add(pair[0])
            taken_found.add(pair[1])
    return len(taken_true)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
