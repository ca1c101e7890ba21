"""Boxes: half-open rectangles, by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError
from engine.imaging.boxes import Box

SIDES = st.integers(0, 50)
BOXES = st.builds(Box, st.integers(-50, 50), st.integers(-50, 50), SIDES, SIDES)


def test_centre_and_area() -> None:
    """The centre of 10..14 × 20..26 is (12, 23); it covers 24 pixels."""
    box = Box(10, 20, 4, 6)
    assert box.centre == (12, 23)
    assert box.area_px == 24


def test_scaled_and_padded() -> None:
    """Scaling multiplies all four numbers; padding grows both sides."""
    assert Box(1, 2, 3, 4).scaled(2) == Box(2, 4, 6, 8)
    assert Box(10, 10, 4, 4).padded(x=1, y=2) == Box(9, 8, 6, 8)


def test_outside_is_empty() -> None:
    """A box beside the picture has nothing inside it."""
    assert Box(100, 0, 5, 5).clipped(width=50, height=50).area_px == 0


@given(BOXES, BOXES)
def test_iou_is_symmetric_and_bounded(one: Box, other: Box) -> None:
    """Intersection over union lies in 0..1 and does not depend on the order."""
    assert 0 <= one.iou(other) <= 1
    assert one.iou(other) == other.iou(one)


@given(BOXES)
def test_iou_counts_pixels(box: Box) -> None:
    """Intersection over union is what counting whole pixels gives."""
    other = Box(0, 0, 20, 20)
    pixels = {
        (x, y)
        for x in range(int(box.x), int(box.x + box.width))
        for y in range(int(box.y), int(box.y + box.height))
    }
    others = {(x, y) for x in range(20) for y in range(20)}
    assert box.iou(other) == pytest.approx(len(pixels & others) / len(pixels | others))


@pytest.mark.parametrize("sides", [(-1, 3), (3, -0.5)])
def test_negative_sides(sides: tuple[float, float]) -> None:
    """Width and height cannot be negative."""
    with pytest.raises(InputError, match="width and height of at least 0"):
        Box(0, 0, *sides)
