"""Sets of classes that hold the true one with a promised probability (split conformal).

A picture's *nonconformity* to a class is ``1 - p(class)``. On calibration pictures (not used for
training or for the temperature) the threshold ``q`` of a class is the nonconformity of rank
``ceil((n + 1) * coverage)`` among its ``n`` pictures, counted from the smallest; a new picture
keeps each class with ``1 - p(class) <= q``. If calibration and new pictures are exchangeable,
the true class is kept with a probability of at least ``coverage``: for each class by itself when
thresholds are class-conditional, on average over classes when there is one threshold.

Tiny classes: with ``n < coverage / (1 - coverage)`` pictures (9 for 0.9) no finite rank can keep
the promise, so the threshold is 1.0 and the class is in every set. A set may also be empty: the
picture is then unlike the calibration pictures of every class, and the caller should say
"uncertain".

References
----------
Vovk (2012), Conditional validity of inductive conformal predictors (class-conditional form);
Angelopoulos & Bates (2021), arXiv:2107.07511, section 1 (finite-sample quantile).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import InputError
from engine.inference.intervals import Interval, wilson

__all__ = [
    "ALWAYS_KEPT",
    "CoverageReport",
    "fit_thresholds",
    "measure_coverage",
    "minimum_pictures",
    "prediction_set",
]

ALWAYS_KEPT: Final = 1.0
"""The threshold of a class with too few calibration pictures: ``1 - p`` never exceeds it."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageReport:
    """How often sets held the true class, on pictures not used for the thresholds.

    ``by_class`` leaves out classes without a picture. ``mean_size`` is in classes per set;
    ``single`` and ``empty`` are shares of the sets in 0..1.
    """

    overall: Interval
    by_class: Mapping[str, Interval]
    mean_size: float
    single: float
    empty: float


def minimum_pictures(coverage: float) -> int:
    """Return how many calibration pictures a class needs for a threshold below 1.

    >>> minimum_pictures(0.9), minimum_pictures(0.95)
    (9, 19)
    """
    exact = _exact(coverage)
    return math.ceil(exact / (1 - exact))


def fit_thresholds(
    probabilities: ArrayLike,
    labels: ArrayLike,
    *,
    classes: Sequence[str],
    coverage: float = 0.9,
    class_conditional: bool = True,
) -> dict[str, float]:
    """Return a threshold in 0..1 for each class.

    Parameters
    ----------
    probabilities
        ``(N, K)`` calibrated probabilities of the calibration pictures.
    labels
        ``(N,)`` class indices.
    classes
        the K class names.
    coverage
        promised probability, between 0 and 1.
    class_conditional
        one threshold for each class (default), or one for all.

    Raises
    ------
    InputError
        When shapes, labels or coverage do not fit.

    Examples
    --------
    Nine pictures of class "a" at coverage 0.8: rank ceil(10 * 0.8) = 8 of 9.

    >>> p = np.arange(1, 10) / 10
    >>> thresholds = fit_thresholds(
    ...     np.stack([p, 1 - p], axis=1), np.zeros(9, int), classes=["a", "b"], coverage=0.8
    ... )
    >>> {name: round(q, 6) for name, q in thresholds.items()}
    {'a': 0.8, 'b': 1.0}
    """
    values, truth = _checked(probabilities, labels, classes)
    exact = _exact(coverage)
    nonconformity = 1.0 - values[np.arange(len(truth)), truth]
    if not class_conditional:
        shared = _quantile(nonconformity, exact)
        return dict.fromkeys(classes, shared)
    return {
        name: _quantile(nonconformity[truth == index], exact) for index, name in enumerate(classes)
    }


def prediction_set(
    probabilities: ArrayLike, thresholds: Mapping[str, float], classes: Sequence[str]
) -> tuple[str, ...]:
    """Return the classes that stay possible, the most probable first; may be empty.

    Parameters
    ----------
    probabilities
        ``(K,)`` of one picture.
    thresholds
        from :func:`fit_thresholds`.
    classes
        the K class names, in the order of ``probabilities``.

    Examples
    --------
    >>> prediction_set([0.7, 0.25, 0.05], {"a": 0.5, "b": 0.8, "c": 0.9}, ["a", "b", "c"])
    ('a', 'b')
    """
    values = np.asarray(probabilities, dtype=np.float64)
    if values.shape != (len(classes),) or not np.isfinite(values).all():
        raise InputError(
            f"Expected {len(classes)} finite probabilities, one for each of {list(classes)}, but "
            f"got shape {values.shape}."
        )
    missing = [name for name in classes if name not in thresholds]
    if missing:
        raise InputError(f"Expected a threshold for each class, but there is none for {missing}.")
    order = np.argsort(-values, kind="stable")
    return tuple(classes[i] for i in order if 1.0 - values[i] <= thresholds[classes[i]])


def measure_coverage(
    probabilities: ArrayLike,
    labels: ArrayLike,
    thresholds: Mapping[str, float],
    classes: Sequence[str],
) -> CoverageReport:
    """Return how often the sets of these pictures hold the true class, with 95 % intervals."""
    values, truth = _checked(probabilities, labels, classes)
    sets = [prediction_set(row, thresholds, classes) for row in values]
    held = np.array([classes[label] in kept for label, kept in zip(truth, sets, strict=True)])
    sizes = np.array([len(kept) for kept in sets])
    return CoverageReport(
        overall=wilson(int(held.sum()), len(held)),
        by_class={
            name: wilson(int(held[truth == i].sum()), int((truth == i).sum()))
            for i, name in enumerate(classes)
            if (truth == i).any()
        },
        mean_size=float(sizes.mean()),
        single=float((sizes == 1).mean()),
        empty=float((sizes == 0).mean()),
    )


def _quantile(nonconformity: NDArray[np.float64], coverage: Fraction) -> float:
    count = len(nonconformity)
    rank = math.ceil((count + 1) * coverage)
    if rank > count:
        return ALWAYS_KEPT
    return float(np.sort(nonconformity)[rank - 1])


def _exact(coverage: float) -> Fraction:
    """Return the decimal that was meant: in binary, 30 * 0.9 would round up to rank 28."""
    if not 0.0 < coverage < 1.0:
        raise InputError(f"The coverage should lie between 0 and 1, but it is {coverage}.")
    return Fraction(str(coverage))


def _checked(
    probabilities: ArrayLike, labels: ArrayLike, classes: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    values, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    if values.ndim != 2 or values.shape[1] != len(classes) or truth.shape != values.shape[:1]:
        raise InputError(
            f"Expected probabilities (N, {len(classes)}) and labels (N,), but got {values.shape} "
            f"and {truth.shape}."
        )
    if not values.size or not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise InputError("Expected at least one picture with probabilities in 0..1.")
    if truth.dtype.kind not in "iu" or truth.min() < 0 or truth.max() >= len(classes):
        raise InputError(
            f"Labels should be whole numbers from 0 to {len(classes) - 1}, but they are "
            f"{truth.dtype} from {truth.min()} to {truth.max()}."
        )
    return values, truth.astype(np.intp)
