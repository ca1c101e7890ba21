"""Reliability of pixels: counted in parts, it is what is counted at once."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import InputError
from engine.inference.calibration import expected_calibration_error, reliability_bins
from engine.segmentation.scoring import ReliabilityTally


def _picture(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    raw = random.gamma(0.7, size=(3, 20, 30))
    return raw / raw.sum(axis=0), random.integers(0, 3, (20, 30)).astype(np.uint8)


def test_pictures_add_up() -> None:
    """Three pictures one after another give the bins of all their pixels together."""
    tally = ReliabilityTally()
    pictures = [_picture(seed) for seed in range(3)]
    for probabilities, truth in pictures:
        tally.add(probabilities, truth)
    pixels = np.concatenate([p.reshape(3, -1).T for p, _ in pictures])
    labels = np.concatenate([truth.ravel() for _, truth in pictures])
    for ours, theirs in zip(tally.bins(), reliability_bins(pixels, labels), strict=True):
        assert ours.count == theirs.count
        assert (ours.confidence, ours.accuracy) == (
            pytest.approx(theirs.confidence),
            pytest.approx(theirs.accuracy),
        )
    assert tally.expected_calibration_error == pytest.approx(
        expected_calibration_error(pixels, labels), abs=1e-9
    )


def test_a_bin_by_hand() -> None:
    """Four pixels of confidence 0.9, three right and one not annotated: accuracy 2/3."""
    probabilities = np.stack([np.full((1, 4), 0.1), np.full((1, 4), 0.9)])
    tally = ReliabilityTally()
    tally.add(probabilities, np.array([[1, 1, 0, 255]], np.uint8))
    filled = [one for one in tally.bins() if one.count]
    assert len(filled) == 1
    assert (filled[0].count, filled[0].accuracy) == (3, pytest.approx(2 / 3))
    assert tally.expected_calibration_error == pytest.approx(0.9 - 2 / 3)


def test_nothing_counted() -> None:
    """Without an annotated pixel there is no error to tell."""
    tally = ReliabilityTally(bins=5)
    tally.add(np.full((2, 3, 3), 0.5), np.full((3, 3), 255, np.uint8))
    assert np.isnan(tally.expected_calibration_error)
    assert [one.count for one in tally.bins()] == [0] * 5


def test_what_does_not_fit_is_refused() -> None:
    """Probabilities of another size, and no bins at all."""
    with pytest.raises(InputError, match=r"\(K, H, W\)"):
        ReliabilityTally().add(np.full((2, 3, 3), 0.5), np.zeros((3, 4), np.uint8))
    with pytest.raises(InputError, match="at least 1"):
        ReliabilityTally(bins=0)
