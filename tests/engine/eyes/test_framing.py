"""Where to cut when an eye fills its picture."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError
from engine.eyes import crops, framing

coordinates = st.floats(-300, 700)


def test_an_eye_in_the_middle_of_a_face_stays_where_it_is() -> None:
    """Corners whose crop fits come back unchanged."""
    corners = ((300.0, 200.0), (350.0, 205.0))
    assert framing.fit_corners(corners, height=480, width=640) == corners


def test_a_close_up_is_cut_to_its_picture() -> None:
    """140×125 px and a far larger eye: the crop may reach 6 % beyond each edge, no more.

    The crop is 1.4 eye widths wide, so the eye width becomes 140 / (1.4 · 0.88) = 113.6 px.
    """
    (ax, ay), (bx, by) = framing.fit_corners(((-200.0, 60.0), (400.0, 60.0)), height=125, width=140)
    assert bx - ax == pytest.approx(140 / (1.4 * 0.88), rel=1e-6)
    assert (ay, by) == pytest.approx((62.5, 62.5))


@given(coordinates, coordinates, coordinates, coordinates)
def test_no_crop_reaches_far_beyond_its_picture(ax: float, ay: float, bx: float, by: float) -> None:
    """Whatever the corners, at most 6 % of the crop's extent lies beyond an edge."""
    if math.hypot(bx - ax, by - ay) < 2:
        return
    fitted = framing.fit_corners(((ax, ay), (bx, by)), height=300, width=400)
    if math.dist(*fitted) < 1:
        return
    crop = crops.canonical_crop(np.zeros((300, 400, 3), np.uint8), fitted)
    beyond_x = max(-crop.box.x, crop.box.x + crop.box.width - 400)
    beyond_y = max(-crop.box.y, crop.box.y + crop.box.height - 300)
    assert beyond_x <= framing.MAX_OUTSIDE * crop.box.width + 1e-6
    assert beyond_y <= framing.MAX_OUTSIDE * crop.box.height + 1e-6


def test_the_direction_of_the_corners_is_kept() -> None:
    """A tilted eye stays tilted."""
    (ax, ay), (bx, by) = framing.fit_corners(((-50.0, 0.0), (250.0, 150.0)), height=90, width=120)
    assert (by - ay) / (bx - ax) == pytest.approx(0.5)


def test_coinciding_corners_are_refused() -> None:
    """The message says what is needed."""
    with pytest.raises(InputError, match="Two different corners"):
        framing.fit_corners(((5.0, 5.0), (5.0, 5.0)), height=10, width=10)


def test_the_whole_picture_is_the_largest_crop_in_its_middle() -> None:
    """A wide picture is limited by its height: 100 / 1.25 = 80 px of eye width."""
    assert framing.whole_picture_corners(height=100, width=400) == ((160.0, 50.0), (240.0, 50.0))
