"""The geometry of the canonical crop, by hand arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.errors import InputError
from engine.eyes import crops
from engine.imaging.boxes import Box


def ramp(height: int, width: int) -> np.ndarray:
    """Return a picture whose red is the column and whose green is the row (both below 256)."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.dstack([columns, rows, np.zeros_like(rows)]).astype(np.uint8)


def test_region_size_and_centre() -> None:
    """A 100 px eye gives 140×125 px, centred between the corners (20 and 40 percent)."""
    crop = crops.canonical_crop(ramp(200, 250), ((60.0, 90.0), (160.0, 90.0)))
    # x: 60 - 20; y: 90 - (45 + 80) / 2
    assert Box(40.0, 27.5, 140.0, 125.0) == crop.box
    assert crop.scale_px == 100.0
    assert crop.pixels.shape == (128, 144, 3)
    assert crop.pixels.dtype == np.uint8


def test_padding_is_percent_of_the_eye_width() -> None:
    """Padding 0/0 leaves w × 0.45 w; 50/10 gives 2 w × 0.65 w."""
    bare = crops.canonical_crop(
        ramp(200, 250), ((60.0, 90.0), (160.0, 90.0)), padding_x=0, padding_y=0
    )
    assert Box(60.0, 67.5, 100.0, 45.0) == bare.box
    wide = crops.canonical_crop(
        ramp(200, 250), ((60.0, 90.0), (160.0, 90.0)), padding_x=50, padding_y=10
    )
    assert (wide.box.width, wide.box.height) == (200.0, 65.0)


def test_pixels_are_copied_one_to_one() -> None:
    """At scale 1 on whole pixels, the crop is exactly the part of the picture."""
    picture = np.random.default_rng(0).integers(0, 256, (200, 250, 3), dtype=np.uint8)
    crop = crops.canonical_crop(
        picture, ((60.0, 90.5), (160.0, 90.5)), out_width=140, out_height=125
    )
    assert np.array_equal(picture[28:153, 40:180], crop.pixels)


def test_values_at_other_scales() -> None:
    """Crop column u shows picture column 30 + (u + 1/2) 140/144 - 1/2 on a ramp."""
    crop = crops.canonical_crop(ramp(200, 250), ((50.0, 100.0), (150.0, 100.0)))
    expected = 30 + (np.arange(144) + 0.5) * 140 / 144 - 0.5
    assert np.abs(crop.pixels[64, :, 0] - expected).max() <= 0.6


def test_corners_are_levelled() -> None:
    """A quarter turn of picture and corners together gives the same crop."""
    picture = np.random.default_rng(1).integers(0, 256, (220, 260, 3), dtype=np.uint8)
    upright = crops.canonical_crop(picture, ((80.0, 110.0), (180.0, 110.0)))
    # np.rot90 turns counter-clockwise: (x, y) -> (y, W - x).
    turned = crops.canonical_crop(
        np.ascontiguousarray(np.rot90(picture)), ((110.0, 180.0), (110.0, 80.0))
    )
    assert np.abs(upright.pixels.astype(int) - turned.pixels).max() <= 1
    assert (turned.box.width, turned.box.height) == (
        pytest.approx(125.0),
        pytest.approx(140.0),
    )


@pytest.mark.parametrize("degrees", [-30, -10, 0, 17, 45, 90, 180])
def test_corners_land_where_the_padding_says(degrees: float) -> None:
    """Whatever the turn, the corners come to rest at 20/140 and 120/140 of the crop's width."""
    dx = 60 * math.cos(math.radians(degrees))
    dy = 60 * math.sin(math.radians(degrees))
    corners = ((200 - dx, 150 - dy), (200 + dx, 150 + dy))
    crop = crops.canonical_crop(ramp(250, 250), corners)
    expected = [[144 * 20 / 140, 64], [144 * 120 / 140, 64]]
    assert np.allclose(expected, crop.to_crop(np.array(corners)))


def test_box_holds_the_turned_region() -> None:
    """The box of a tilted eye touches all four ends of its region."""
    crop = crops.canonical_crop(ramp(250, 250), ((80.0, 80.0), (140.0, 160.0)))
    ends = crop.to_picture(np.array([[0, 0], [144, 0], [0, 128], [144, 128]], dtype=float))
    assert np.allclose([crop.box.x, crop.box.y], ends.min(axis=0))
    high = [crop.box.x + crop.box.width, crop.box.y + crop.box.height]
    assert np.allclose(high, ends.max(axis=0))


def test_outside_repeats_the_edge() -> None:
    """Beyond the picture, its edge goes on."""
    picture = np.zeros((60, 60, 3), np.uint8)
    picture[:, 0] = (200, 10, 30)
    crop = crops.canonical_crop(picture, ((-40.0, 30.0), (60.0, 30.0)))
    # Crop column 0..60 px of the picture's x < 0: 144 / 140 * 60 = 61 columns.
    assert (crop.pixels[:, :60] == (200, 10, 30)).all()
    assert (crop.pixels[:, 70:] == 0).all()


def test_points_go_forth_and_back() -> None:
    """The matrix can be inverted: picture to crop and back is the identity."""
    crop = crops.canonical_crop(ramp(200, 250), ((60.3, 90.1), (151.7, 102.9)))
    points = np.array([[0.0, 0.0], [100.5, 99.25], [249.0, 12.0]])
    assert np.allclose(points, crop.to_picture(crop.to_crop(points)))


def test_heat_map_comes_back_to_its_place() -> None:
    """A hot spot at the crop's centre lies between the corners in the picture, and nothing else."""
    crop = crops.canonical_crop(ramp(200, 250), ((60.0, 80.0), (150.0, 110.0)))
    heat = np.zeros((128, 144), np.float32)
    heat[62:66, 70:74] = 1
    laid = crop.spread(heat, height=200, width=250)
    assert laid.shape == (200, 250)
    rows, columns = np.indices(laid.shape) + 0.5
    centre = (laid * columns).sum() / laid.sum(), (laid * rows).sum() / laid.sum()
    assert centre == pytest.approx((105, 95), abs=0.3)
    assert laid[:40].sum() == 0


def test_coarse_heat_map_covers_the_crop() -> None:
    """A 4×5 map of ones fills the whole region with ones."""
    crop = crops.canonical_crop(ramp(200, 250), ((70.0, 100.0), (170.0, 100.0)))
    laid = crop.spread(np.ones((4, 5), np.float32), height=200, width=250)
    assert laid[60:140, 60:180].min() == pytest.approx(1)
    assert laid.sum() == pytest.approx(140 * 125, rel=0.01)


def test_large_eyes_are_averaged_down() -> None:
    """A one-pixel checkerboard, 10 times too large, becomes grey and not a moiré pattern."""
    rows, columns = np.mgrid[0:1500, 0:1700]
    board = np.repeat((((rows + columns) % 2) * 255)[:, :, None], 3, axis=2).astype(np.uint8)
    crop = crops.canonical_crop(board, ((150.0, 750.0), (1550.0, 750.0)))
    assert crop.pixels.min() > 110
    assert crop.pixels.max() < 145


def test_averaging_does_not_move_anything() -> None:
    """A ramp stays in place to a pixel when the region is averaged down by 4."""
    columns = np.tile(np.linspace(0, 255, 1020), (900, 1))
    picture = np.repeat(columns[:, :, None], 3, axis=2).astype(np.uint8)
    crop = crops.canonical_crop(picture, ((260.3, 450.0), (760.3, 450.0)))
    expected = (160.3 + (np.arange(144) + 0.5) * 700 / 144 - 0.5) * 255 / 1019
    assert np.abs(crop.pixels[64, :, 0] - expected).max() < 1.1


def test_one_pixel_picture() -> None:
    """A picture of one pixel fills the crop with its colour."""
    picture = np.full((1, 1, 3), 77, np.uint8)
    crop = crops.canonical_crop(picture, ((0.0, 0.5), (1.0, 0.5)))
    assert (crop.pixels == 77).all()


@pytest.mark.parametrize(
    ("corners", "match"),
    [
        (((5.0, 5.0), (5.2, 5.2)), "at least 1 px apart"),
        (((5.0, float("nan")), (9.0, 5.0)), "finite numbers"),
        (((5.0, 5.0, 1.0), (9.0, 5.0, 1.0)), "Two eye corners"),
        (((500.0, 5.0), (540.0, 5.0)), "lies outside its picture of 50×40 px"),
    ],
)
def test_bad_corners(corners: tuple, match: str) -> None:
    """Corners that make no eye are refused with the values that came."""
    with pytest.raises(InputError, match=match):
        crops.canonical_crop(np.zeros((40, 50, 3), np.uint8), corners)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((40, 50), np.uint8),
        np.zeros((40, 50, 4), np.uint8),
        np.zeros((0, 50, 3), np.uint8),
        np.zeros((40, 50, 3), np.float32),
    ],
)
def test_bad_pictures(picture: np.ndarray) -> None:
    """Grey, RGBA, empty and float pictures are refused."""
    with pytest.raises(InputError, match=r"needs the shape \(H, W, 3\) and dtype uint8"):
        crops.canonical_crop(picture, ((5.0, 5.0), (25.0, 5.0)))


@pytest.mark.parametrize("bad", [{"padding_x": -1}, {"padding_y": -0.1}, {"out_height": 0}])
def test_bad_settings(bad: dict) -> None:
    """A negative padding and an empty crop are refused."""
    with pytest.raises(InputError, match="at least 0 percent"):
        crops.canonical_crop(np.zeros((40, 50, 3), np.uint8), ((5.0, 5.0), (25.0, 5.0)), **bad)


def test_bad_points_and_maps() -> None:
    """Points need (n, 2) and a heat map (h, w)."""
    crop = crops.canonical_crop(np.zeros((40, 50, 3), np.uint8), ((5.0, 5.0), (25.0, 5.0)))
    with pytest.raises(InputError, match=r"shape \(n, 2\), but got \(3,\)"):
        crop.to_crop(np.zeros(3))
    with pytest.raises(InputError, match=r"shape \(h, w\), but got \(2, 3, 4\)"):
        crop.spread(np.zeros((2, 3, 4), np.float32), height=40, width=50)
