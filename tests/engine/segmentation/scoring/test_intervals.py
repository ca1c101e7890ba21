"""Intervals over groups: exact enumeration, and pairs whose difference is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from engine.errors import InputError
from engine.segmentation.scoring import mean_interval, paired_bootstrap


def test_limits_come_near_the_exact_distribution() -> None:
    """Three groups have 27 draws; the percentiles of their means are what the draws approach."""
    values, groups = [0.2, 0.4, 0.9, 0.5], ["a", "a", "b", "c"]
    sums = {"a": (0.6, 2), "b": (0.9, 1), "c": (0.5, 1)}
    means = [
        sum(sums[name][0] for name in drawn) / sum(sums[name][1] for name in drawn)
        for drawn in itertools.product("abc", repeat=3)
    ]
    low, high = np.quantile(np.repeat(means, 1000), [0.025, 0.975])
    found = mean_interval(values, groups, repeats=20_000)
    assert found.value == pytest.approx(0.5)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_copies_of_a_group_do_not_make_it_surer() -> None:
    """Ten copies of each picture in the picture's group leave the interval as it was."""
    values = np.random.default_rng(0).uniform(size=12)
    names = [f"g{at}" for at in range(12)]
    once = mean_interval(values, names)
    often = mean_interval(np.repeat(values, 10), np.repeat(names, 10).tolist())
    assert (often.low, often.high) == (pytest.approx(once.low), pytest.approx(once.high))
    alone = mean_interval(np.repeat(values, 10), [""] * 120)
    assert alone.high - alone.low < 0.5 * (once.high - once.low)


def test_what_cannot_be_measured_is_left_out() -> None:
    """NaN and infinite values are no part of the mean."""
    found = mean_interval([0.5, float("nan"), 0.7, float("inf")], ["a", "b", "c", "d"])
    assert found.value == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("values", "groups", "value"),
    [([], [], np.nan), ([np.nan], ["a"], np.nan), ([0.4, 0.6], ["a", "a"], 0.5)],
)
def test_one_group_tells_nothing_about_others(
    values: list[float], groups: list[str], value: float
) -> None:
    """Without two groups there are no limits."""
    found = mean_interval(values, groups)
    assert found.value == pytest.approx(value, nan_ok=True)
    assert np.isnan([found.low, found.high]).all()


def test_a_model_that_is_better_everywhere() -> None:
    """The same 0.05 on each picture: the interval is that number, however the pictures differ."""
    first = np.random.default_rng(1).uniform(0.2, 0.9, 15)
    found = paired_bootstrap(first, first + 0.05, [""] * 15)
    assert found.interval.value == pytest.approx(0.05)
    assert (found.interval.low, found.interval.high) == (pytest.approx(0.05), pytest.approx(0.05))
    assert found.second_is_better == 1.0
    assert found.is_clear
    assert (found.pictures, found.groups) == (15, 15)


def test_two_equal_models() -> None:
    """A model against itself: no difference, and neither is the better one."""
    values = [0.5, 0.8, np.nan]
    found = paired_bootstrap(values, values, ["a", "b", "c"])
    assert (found.interval.value, found.second_is_better) == (0.0, 0.5)
    assert not found.is_clear
    assert found.pictures == 2


def test_pairs_need_both() -> None:
    """Different numbers of pictures are refused; without any pair nothing is known."""
    with pytest.raises(InputError, match="each picture"):
        paired_bootstrap([0.1, 0.2], [0.1], ["a", "b"])
    nothing = paired_bootstrap([np.nan], [0.5], ["a"])
    assert np.isnan(nothing.interval.value)
    assert np.isnan(nothing.second_is_better)
    assert not nothing.is_clear


def test_bad_numbers_are_refused() -> None:
    """Groups must fit the values; a confidence lies between 0 and 1."""
    with pytest.raises(InputError, match="a group for each value"):
        mean_interval([0.1, 0.2], ["a"])
    with pytest.raises(InputError, match="confidence"):
        mean_interval([0.1, 0.2], ["a", "b"], confidence=1.0)
