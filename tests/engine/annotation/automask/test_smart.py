"""The brush that stops at edges, and the wand: pictures whose borders are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.annotation.automask import smart_brush, wand
from engine.annotation.raster import Box, covered
from engine.annotation.strokes import Stroke
from engine.errors import RequestError


def halves(noise: float = 5.0) -> NDArray[np.uint8]:
    """Pink on the left of column 60, violet from there on, softly joined and noisy."""
    picture = np.full((100, 120, 3), (225, 180, 205), np.uint8)
    picture[:, 60:] = (120, 80, 160)
    soft = cv2.GaussianBlur(picture, (0, 0), 0.8)
    grain = np.random.default_rng(2).normal(0, noise, picture.shape)
    return np.clip(soft + grain, 0, 255).astype(np.uint8)


def drawn(stroke: Stroke, picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return covered(stroke, Box.whole(picture.shape))


def test_the_brush_stops_at_an_edge() -> None:
    """A path 8 pixels left of the border, 30 wide: nothing right of it, all of the brush left."""
    picture = halves()
    points = np.array([[52, 20], [52, 80]], np.float32)
    stroke = smart_brush(picture, points, 30, state=2)
    assert stroke is not None
    inside = drawn(stroke, picture)
    plain = drawn(Stroke(tool="brush", state=2, points=points, width_px=30), picture)
    assert not inside[:, 62:].any()
    assert inside[:, :59][plain[:, :59]].mean() > 0.98
    assert not (inside & ~plain).any()
    assert (stroke.tool, stroke.state) == ("smart", 2)


def test_without_an_edge_it_is_a_plain_brush() -> None:
    """In one noisy colour every pixel under the brush is covered."""
    picture = np.random.default_rng(3).normal(180, 6, (80, 80, 3)).clip(0, 255).astype(np.uint8)
    points = np.array([[20, 40], [60, 44]], np.float32)
    stroke = smart_brush(picture, points, 24, state=1)
    assert stroke is not None
    plain = drawn(Stroke(tool="brush", state=1, points=points, width_px=24), picture)
    assert np.array_equal(drawn(stroke, picture), plain)


def test_a_path_outside_covers_nothing() -> None:
    """And a brush of a hair's width is refused."""
    points = np.array([[500, 500]], np.float32)
    assert smart_brush(halves(), points, 20, state=1) is None
    with pytest.raises(RequestError, match="at least 3 pixels"):
        smart_brush(halves(), points, 2, state=1)


def test_the_wand_takes_what_hangs_together() -> None:
    """One of two discs of the same colour, to within a pixel of its border."""
    picture = np.full((120, 160, 3), (225, 180, 205), np.uint8)
    for middle in ((40, 60), (120, 60)):
        cv2.circle(picture, middle, 25, (120, 80, 160), cv2.FILLED)
    stroke = wand(picture, 40.5, 60.5, state=1)
    assert stroke is not None
    inside = drawn(stroke, picture)
    row, col = np.mgrid[:120, :160]
    distance = np.hypot(col - 40, row - 60)
    assert inside[distance <= 23.5].all()
    assert not inside[distance >= 27].any()


def test_the_wand_with_more_tolerance_takes_more() -> None:
    """100 units of Lab is everything."""
    picture = halves()
    stroke = wand(picture, 10, 10, state=1, tolerance=100)
    assert stroke is not None
    assert drawn(stroke, picture).all()
    assert wand(picture, 500, 10, state=1) is None
    with pytest.raises(RequestError, match="tolerance"):
        wand(picture, 10, 10, state=1, tolerance=0)
