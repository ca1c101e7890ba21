"""Heat and boxes on pictures, checked pixel by pixel where arithmetic tells the answer."""

from __future__ import annotations

import time

import numpy as np
import pytest

from engine.errors import InputError
from engine.imaging import overlays
from engine.imaging.boxes import Box
from engine.imaging.palettes import heat_colours

SKINS = {"light": (243, 214, 196), "medium": (172, 122, 92), "dark": (62, 40, 32)}


def skin(name: str, size: tuple[int, int] = (128, 144)) -> np.ndarray:
    return np.full((*size, 3), SKINS[name], np.uint8)


def spot(size: tuple[int, int] = (128, 144)) -> np.ndarray:
    y, x = np.mgrid[: size[0], : size[1]]
    return np.exp(-((y - size[0] / 2) ** 2 + (x - size[1] / 2) ** 2) / 400).astype(np.float32)


def luminance(picture: np.ndarray) -> np.ndarray:
    shares = picture / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_no_heat_changes_nothing() -> None:
    """Where there is no heat the picture stays exactly as it was."""
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(
        picture, overlays.heat_overlay(picture, np.zeros((20, 30), np.float32))
    )


def test_no_opacity_changes_nothing() -> None:
    """With opacity 0 the picture stays exactly as it was, outline included."""
    picture = skin("medium")
    np.testing.assert_array_equal(picture, overlays.heat_overlay(picture, spot(), 0.0))


def test_full_heat_and_opacity_is_the_colour_itself() -> None:
    """A map of ones at opacity 1 is the hottest colour everywhere (no outline inside)."""
    laid = overlays.heat_overlay(skin("dark", (9, 9)), np.ones((9, 9)), 1.0)
    np.testing.assert_array_equal(np.tile(heat_colours()[255], (9, 9, 1)), laid)


def test_opacity_by_hand() -> None:
    """At full heat and opacity 0.4 (alpha 102): (100 · 153 + colour · 102) / 255, rounded."""
    picture = np.full((5, 5, 3), 100, np.uint8)
    laid = overlays.heat_overlay(picture, np.ones((5, 5)), 0.4)
    expected = np.round((100 * 153 + heat_colours()[255].astype(float) * 102) / 255)
    assert laid[2, 2].tolist() == expected.tolist()


def test_cool_regions_fade() -> None:
    """A quarter of the heat has half of the opacity."""
    layer = overlays.heat_layer(np.full((3, 3), 64 / 255), 0.8)
    assert layer[1, 1, 3] == round(255 * 0.8 / 2)


def test_the_picture_given_is_not_changed() -> None:
    """Overlays draw on a copy."""
    picture = skin("light")
    before = picture.copy()
    overlays.heat_overlay(picture, spot())
    overlays.draw_boxes(picture, [Box(5, 5, 20, 20)], [(255, 0, 0)], ["eye"])
    np.testing.assert_array_equal(before, picture)


@pytest.mark.parametrize("tone", SKINS)
@pytest.mark.parametrize("opacity", [0.25, 0.45, 0.8])
def test_the_hot_region_shows_on_every_skin(tone: str, opacity: float) -> None:
    """The outline has a part that contrasts at least 2 : 1 with the skin (WCAG luminance)."""
    picture = skin(tone)
    laid = overlays.heat_overlay(picture, spot(), opacity)
    around = luminance(picture[0, 0]) + 0.05
    seen = luminance(laid) + 0.05
    assert max(seen.max() / around, around / seen.min()) >= 2


def test_sizes_must_agree() -> None:
    """A map of another size is refused with both sizes."""
    with pytest.raises(InputError, match="Heat map is 30×20 but its picture is 144×128"):
        overlays.heat_overlay(skin("light"), np.zeros((20, 30)))


@pytest.mark.parametrize(
    ("values", "opacity", "words"),
    [
        (np.full((3, 3), 1.2), 0.5, "heat from 0 to 1"),
        (np.full((3, 3), -0.2), 0.5, "heat from 0 to 1"),
        (np.full((3, 3), np.nan), 0.5, "heat from 0 to 1"),
        (np.zeros((3, 3, 1)), 0.5, "shape"),
        (np.zeros((0, 3)), 0.5, "shape"),
        (np.zeros((3, 3)), 1.5, "opacity from 0 to 1"),
        (np.zeros((3, 3)), float("nan"), "opacity from 0 to 1"),
    ],
)
def test_bad_maps(values: np.ndarray, opacity: float, words: str) -> None:
    """Maps and opacities outside their range are refused."""
    with pytest.raises(InputError, match=words):
        overlays.heat_layer(values, opacity)


def test_overlay_is_cheap() -> None:
    """One overlay at crop size takes about a millisecond (best of many, on a busy machine)."""
    picture, values = skin("light"), spot()
    best = 1.0
    for _ in range(30):
        start = time.perf_counter()
        overlays.heat_overlay(picture, values)
        best = min(best, time.perf_counter() - start)
    assert best < 0.003


def test_boxes_are_drawn_where_they_are() -> None:
    """The line runs along the box; inside and far outside nothing changes."""
    picture = np.full((60, 80, 3), 128, np.uint8)
    drawn = overlays.draw_boxes(picture, [Box(20, 15, 30, 25)], [(255, 0, 10)])
    assert drawn[15, 20].tolist() == [255, 0, 10]
    assert drawn[39, 49].tolist() == [255, 0, 10]
    assert (drawn[20:35, 25:45] == 128).all()
    assert (drawn[:10] == 128).all()


def test_labels_and_boxes_outside_are_fine() -> None:
    """Boxes that leave the picture, empty ones and labels beyond ASCII do not fail."""
    picture = skin("light", (40, 50))
    boxes = [Box(-30, -30, 200, 200), Box(100, 100, 5, 5), Box(3, 3, 0, 0)]
    drawn = overlays.draw_boxes(picture, boxes, [(1, 2, 3)] * 3, ["Auge", "œil", ""])
    assert drawn.shape == picture.shape


def test_one_colour_for_each_box() -> None:
    """A missing colour or label is refused with the counts."""
    with pytest.raises(InputError, match="1 boxes, 2 colours and 1 labels"):
        overlays.draw_boxes(skin("light"), [Box(0, 0, 1, 1)], [(0, 0, 0)] * 2)
