"""Whether probabilities of pixels mean what they say: counted picture by picture."""

from __future__ import annotations

from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.inference.calibration import ReliabilityBin
from engine.segmentation.scoring.overlap import IGNORED

__all__ = ["ReliabilityTally"]

_BINS: Final = 10


@final
class ReliabilityTally:
    """Counts how often answers of each confidence were right, in constant memory.

    The bins are those of :func:`engine.inference.calibration.reliability_bins`: equal widths over
    0..1, a confidence on an edge in the bin below it.
    """

    def __init__(self, *, bins: int = _BINS) -> None:
        if bins < 1:
            raise InputError(f"bins should be at least 1, but it is {bins}.")
        self._edges = np.linspace(0.0, 1.0, bins + 1)
        self._counts = np.zeros(bins, np.int64)
        self._right = np.zeros(bins, np.int64)
        self._confidence = np.zeros(bins, np.float64)

    def add(self, probabilities: NDArray[np.floating], truth: NDArray[np.uint8]) -> None:
        """Count the annotated pixels of one picture; ``(K, H, W)`` in 0..1, ``(H, W) uint8``.

        Raises
        ------
        InputError
            When the shapes do not fit each other.
        """
        if probabilities.ndim != 3 or probabilities.shape[1:] != truth.shape:
            raise InputError(
                f"Expected probabilities (K, H, W) for a truth {truth.shape}, but got "
                f"{probabilities.shape}."
            )
        known = truth != IGNORED
        confidence = probabilities.max(axis=0)[known]
        right = (probabilities.argmax(axis=0) == truth)[known]
        bins = len(self._counts)
        place = np.clip(np.searchsorted(self._edges, confidence, side="left") - 1, 0, bins - 1)
        self._counts += np.bincount(place, minlength=bins)
        self._right += np.bincount(place[right], minlength=bins)
        self._confidence += np.bincount(place, confidence, bins)

    def bins(self) -> tuple[ReliabilityBin, ...]:
        """Return what was counted."""
        divisor = np.maximum(self._counts, 1)
        return tuple(
            ReliabilityBin(
                lower=float(self._edges[at]),
                upper=float(self._edges[at + 1]),
                count=int(self._counts[at]),
                confidence=float(self._confidence[at] / divisor[at]),
                accuracy=float(self._right[at] / divisor[at]),
            )
            for at in range(len(self._counts))
        )

    @property
    def expected_calibration_error(self) -> float:
        """Mean gap between confidence and accuracy, weighted by pixels; NaN without any."""
        total = int(self._counts.sum())
        if not total:
            return float("nan")
        return float(np.abs(self._confidence - self._right).sum() / total)
