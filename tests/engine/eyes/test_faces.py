"""The upright patch of a face, by hand arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.errors import InputError
from engine.eyes.faces import Face, check_picture, upright_patch
from engine.imaging.boxes import Box


def face(x: float, y: float, side: float, roll_deg: float = 0.0) -> Face:
    """Return a face."""
    return Face(box=Box(x, y, side, side), source="haar", confidence=1.0, roll_deg=roll_deg)


def noise(height: int = 120, width: int = 160) -> np.ndarray:
    """Return a grey picture of noise."""
    return np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)


def test_upright_face_is_copied() -> None:
    """At its own size, the patch is the box."""
    picture = noise()
    patch = upright_patch(picture, face(30, 20, 64), size=64)
    assert np.array_equal(picture[20:84, 30:94], patch.pixels)


def test_colour_becomes_grey() -> None:
    """An RGB picture gives a grey patch with the usual weights (0.299, 0.587, 0.114)."""
    picture = np.full((100, 100, 3), (200, 100, 50), np.uint8)
    patch = upright_patch(picture, face(10, 10, 50), size=32)
    assert patch.pixels.shape == (32, 32)
    assert (patch.pixels == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)).all()


def test_margin_is_in_shares_of_the_face() -> None:
    """A margin of a half shows twice the width."""
    picture = noise()
    patch = upright_patch(picture, face(50, 40, 40), size=80, margin=0.5)
    assert np.array_equal(picture[20:100, 30:110], patch.pixels)


def test_quarter_turn() -> None:
    """A face lying on its left (turned clockwise by 90°) is stood up."""
    picture = noise()
    patch = upright_patch(picture, face(40, 20, 64, 90), size=64)
    assert np.array_equal(np.rot90(picture[20:84, 40:104]), patch.pixels)


def test_upside_down() -> None:
    """A face turned by 180° is turned back."""
    picture = noise()
    patch = upright_patch(picture, face(40, 20, 64, 180), size=64)
    assert np.array_equal(picture[20:84, 40:104][::-1, ::-1], patch.pixels)


@pytest.mark.parametrize("roll", [-160, -30, 0, 45, 90])
def test_points_come_back(roll: float) -> None:
    """A point right of the patch's centre lies along the face's own right in the picture."""
    patch = upright_patch(noise(), face(40, 20, 60, roll), size=120)
    (cx, cy), (x, y) = patch.to_picture(np.array([[60.0, 60.0], [100.0, 60.0]]))
    assert (cx, cy) == pytest.approx((70, 50))
    radians = math.radians(roll)
    assert (x - cx, y - cy) == pytest.approx((20 * math.cos(radians), 20 * math.sin(radians)))


def test_faces_at_the_edge_repeat_it() -> None:
    """Beyond the picture its edge goes on."""
    picture = np.zeros((50, 50), np.uint8)
    picture[:, -1] = 99
    patch = upright_patch(picture, face(30, 10, 30), size=30)
    assert (patch.pixels[:, 20:] == 99).all()


def test_bad_faces() -> None:
    """A face without size or outside of the picture is refused."""
    with pytest.raises(InputError, match="at least 1 px"):
        upright_patch(noise(), face(10, 10, 0), size=32)
    with pytest.raises(InputError, match="outside its picture of 160×120 px"):
        upright_patch(noise(), face(500, 10, 40), size=32)


@pytest.mark.parametrize("shape", [(0, 5), (5, 5, 1), (5, 5, 4), (5,)])
def test_bad_pictures(shape: tuple[int, ...]) -> None:
    """Only (H, W) and (H, W, 3) with pixels are pictures."""
    with pytest.raises(InputError, match="decode it with"):
        check_picture(np.zeros(shape, np.uint8))
