"""Pixels of strokes against a slow answer in fractions, and masks to outlines and back."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from engine.annotation.outlines import mask_of, polygons_of
from engine.annotation.raster import Box, bounds, connected, covered, draw
from engine.annotation.runs import Area, decode_runs, encode_runs
from engine.annotation.strokes import Stroke
from engine.errors import RequestError

SIDE = 24
SHAPE = (SIDE, SIDE)
sixteenths = st.integers(-4 * 16, (SIDE + 4) * 16).map(lambda number: number / 16)
places = st.tuples(sixteenths, sixteenths)
masks = arrays.arrays(
    np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 2)
)
few = settings(max_examples=40, deadline=None)


def near(x: Fraction, y: Fraction, a, b, width: float) -> bool:
    """Whether (x, y) is at most half of ``width`` from the piece a–b, without rounding."""
    (ax, ay), (bx, by) = [tuple(map(Fraction, place)) for place in (a, b)]
    dx, dy = bx - ax, by - ay
    square = dx * dx + dy * dy
    along = ((x - ax) * dx + (y - ay) * dy) / square if square else Fraction(0)
    along = min(max(along, Fraction(0)), Fraction(1))
    ex, ey = x - ax - along * dx, y - ay - along * dy
    return ex * ex + ey * ey <= (Fraction(width) / 2) ** 2


def winding(x: Fraction, y: Fraction, corners) -> int:
    """How often the outline runs around (x, y)."""
    turns = 0
    for (ax, ay), (bx, by) in zip(corners, [*corners[1:], corners[0]], strict=True):
        ax, ay, bx, by = map(Fraction, (ax, ay, bx, by))
        if (ay <= y) != (by <= y) and ax + (y - ay) * (bx - ax) / (by - ay) <= x:
            turns += 1 if by > ay else -1
    return turns


def middles() -> list[tuple[int, int, Fraction, Fraction]]:
    half = Fraction(1, 2)
    return [(row, col, col + half, row + half) for row in range(SIDE) for col in range(SIDE)]


@few
@given(points=st.lists(places, min_size=1, max_size=4), width=st.integers(0, 160))
def test_a_brush_covers_what_is_near_enough(points, width) -> None:
    """Each pixel whose middle is within half the width of the path, and no other."""
    stroke = Stroke(tool="brush", state=1, points=np.array(points), width_px=width / 16)
    pieces = list(itertools.pairwise(points)) or [(points[0], points[0])]
    expected = np.zeros(SHAPE, bool)
    for row, col, x, y in middles():
        expected[row, col] = any(near(x, y, a, b, width / 16) for a, b in pieces)
    np.testing.assert_array_equal(covered(stroke, Box.whole(SHAPE)), expected)


@few
@given(points=st.lists(places, min_size=1, max_size=6))
def test_an_outline_covers_what_it_winds_around(points) -> None:
    """Each pixel whose middle the outline runs around at least once, crossing itself or not."""
    stroke = Stroke(tool="lasso", state=1, points=np.array(points))
    expected = np.zeros(SHAPE, bool)
    for row, col, x, y in middles():
        expected[row, col] = winding(x, y, points) != 0
    np.testing.assert_array_equal(covered(stroke, Box.whole(SHAPE)), expected)


@few
@given(
    points=st.lists(places, min_size=1, max_size=5),
    tool=st.sampled_from(["brush", "polygon"]),
    edges=st.tuples(*[st.integers(0, SIDE)] * 4),
)
def test_a_box_drawn_alone_is_the_same(points, tool, edges) -> None:
    """Any box of the mask can be drawn anew without the rest, to the same pixels."""
    stroke = Stroke(tool=tool, state=1, points=np.array(points), width_px=5)
    left, right = sorted(edges[:2])
    top, bottom = sorted(edges[2:])
    box = Box(left=left, top=top, right=right, bottom=bottom)
    whole, part = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    draw(whole, [stroke])
    draw(part, [stroke], box=box)
    np.testing.assert_array_equal(part[box.part], whole[box.part])
    outside = np.ones(SHAPE, bool)
    outside[box.part] = False
    assert not part[outside].any()
    inside = np.zeros(SHAPE, bool)
    inside[bounds(stroke, SHAPE).part] = True
    assert not whole[~inside].any()


@few
@given(mask=masks)
def test_a_mask_comes_back_from_its_outlines(mask) -> None:
    """Mask to outlines to mask is the same mask, with holes and pixels that touch at corners."""
    for state in (0, 1, 2):
        back = mask_of(polygons_of(mask, state), 1, mask.shape)
        np.testing.assert_array_equal(back, mask == state)


@few
@given(mask=masks)
def test_outlines_come_back_from_their_mask(mask) -> None:
    """Outlines to mask to outlines are the same outlines."""
    outlines = polygons_of(mask, 1)
    again = polygons_of(mask_of(outlines, 1, mask.shape), 1)
    assert [line.tolist() for line in again] == [line.tolist() for line in outlines]


@few
@given(mask=masks)
def test_runs_come_back(mask) -> None:
    """Run lengths give the same pixels, and so does an area through its JSON."""
    inside = mask == 1
    np.testing.assert_array_equal(decode_runs(encode_runs(inside), inside.shape), inside)
    area = Area.from_json(Area.of(inside, left=3, top=2).as_json())
    drawn = np.zeros((14, 15), np.uint8)
    draw(drawn, [Stroke(tool="smart", state=1, points=np.zeros((1, 2)), area=area)])
    found = np.zeros((14, 15), bool)
    found[2 : 2 + mask.shape[0], 3 : 3 + mask.shape[1]] = inside
    np.testing.assert_array_equal(drawn == 1, found)


@few
@given(points=st.lists(places, min_size=1, max_size=5), width=st.integers(0, 99))
def test_a_stroke_comes_back_from_json(points, width) -> None:
    """A stroke written and read again is the same numbers, so the same pixels."""
    stroke = Stroke(tool="brush", state=2, points=np.array(points), width_px=width / 7, mark="a")
    again = Stroke.from_json(stroke.as_json())
    assert again.as_json() == stroke.as_json()
    np.testing.assert_array_equal(again.points, stroke.points)


def test_two_rectangles_side_by_side_share_no_pixel() -> None:
    """Of an edge through pixel middles each pixel belongs to one side only."""
    total = np.zeros((4, 8), int)
    for left, right in ((0, 3.5), (3.5, 8)):
        corners = np.array([[left, 0], [right, 0], [right, 4], [left, 4]])
        stroke = Stroke(tool="rectangle", state=1, points=corners)
        total += covered(stroke, Box.whole((4, 8)))
    assert (total == 1).all()


def test_what_hangs_together_is_found() -> None:
    """Pixels that share edges and state are found; corners do not join, nor does the outside."""
    mask = np.array([[1, 1, 0], [0, 0, 1], [1, 0, 0]], np.uint8)
    assert connected(mask, 0.5, 0.5).tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert connected(mask, 2.5, 1.2).sum() == 1
    assert connected(mask, 0.1, 1.9).sum() == 4
    assert connected(mask, -1, 0).sum() == 0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"tool": "pen"}, "'tool' must be one of brush"),
        ({"state": 300}, "from 0 to 255, but is 300"),
        ({"points": np.zeros((0, 2))}, "1 to 200,000 points"),
        ({"points": np.array([[np.nan, 0]])}, "within"),
        ({"width_px": 5000}, "from 0 to 4,096, but is 5000"),
        ({"tool": "smart"}, "must carry the area"),
    ],
)
def test_a_wrong_stroke_is_refused(wrong, says) -> None:
    """What cannot be a stroke is refused with what was expected."""
    with pytest.raises(RequestError, match=says):
        Stroke(**({"tool": "brush", "state": 1, "points": np.zeros((1, 2))} | wrong))


def test_wrong_json_is_refused() -> None:
    """A line that holds something else is no stroke and no area."""
    with pytest.raises(RequestError, match="Expected a stroke"):
        Stroke.from_json({"tool": "brush"})
    with pytest.raises(RequestError, match="An area must be"):
        Area.from_json({"box": [1]})
    with pytest.raises(RequestError, match="must add up to 4, but add up to 3"):
        Area(left=0, top=0, width=2, height=2, runs=(3,))
