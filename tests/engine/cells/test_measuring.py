"""Sizes by hand arithmetic."""

from __future__ import annotations

import math

import pytest

from engine.cells.measuring import measures_of, spread_of
from engine.errors import RequestError


def test_a_disc_of_80_pixels_at_a_tenth_micrometre_is_8_micrometres() -> None:
    """Area π·4², diameter 8."""
    found = measures_of(80, 80, 0.1)
    assert found.diameter_um == pytest.approx(8)
    assert found.area_um2 == pytest.approx(math.pi * 16)


def test_without_a_pixel_size_there_are_no_micrometres() -> None:
    """Nothing is guessed; 0 is unknown as well."""
    for unknown in (None, 0.0):
        found = measures_of(40, 90, unknown)
        assert (found.area_um2, found.diameter_um) == (None, None)
        assert found.diameter_px == pytest.approx(60)


@pytest.mark.parametrize("edge", [-0.1, 1e-6, 5000.0, float("nan")])
def test_impossible_pixels_are_refused(edge: float) -> None:
    """No microscope has them."""
    with pytest.raises(RequestError, match="edge of a pixel"):
        measures_of(10, 10, edge)


def test_spread_of_none_is_none_and_of_one_has_no_deviation() -> None:
    """No division by zero."""
    assert spread_of([]) is None
    found = spread_of([7.0])
    assert found is not None
    assert (found.number, found.mean, found.deviation) == (1, 7.0, 0.0)
