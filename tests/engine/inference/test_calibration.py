"""Temperature, calibration error and Brier score against hand arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InputError
from engine.inference import calibration


def test_softmax_of_log_odds() -> None:
    """Logits log 1, log 2, log 5 are probabilities 1/8, 2/8, 5/8."""
    found = calibration.softmax(np.log([1.0, 2.0, 5.0]))
    np.testing.assert_allclose(found, [0.125, 0.25, 0.625], atol=1e-12)


def test_temperature_two_takes_square_roots() -> None:
    """Dividing log-odds by 2 takes roots: 1 and 9 become 1 and 3, so 1/4 and 3/4."""
    found = calibration.temperature_scale(np.log([[1.0, 9.0]]), 2.0)
    np.testing.assert_allclose(found, [[0.25, 0.75]], atol=1e-12)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_is_above_zero(temperature: float) -> None:
    """Other temperatures are refused."""
    with pytest.raises(InputError, match="temperature should be above 0"):
        calibration.temperature_scale([[0.0, 1.0]], temperature)


def test_the_fitted_temperature_matches_the_accuracy() -> None:
    """Two classes, one logit gap g, share a right: the optimum has sigmoid(g / T) = a.

    With g = 4 and 3 of 4 right, T = 4 / log(0.75 / 0.25) = 4 / log 3 = 3.641.
    """
    logits = np.array([[4.0, 0.0]] * 4)
    found = calibration.fit_temperature(logits, [0, 0, 0, 1])
    assert found == pytest.approx(4 / np.log(3), rel=1e-6)


def test_weights_count_as_repeats() -> None:
    """A picture of weight 3 counts as three pictures."""
    once = calibration.fit_temperature([[4.0, 0.0]] * 2, [0, 1], weights=[3, 1])
    assert once == pytest.approx(4 / np.log(3), rel=1e-6)


def test_answers_that_are_always_right_reach_the_limit() -> None:
    """Without an error there is no finite optimum: the smallest temperature is returned."""
    assert calibration.fit_temperature([[1.0, 0.0]], [0]) == pytest.approx(0.05, rel=1e-6)
    assert calibration.fit_temperature([[1.0, 0.0]], [1]) == pytest.approx(20.0, rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.3, 4.0), st.integers(0, 1000))
def test_the_fit_is_the_best_of_a_grid(sharpness: float, seed: int) -> None:
    """No temperature of a fine grid is better than the fitted one."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(60, 3)) * sharpness
    labels = random.integers(0, 3, 60)
    found = calibration.fit_temperature(logits, labels)
    best = calibration.negative_log_likelihood(logits / found, labels)
    grid = np.geomspace(0.05, 20.0, 200)
    losses = [calibration.negative_log_likelihood(logits / t, labels) for t in grid]
    assert best <= min(losses) + 1e-9


def test_calibration_error_by_hand() -> None:
    """Bin (0.5, 0.6]: 2 answers at 0.6, 1 right, gap 0.1; bin (0.8, 0.9]: 2 at 0.9, 1 right, 0.4.

    Weighted: (2 * 0.1 + 2 * 0.4) / 4 = 0.25.
    """
    probabilities = [[0.6, 0.4], [0.4, 0.6], [0.9, 0.1], [0.9, 0.1]]
    assert calibration.expected_calibration_error(probabilities, [0, 0, 0, 1]) == pytest.approx(
        0.25
    )


def test_bins_by_hand() -> None:
    """An edge belongs to the bin below it; empty bins count 0; 1.0 is in the last bin."""
    bins = calibration.reliability_bins([[0.5, 0.5], [1.0, 0.0], [0.7, 0.3]], [0, 1, 0], bins=2)
    assert [(b.lower, b.upper, b.count) for b in bins] == [(0.0, 0.5, 1), (0.5, 1.0, 2)]
    assert (bins[0].confidence, bins[0].accuracy) == (0.5, 1.0)
    assert (bins[1].confidence, bins[1].accuracy) == (pytest.approx(0.85), 0.5)
    empty = calibration.reliability_bins([[1.0, 0.0]], [0], bins=4)[0]
    assert (empty.count, empty.confidence, empty.accuracy) == (0, 0.0, 0.0)


def test_brier_by_hand() -> None:
    """(0.3² + 0.3²) and (0.8² + 0.8²) have the mean 0.73."""
    assert calibration.brier([[0.7, 0.3], [0.8, 0.2]], [0, 1]) == pytest.approx(0.73)


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        ([0.5, 0.5], [0], r"scores \(N, K\) and labels \(N,\)"),
        ([[0.5, 0.5]], [0, 1], r"scores \(N, K\) and labels \(N,\)"),
        (np.empty((0, 2)), np.empty(0, int), r"N and K of at least 1"),
        ([[0.5, 0.5]], [2], "whole numbers from 0 to 1"),
        ([[0.5, 0.5]], [-1], "whole numbers from 0 to 1"),
        ([[0.5, 0.5]], [0.0], "whole numbers from 0 to 1"),
        ([[0.5, np.nan]], [0], "NaN or infinite"),
        ([[2.0, 3.0]], [0], "sum to 1 in each row.*apply softmax"),
        ([[1.5, -0.5]], [0], "at least 0 and sum to 1"),
    ],
)
def test_what_is_no_probability_is_refused(
    probabilities: object, labels: object, message: str
) -> None:
    """Shapes, labels and sums are checked, with a sentence."""
    with pytest.raises(InputError, match=message):
        calibration.brier(probabilities, labels)


@pytest.mark.parametrize("weights", [[1.0], [-1.0, 1.0], [0.0, 0.0], [np.nan, 1.0]])
def test_wrong_weights_are_refused(weights: list[float]) -> None:
    """Weights are one for each picture, at least 0, not all 0."""
    with pytest.raises(InputError, match=r"weights of at least 0|weight above 0"):
        calibration.fit_temperature([[1.0, 0.0]] * 2, [0, 1], weights=weights)


def test_bins_are_at_least_one() -> None:
    """No bins, no error."""
    with pytest.raises(InputError, match="bins should be a whole number of at least 1"):
        calibration.reliability_bins([[1.0, 0.0]], [0], bins=0)


def test_infinite_logits_are_refused() -> None:
    """A network that overflowed does not become a confident answer."""
    with pytest.raises(InputError, match="Logits should be finite"):
        calibration.softmax([np.inf, 0.0])
