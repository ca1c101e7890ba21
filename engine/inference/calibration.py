"""Make probabilities mean what they say, and measure how far they do.

Arrays in, numbers out: knows no model and no picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import InputError

__all__ = [
    "ReliabilityBin",
    "brier",
    "expected_calibration_error",
    "fit_temperature",
    "negative_log_likelihood",
    "reliability_bins",
    "softmax",
    "temperature_scale",
]

MIN_TEMPERATURE: Final = 0.05
MAX_TEMPERATURE: Final = 20.0
_STEPS: Final = 200
_SUM_TOLERANCE: Final = 1e-3


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Answers whose confidence lies in ``(lower, upper]`` (the first bin includes 0).

    ``confidence`` and ``accuracy`` are means in 0..1; both are 0 for an empty bin.
    """

    lower: float
    upper: float
    count: int
    confidence: float
    accuracy: float


def softmax(logits: ArrayLike) -> NDArray[np.float64]:
    """Return probabilities along the last axis; safe for logits of any size.

    >>> softmax([[0.0, np.log(3.0)]]).round(6).tolist()
    [[0.25, 0.75]]
    >>> softmax([1000.0, 1000.0]).tolist()
    [0.5, 0.5]
    """
    values = np.asarray(logits, dtype=np.float64)
    if values.ndim == 0 or values.shape[-1] == 0 or not np.isfinite(values).all():
        raise InputError(
            f"Logits should be finite numbers with at least one class, but got shape "
            f"{values.shape}{'' if np.isfinite(values).all() else ' with NaN or infinity'}."
        )
    exponents = np.exp(values - values.max(axis=-1, keepdims=True))
    result: NDArray[np.float64] = exponents / exponents.sum(axis=-1, keepdims=True)
    return result


def temperature_scale(logits: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Return ``softmax(logits / temperature)``.

    A temperature above 1 makes answers less sure, below 1 surer; it never changes which class is
    best.

    Raises
    ------
    InputError
        When the temperature is not a finite number above 0.

    References
    ----------
    Guo et al. (2017), On Calibration of Modern Neural Networks, arXiv:1706.04599.
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise InputError(f"The temperature should be above 0, but it is {temperature}.")
    return softmax(np.asarray(logits, dtype=np.float64) / temperature)


def negative_log_likelihood(logits: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean of ``-log p(label)`` in nats; ``logits (N, K)``, ``labels (N,)``."""
    values, truth = _checked(logits, labels)
    return _mean_loss(values, truth, np.ones(len(truth)))


def fit_temperature(
    logits: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None
) -> float:
    """Return the temperature that makes the labels most likely.

    Parameters
    ----------
    logits
        ``(N, K)``, of pictures that were not used for training.
    labels
        ``(N,)`` class indices in 0..K-1.
    weights
        ``(N,)``, at least 0; by default each picture counts alike.

    Returns
    -------
    The minimiser of the mean negative log-likelihood in 0.05..20. The loss is convex in
    1/temperature, so ternary search finds it. When each answer is right (or K is 1) there is no
    finite minimum; the limit is returned.

    Raises
    ------
    InputError
        When shapes, labels or weights do not fit together.
    """
    values, truth = _checked(logits, labels)
    shares = _checked_weights(weights, len(truth))
    low, high = 1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE
    for _ in range(_STEPS):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        if _mean_loss(values * left, truth, shares) <= _mean_loss(values * right, truth, shares):
            high = right
        else:
            low = left
    return 2.0 / (low + high)


def reliability_bins(
    probabilities: ArrayLike, labels: ArrayLike, *, bins: int = 10
) -> tuple[ReliabilityBin, ...]:
    """Return how often answers of each confidence were right, in ``bins`` of equal width.

    Parameters
    ----------
    probabilities
        ``(N, K)``, rows sum to 1.
    labels
        ``(N,)`` class indices.
    bins
        How many, at least 1.
    """
    values, truth = _checked_probabilities(probabilities, labels)
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise InputError(f"bins should be a whole number of at least 1, but it is {bins!r}.")
    confidence = values.max(axis=1)
    right = values.argmax(axis=1) == truth
    edges = np.linspace(0.0, 1.0, bins + 1)
    # side="left" puts a confidence that equals an edge into the bin below it: (lower, upper]
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    return tuple(
        ReliabilityBin(
            lower=float(edges[index]),
            upper=float(edges[index + 1]),
            count=int(inside.sum()),
            confidence=float(confidence[inside].mean()) if inside.any() else 0.0,
            accuracy=float(right[inside].mean()) if inside.any() else 0.0,
        )
        for index in range(bins)
        for inside in (place == index,)
    )


def expected_calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = 10
) -> float:
    """Return the mean gap between confidence and accuracy in 0..1, weighted by the bins' counts.

    >>> expected_calibration_error([[0.9, 0.1], [0.9, 0.1]], [0, 1])
    0.4
    """
    found = reliability_bins(probabilities, labels, bins=bins)
    total = sum(entry.count for entry in found)
    gap = sum(entry.count * abs(entry.accuracy - entry.confidence) for entry in found)
    return round(gap / total, 12)


def brier(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean squared distance to the truth, summed over classes: 0 (best) to 2.

    >>> brier([[1.0, 0.0], [0.5, 0.5]], [0, 0])
    0.25
    """
    values, truth = _checked_probabilities(probabilities, labels)
    wanted = np.eye(values.shape[1])[truth]
    return float(((values - wanted) ** 2).sum(axis=1).mean())


def _mean_loss(
    logits: NDArray[np.float64], labels: NDArray[np.intp], weights: NDArray[np.float64]
) -> float:
    top = logits.max(axis=1)
    partition = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    losses = partition - logits[np.arange(len(labels)), labels]
    return float((losses * weights).sum() / weights.sum())


def _checked(scores: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    values, truth = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if values.ndim != 2 or not values.size or truth.shape != values.shape[:1]:
        raise InputError(
            f"Expected scores (N, K) and labels (N,) with N and K of at least 1, but got "
            f"{values.shape} and {truth.shape}."
        )
    if not np.isfinite(values).all():
        raise InputError("Expected finite scores, but some are NaN or infinite.")
    if truth.dtype.kind not in "iu" or truth.min() < 0 or truth.max() >= values.shape[1]:
        raise InputError(
            f"Labels should be whole numbers from 0 to {values.shape[1] - 1}, but they are "
            f"{truth.dtype} from {truth.min()} to {truth.max()}."
        )
    return values, truth.astype(np.intp)


def _checked_probabilities(
    probabilities: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    values, truth = _checked(probabilities, labels)
    sums = values.sum(axis=1)
    if values.min() < 0 or np.abs(sums - 1).max() > _SUM_TOLERANCE:
        raise InputError(
            f"Probabilities should be at least 0 and sum to 1 in each row, but they reach "
            f"{values.min():.3g} and sum to {sums.min():.3g}..{sums.max():.3g}; apply softmax."
        )
    return values, truth


def _checked_weights(weights: ArrayLike | None, count: int) -> NDArray[np.float64]:
    if weights is None:
        return np.ones(count)
    shares = np.asarray(weights, dtype=np.float64)
    if shares.shape != (count,) or not np.isfinite(shares).all() or shares.min() < 0:
        raise InputError(f"Expected {count} weights of at least 0, but got shape {shares.shape}.")
    if shares.sum() <= 0:
        raise InputError("Expected at least one weight above 0, but all are 0.")
    return shares
