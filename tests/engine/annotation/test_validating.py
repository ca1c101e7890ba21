"""Warnings about a mask: each with its sentence and place, and none about a good one."""

from __future__ import annotations

import numpy as np

from engine.annotation.raster import Box
from engine.annotation.validating import validate
from engine.imaging.drawn_tissue import draw_tissue


def test_a_good_mask_has_no_warning() -> None:
    """Drawn tissue is annotated in few large pieces."""
    mask = draw_tissue(3, side_px=256).mask
    assert validate(mask, (256, 256, 3), smallest_px=4) == ()


def test_another_size_is_told_with_both_sizes() -> None:
    """Width first, as people say it; nothing else is looked at."""
    (warned,) = validate(np.full((4, 6), 77, np.uint8), (4, 5))
    assert warned.kind == "size"
    assert "6×4 pixels but its picture 5×4" in warned.sentence


def test_values_without_a_class_are_counted() -> None:
    """Two pixels of 128 and one of 3 in a mask of three states."""
    mask = np.zeros((8, 8), np.uint8)
    mask[0, :2], mask[1, 0] = 128, 3
    (warned,) = validate(mask, (8, 8))
    assert (warned.kind, warned.count) == ("values", 3)
    assert "3, 128" in warned.sentence
    assert validate(mask, (8, 8), names=[str(value) for value in range(200)], smallest_px=0) == ()


def test_an_empty_mask_is_told() -> None:
    """All 255: nobody has looked anywhere."""
    (warned,) = validate(np.full((8, 8), 255, np.uint8), (8, 8))
    assert warned.kind == "nothing"


def test_islands_and_holes_are_found_with_their_places() -> None:
    """One speck of 3 px of unhealthy in glass; one of 2 px of background in healthy tissue."""
    mask = np.zeros((40, 40), np.uint8)
    mask[20:, :] = 2
    mask[5, 7:10] = 1
    mask[30:32, 12] = 0
    holes, islands = validate(mask, (40, 40))
    assert (holes.kind, holes.state, holes.places) == (
        "holes",
        0,
        (Box(left=12, top=30, right=13, bottom=32),),
    )
    assert (islands.kind, islands.state, islands.places) == (
        "islands",
        1,
        (Box(left=7, top=5, right=10, bottom=6),),
    )
    assert islands.sentence == "1 tiny island of “unhealthy” (3 px); the first at row 5, column 7."


def test_a_gap_nobody_annotated_is_a_hole() -> None:
    """A single forgotten pixel in the middle."""
    mask = np.full((40, 40), 2, np.uint8)
    mask[9, 9] = 255
    (warned,) = validate(mask, (40, 40))
    assert (warned.kind, warned.state) == ("holes", 255)
    assert "not annotated" in warned.sentence


def test_pixels_that_touch_at_a_corner_are_one_island() -> None:
    """A slanting line of 15 px is no crowd of specks."""
    mask = np.zeros((40, 40), np.uint8)
    mask[np.arange(15), np.arange(15)] = 1
    assert validate(mask, (40, 40)) == ()


def test_many_specks_are_one_warning_with_the_smallest_first() -> None:
    """25 specks, of which 20 are named."""
    mask = np.zeros((60, 60), np.uint8)
    mask[2::12, 2::12] = 1
    mask[2, 3] = 1
    (warned,) = validate(mask, (60, 60))
    assert (warned.count, len(warned.places)) == (25, 20)
    assert warned.places[0] == Box(left=14, top=2, right=15, bottom=3)
    assert "25 tiny islands of “unhealthy” (1 to 2 px)" in warned.sentence
