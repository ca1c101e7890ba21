"""Intervals against published values and exact enumeration."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import InputError
from engine.inference.intervals import grouped_bootstrap, wilson


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [
        (5, 10, 0.236593, 0.763407),
        (0, 10, 0.0, 0.277533),
        (10, 10, 0.722467, 1.0),
        (81, 263, 0.255285, 0.366199),
        (1, 29, 0.006113, 0.171755),
    ],
)
def test_wilson_values(successes: int, total: int, low: float, high: float) -> None:
    """Limits as statsmodels' proportion_confint(method="wilson") gives them.

    81/263 and 1/29 are the examples of Newcombe (1998), table I, method 3: 0.2553 to 0.3662 and
    0.0061 to 0.1718.
    """
    found = wilson(successes, total)
    assert found.value == successes / total
    assert (found.low, found.high) == (
        pytest.approx(low, abs=5e-5),
        pytest.approx(high, abs=5e-5),
    )


def test_wilson_of_nothing() -> None:
    """Without a case everything is possible."""
    found = wilson(0, 0)
    assert (found.low, found.high) == (0.0, 1.0)


def test_wilson_is_wider_for_more_confidence() -> None:
    """99 % contains 95 %."""
    inner, outer = wilson(7, 20), wilson(7, 20, confidence=0.99)
    assert outer.low < inner.low < inner.high < outer.high


@pytest.mark.parametrize(("successes", "total"), [(3, 2), (-1, 2)])
def test_impossible_counts_are_refused(successes: int, total: int) -> None:
    """More successes than cases cannot be."""
    with pytest.raises(InputError, match="0 <= successes <= total"):
        wilson(successes, total)


def test_confidence_is_no_percent() -> None:
    """95 is not 0.95."""
    with pytest.raises(InputError, match="confidence should lie between 0 and 1"):
        wilson(1, 2, confidence=95)


def test_groups_are_drawn_whole() -> None:
    """Two groups of ten equal rows: a draw's mean is 0, 0.5 or 1, so the interval is 0..1.

    Drawing rows would give about 0.5 ± 0.22 instead.
    """
    values = np.repeat([0.0, 1.0], 10)
    found = grouped_bootstrap(lambda rows: values[rows].mean(), np.repeat(["x", "y"], 10))
    assert (found.low, found.value, found.high) == (0.0, 0.5, 1.0)


def test_the_bootstrap_of_a_mean_has_its_standard_error() -> None:
    """With 400 single-row groups of 0/1 the half width is 1.96 * sqrt(0.25 / 400) = 0.049."""
    values = np.tile([0.0, 1.0], 200)
    found = grouped_bootstrap(lambda rows: values[rows].mean(), np.arange(400), repeats=2000)
    assert found.high - found.low == pytest.approx(2 * 0.049, rel=0.08)


def test_the_same_seed_gives_the_same_interval() -> None:
    """Reported figures can be repeated."""
    values = np.arange(30.0)
    one, two = (
        grouped_bootstrap(lambda rows: values[rows].mean(), np.arange(30) // 3, seed=4)
        for _ in range(2)
    )
    assert one == two


def test_draws_without_an_answer_are_left_out() -> None:
    """NaN draws are ignored up to half of them; beyond that there is no interval."""
    groups = [0, 1, 2]
    some = grouped_bootstrap(lambda rows: np.nan if 0 not in rows else 1.0, groups)
    assert (some.low, some.high) == (1.0, 1.0)
    with pytest.raises(InputError, match="too few groups"):
        grouped_bootstrap(lambda _: np.nan, groups, repeats=10)


def test_no_rows_no_interval() -> None:
    """Empty input is refused."""
    with pytest.raises(InputError, match="at least one row"):
        grouped_bootstrap(lambda _: 0.0, [])
