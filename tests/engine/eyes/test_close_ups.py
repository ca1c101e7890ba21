"""Close-ups and strips without a face, with a reader of known answers and without one."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from skimage import data

from engine.errors import InputError
from engine.eyes import close_ups
from engine.eyes.crops import Corners


@dataclass
class Anatomy:
    """Stands for what an anatomy reader returns."""

    corners: Corners | None = None
    openness: float = 0.35
    eye_confidence: float = 0.95


NOTHING = Anatomy(eye_confidence=0.02)


class Reader:
    """Answers by the shape of the part that it is shown, in the order of the parts."""

    def __init__(self, *answers: Anatomy) -> None:
        self.answers = answers
        self.shapes: list[tuple[int, ...]] = []

    def locate(self, pictures: list[np.ndarray]) -> list[Anatomy]:
        """Return the prepared answers."""
        self.shapes = [picture.shape for picture in pictures]
        return list(self.answers[: len(pictures)])


def blank(height: int, width: int) -> np.ndarray:
    """Return a picture without anything in it."""
    return np.full((height, width, 3), 128, np.uint8)


def test_one_eye_is_of_unknown_side() -> None:
    """A close-up does not tell whose left it is; corners are in pixels of the picture."""
    corners = ((40.0, 60.0), (160.0, 66.0))
    found = close_ups.find_close_up(blank(150, 200), Reader(Anatomy(corners)))
    assert list(found) == ["unknown"]
    eye = found["unknown"]
    assert (eye.side, eye.source, eye.confidence) == ("unknown", "anatomy", 0.95)
    assert eye.corners == corners
    assert eye.openness == 0.35


def strip_reader() -> Reader:
    """Return a reader that sees an eye in each half of a 400×100 picture.

    Halves are 208 px wide (52 percent); the right one starts at column 192.
    """
    left = Anatomy(((70.0, 50.0), (130.0, 52.0)))
    right = Anatomy(((88.0, 48.0), (148.0, 50.0)))
    return Reader(Anatomy(((70.0, 50.0), (130.0, 52.0))), left, right)


def test_a_strip_has_two_eyes() -> None:
    """Image-left is the person's right eye; each in pixels of the whole picture."""
    reader = strip_reader()
    found = close_ups.find_close_up(blank(100, 400), reader)
    assert reader.shapes == [(100, 400, 3), (100, 208, 3), (100, 208, 3)]
    assert set(found) == {"left", "right"}
    assert found["right"].corners == ((70.0, 50.0), (130.0, 52.0))
    assert found["left"].corners == ((192 + 88.0, 48.0), (192 + 148.0, 50.0))
    assert {side: eye.side for side, eye in found.items()} == {"left": "left", "right": "right"}


def test_a_mirrored_strip() -> None:
    """In a mirror, image-left is the person's left eye."""
    found = close_ups.find_close_up(blank(100, 400), strip_reader(), mirrored=True)
    assert found["left"].corners == ((70.0, 50.0), (130.0, 52.0))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        # Both halves see the same eye in the middle: 160..240 of 400.
        (((160.0, 50.0), (207.0, 50.0)), ((0.0, 50.0), (48.0, 50.0))),
        # One is twice as large.
        (((60.0, 50.0), (160.0, 50.0)), ((80.0, 50.0), (130.0, 50.0))),
        # One is far lower.
        (((70.0, 10.0), (130.0, 10.0)), ((90.0, 90.0), (150.0, 90.0))),
    ],
    ids=["same eye", "sizes differ", "not level"],
)
def test_halves_that_are_no_pair(left: Corners, right: Corners) -> None:
    """A wide picture of one eye stays one eye."""
    whole = Anatomy(((150.0, 50.0), (250.0, 50.0)))
    reader = Reader(whole, Anatomy(left), Anatomy(right))
    found = close_ups.find_close_up(blank(100, 400), reader)
    assert {side: eye.corners for side, eye in found.items()} == {"unknown": whole.corners}


def test_a_square_picture_is_read_once() -> None:
    """Two eyes are looked for in wide pictures only."""
    reader = Reader(Anatomy(((40.0, 60.0), (160.0, 66.0))))
    close_ups.find_close_up(blank(180, 200), reader)
    assert reader.shapes == [(180, 200, 3)]


def test_an_iris_that_fills_the_picture() -> None:
    """An eye without visible corners is looked at as a whole: 140×125 gives 100 px."""
    found = close_ups.find_close_up(blank(125, 140), Reader(Anatomy(None)))
    eye = found["unknown"]
    assert eye.source == "geometry"
    assert eye.corners == ((20.0, 62.5), (120.0, 62.5))
    assert eye.openness is None


@pytest.mark.parametrize("name", ["chelsea", "coffee", "brick"])
def test_no_eye(name: str) -> None:
    """A cat, a cup and a wall give nothing when the reader sees nothing."""
    picture = getattr(data, name)()
    picture = picture if picture.ndim == 3 else np.dstack([picture] * 3)
    assert close_ups.find_close_up(picture, Reader(NOTHING, NOTHING, NOTHING)) == {}


@pytest.mark.parametrize("shape", [(1, 1, 3), (15, 300, 3)])
def test_tiny_pictures(shape: tuple[int, ...]) -> None:
    """Below 16 px nothing is looked for."""
    assert close_ups.find_close_up(np.zeros(shape, np.uint8), Reader()) == {}


@pytest.mark.parametrize("shape", [(100, 100), (0, 10, 3)])
def test_bad_pictures(shape: tuple[int, ...]) -> None:
    """Grey and empty pictures are refused."""
    with pytest.raises(InputError, match="needs the shape"):
        close_ups.find_close_up(np.zeros(shape, np.uint8))


class TestWithoutReader:
    """OpenCV's cascades alone."""

    def test_one_eye(self) -> None:
        """The astronaut's right eye from near is found to a third of its width."""
        near = cv2.resize(data.astronaut()[90:118, 186:222], None, fx=6, fy=6)
        found = close_ups.find_close_up(near)
        assert list(found) == ["unknown"]
        middle = np.mean(found["unknown"].corners, axis=0)
        assert np.linalg.norm(middle - [(203.5 - 186) * 6, (103 - 90) * 6]) < 19 * 6 / 3

    def test_two_eyes(self) -> None:
        """A strip of both eyes gives both, the person's right one on the left."""
        strip = cv2.resize(data.astronaut()[84:124, 176:276], None, fx=4, fy=4)
        found = close_ups.find_close_up(strip)
        assert set(found) == {"left", "right"}
        right, left = (np.mean(found[side].corners, axis=0) for side in ("right", "left"))
        assert right == pytest.approx([(203.5 - 176) * 4, (103 - 84) * 4], abs=20)
        assert left == pytest.approx([(247 - 176) * 4, (105 - 84) * 4], abs=20)
