"""Shares with intervals, and how many more to count."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from engine.cells.differential import differential, more_to_count, more_to_count_of


def test_intervals_are_those_of_scipy() -> None:
    """Each share's limits agree with another library's Wilson interval."""
    for one in differential({"RBC": 61, "WBC-Other": 7, "Platelet": 0}):
        expected = binomtest(one.count, 68).proportion_ci(method="wilson")
        assert (one.share.low, one.share.high) == pytest.approx(
            (expected.low, expected.high), abs=1e-9
        )


def test_the_most_frequent_kind_comes_first_and_empty_kinds_stay() -> None:
    """A kind that was looked for and not found has a share of 0 with an upper limit."""
    rows = differential({"B": 2, "C": 0, "A": 5})
    assert [one.name for one in rows] == ["A", "B", "C"]
    assert rows[2].share.value == 0
    assert 0 < rows[2].share.high < 1


@pytest.mark.parametrize(("count", "total"), [(5, 10), (1, 20), (0, 8), (30, 40), (2, 300)])
def test_more_is_the_least_number_that_suffices(count: int, total: int) -> None:
    """With that many more the half width is at most 5 %; with one fewer it is more."""
    more = more_to_count_of(count, total)
    number = total + more

    def half(cells: int) -> float:
        z = 1.959963984540054
        p = count / total
        return z / (1 + z * z / cells) * (p * (1 - p) / cells + z * z / (4 * cells**2)) ** 0.5

    assert half(number) <= 0.05
    assert more == 0 or half(number - 1) > 0.05


def test_enough_is_enough() -> None:
    """A thousand cells need no more; the worst share decides for all."""
    assert more_to_count({"A": 500, "B": 500}) == 0
    assert more_to_count({"A": 5, "B": 5}) == max(
        one.more for one in differential({"A": 5, "B": 5})
    )


def test_nothing_counted_is_the_worst_case() -> None:
    """Without a cell the interval is 0..1, and one half is assumed."""
    assert differential({}) == ()
    (only,) = differential({"A": 0})
    assert (only.share.low, only.share.high, only.more) == (0.0, 1.0, 381)
