"""Agreement of two masks: figures by hand, pixels nobody can agree about, and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.annotation.agreement import compare, difference
from engine.errors import RequestError


def mask(*rows: list[int]) -> NDArray[np.uint8]:
    return np.array(rows, np.uint8)


def test_a_table_done_by_hand() -> None:
    """Cohen's own kind of table: 20 both yes, 15 both no, 5 and 10 apart: kappa is 0.4.

    Agreed 35 of 50 = 0.7; yes 25 and 30 of 50, so by chance 0.5·0.6 + 0.5·0.4 = 0.5;
    (0.7 − 0.5) / (1 − 0.5) = 0.4. Dice of yes: 2·20 / (25 + 30) = 40/55.
    """
    first = mask([1] * 20 + [1] * 5 + [0] * 10 + [0] * 15)
    second = mask([1] * 20 + [0] * 5 + [1] * 10 + [0] * 15)
    found = compare(first, second, ("no", "yes"))
    assert found.kappa == pytest.approx(0.4)
    assert found.dice == {"no": pytest.approx(30 / 45), "yes": pytest.approx(40 / 55)}
    assert (found.both_px, found.agreed_px, found.agreed_share) == (50, 35, 0.7)
    assert found.confusion.tolist() == [[15, 10], [5, 20]]


def test_only_what_both_looked_at_counts() -> None:
    """A pixel that one left out changes no figure, whatever the other said there."""
    short = compare(mask([0, 1, 2, 2]), mask([0, 1, 2, 1]))
    long = compare(mask([0, 1, 2, 2, 255, 1, 255]), mask([0, 1, 2, 1, 2, 255, 255]))
    assert short.both_px == long.both_px == 4
    assert short.dice == long.dice
    assert short.kappa == long.kappa


def test_a_class_that_nobody_used_has_no_dice() -> None:
    """Absent from both is not agreement: the figure is missing, not 1 and not 0."""
    found = compare(mask([0, 1]), mask([0, 1]))
    assert found.dice == {"background": 1.0, "unhealthy": 1.0, "healthy": None}
    assert found.kappa == 1.0


def test_a_class_that_one_alone_used_has_dice_0() -> None:
    """2·0 / (1 + 0) = 0."""
    assert compare(mask([2, 0]), mask([1, 0])).dice == {
        "background": 1.0,
        "unhealthy": 0.0,
        "healthy": 0.0,
    }


@pytest.mark.parametrize(
    ("first", "second"), [([1, 1], [1, 1]), ([255, 0], [0, 255]), ([255, 255], [255, 255])]
)
def test_kappa_is_missing_where_chance_explains_all(first: list[int], second: list[int]) -> None:
    """One class alone, or nothing annotated by both: there is no figure beyond chance."""
    assert compare(mask(first), mask(second)).kappa is None


def test_opposites_have_kappa_minus_1() -> None:
    """Half and half, always apart: agreed 0, by chance 0.5."""
    assert compare(mask([0, 1]), mask([1, 0]), ("a", "b")).kappa == -1.0


def test_large_masks_do_not_overflow() -> None:
    """Products of counts above 2³² are whole numbers all the same: 5,000×5,000, one row apart."""
    first = np.zeros((5000, 5000), np.uint8)
    first[:2500] = 1
    second = np.roll(first, 1, axis=0)
    found = compare(first, second, ("a", "b"))
    assert found.agreed_px == 25_000_000 - 10_000
    assert found.kappa == pytest.approx(1 - 2 * 10_000 / 25_000_000)


def test_where_they_differ() -> None:
    """Only pixels that both annotated may differ."""
    found = difference(mask([0, 1, 255], [2, 2, 0]), mask([0, 2, 1], [2, 255, 1]))
    assert found.tolist() == [[False, True, False], [False, False, True]]


def test_another_size_is_refused() -> None:
    """The sentence names both sizes, width first."""
    with pytest.raises(RequestError, match="3×1 and 2×1"):
        compare(mask([0, 1, 2]), mask([0, 1]))


def test_a_value_without_a_class_is_refused() -> None:
    """Palette values must become classes before they are compared."""
    with pytest.raises(RequestError, match="map them to classes"):
        compare(mask([0, 128]), mask([0, 1]))
