"""Between slices: a cone and a cylinder whose sections are known, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from engine.annotation.automask.between import between
from engine.errors import RequestError


def disc(radius: float, *, middle: float = 40.0) -> np.ndarray:
    """Return a slice of 80×80: state 1 in a disc, 0 around it."""
    rows, cols = np.mgrid[:80, :80] + 0.5
    return (np.hypot(rows - 40, cols - middle) < radius).astype(np.uint8)


@pytest.mark.parametrize("place", [0.25, 0.5, 0.75])
def test_a_cone_grows_evenly(place: float) -> None:
    """Sections of radius 10 and 30: between them the radius is on a straight line, to a pixel."""
    found = between(disc(10), disc(30), place=place).mask
    radius = 10 + 20 * place
    assert (found[disc(radius - 1) == 1] == 1).all()
    assert (found[disc(radius + 1) == 0] == 0).all()


def test_a_cylinder_stays_as_it_is() -> None:
    """The same section before and behind is the section between, to the pixel."""
    np.testing.assert_array_equal(between(disc(20), disc(20), place=0.4).mask, disc(20))


def test_a_leaning_cylinder_moves() -> None:
    """Middles at columns 36 and 44: half-way the middle of what is marked lies at 40."""
    found = between(disc(20, middle=36), disc(20, middle=44), place=0.5).mask == 1
    assert np.argwhere(found).mean(axis=0) + 0.5 == pytest.approx([40, 40], abs=0.1)


def test_at_its_ends_it_is_the_slices() -> None:
    """Place 0 and 1 are the masks themselves; what was not annotated stays open."""
    first, last = disc(12), disc(25)
    first[disc(30) == 0] = last[disc(30) == 0] = 255
    np.testing.assert_array_equal(between(first, last, place=0).mask, first)
    np.testing.assert_array_equal(between(first, last, place=1).mask, last)
    assert (between(first, last, place=0.5).mask[disc(31) == 0] == 255).all()


def test_what_cannot_be_filled_is_told() -> None:
    """Other sizes, an empty slice, a place outside."""
    with pytest.raises(RequestError, match="one size"):
        between(disc(9), disc(9)[:40], place=0.5)
    with pytest.raises(RequestError, match="Draw on a slice before"):
        between(disc(9), np.full((80, 80), 255, np.uint8), place=0.5)
    with pytest.raises(RequestError, match="'place' must be from 0 to 1"):
        between(disc(9), disc(9), place=1.2)
