"""Masks over pictures: opacity, contours, colours."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import InputError
from engine.segmentation.drawing import (
    class_colours,
    colour_layer,
    overlay,
    uncertainty_overlay,
)

GREY = np.full((6, 6, 3), 100, np.uint8)
SQUARE = np.zeros((6, 6), np.uint8)
SQUARE[1:5, 1:5] = 1


def test_colours_mix_by_opacity() -> None:
    """Half of 100 and half of the colour inside; outside nothing changes."""
    drawn = overlay(GREY, SQUARE, ("background", "unhealthy"), opacity=0.5, contours=False)
    colour = np.array(class_colours(("background", "unhealthy"))[1])
    np.testing.assert_allclose(
        drawn[1:5, 1:5], np.broadcast_to((100 + colour) / 2, (4, 4, 3)), atol=1
    )
    assert (drawn[0] == 100).all()


def test_contours_are_the_outermost_pixels_of_an_area() -> None:
    """At opacity 0 only they are seen, in the full colour, and never outside of the area."""
    layer = colour_layer(SQUARE, {1: (9, 8, 7)}, opacity=0.0)
    ring = np.zeros((6, 6), bool)
    ring[1:5, 1:5] = True
    ring[2:4, 2:4] = False
    np.testing.assert_array_equal(layer[..., 3] == 255, ring)
    assert (layer[ring, :3] == (9, 8, 7)).all()


def test_where_two_classes_meet_both_have_a_contour() -> None:
    """The frame of the picture is no border."""
    mask = np.array([[1, 1, 2, 2]], np.uint8)
    layer = colour_layer(mask, {1: (1, 1, 1), 2: (2, 2, 2)}, opacity=0.2)
    assert (layer[0, :, 3] == 255).tolist() == [False, True, True, False]


def test_states_and_other_classes_have_colours_of_their_own() -> None:
    """Background has none; no two of eight classes share one."""
    names = ("background", "unhealthy", "healthy")
    assert set(class_colours(names)) == {1, 2}
    many = class_colours(("background", *(f"class {n}" for n in range(7))))
    assert len(set(many.values())) == 7


def test_uncertainty_is_heat() -> None:
    """Where the model is sure the picture stays as it is."""
    unsure = np.zeros((6, 6), np.uint8)
    unsure[3:, 3:] = 255
    drawn = uncertainty_overlay(GREY, unsure)
    assert (drawn[:2, :2] == 100).all()
    assert (drawn[4:, 4:] != 100).any()


def test_sizes_and_opacity_are_checked() -> None:
    """A mask of another size, an opacity of 2, a mask of floats."""
    with pytest.raises(InputError, match="its size"):
        overlay(GREY, SQUARE[:3], ("background", "a"))
    with pytest.raises(InputError, match="opacity"):
        colour_layer(SQUARE, {}, opacity=2)
    with pytest.raises(InputError, match="mask"):
        colour_layer(SQUARE.astype(float), {})
