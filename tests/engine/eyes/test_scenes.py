"""A still is a face, a close-up or nothing; finders' mistakes are caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
from skimage import data

from engine.eyes import finders, scenes
from engine.eyes.faces import Face
from engine.eyes.landmarks import CascadeLandmarker
from engine.imaging.boxes import Box

FACE = Face(box=Box(168.5, 57.6, 110.9, 110.9), source="haar", confidence=0.9)


@dataclass
class Anatomy:
    """Stands for what an anatomy reader returns."""

    corners: tuple | None
    openness: float = 0.3
    eye_confidence: float = 0.9


class Reader:
    """A reader that sees an eye in the middle of whatever it is shown, or nothing."""

    def __init__(self, confidence: float) -> None:
        self.confidence = confidence

    def locate(self, pictures: list[np.ndarray]) -> list[Anatomy]:
        """Return the eye."""
        answers = []
        for picture in pictures:
            height, width = picture.shape[:2]
            corners = ((0.2 * width, height / 2), (0.8 * width, height / 2))
            answers.append(Anatomy(corners, eye_confidence=self.confidence))
        return answers


class Fixed:
    """A finder that returns what it was told, upright pictures only."""

    name = "fixed"

    def __init__(self, *faces: Face) -> None:
        self.faces = list(faces)

    def find(self, picture: np.ndarray) -> list[Face]:
        """Return the given faces."""
        del picture
        return self.faces


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """Return scikit-image's astronaut."""
    return data.astronaut()


@pytest.fixture(scope="module")
def read() -> Callable[..., scenes.SceneFound]:
    """Return :func:`scenes.read_scene` with what does not change."""
    cascades = CascadeLandmarker()

    def reading(
        picture: np.ndarray, *faces: Face, finder: object = None, sure: float = 0.0, **more: object
    ) -> scenes.SceneFound:
        return scenes.read_scene(
            picture,
            finder=finder or finders.FinderChain((Fixed(*faces),)),
            landmarker=cascades,
            cascades=cascades,
            anatomy_reader=Reader(sure) if sure else None,
            **more,
        )

    return reading


def test_a_face_with_eyes(read: Callable, portrait: np.ndarray) -> None:
    """The astronaut is a face with two eyes and nothing to remark."""
    found = read(portrait, FACE)
    assert (found.scene, found.face, found.reasons) == ("face", FACE, ())
    assert set(found.eyes) == {"left", "right"}


def test_several_faces_are_said(read: Callable, portrait: np.ndarray) -> None:
    """The largest is used, and the person is told."""
    small = replace(FACE, box=Box(10, 300, 60, 60))
    found = read(portrait, FACE, small)
    assert found.face is not None
    assert found.face.box == FACE.box
    assert found.reasons == ("2 faces are in the picture; the largest one was used.",)


def test_a_close_up_taken_for_a_face(read: Callable) -> None:
    """A "face" without eyes in it, on a picture that the reader knows as an eye, is a close-up."""
    picture = np.dstack([data.brick()] * 3)
    false = replace(FACE, box=Box(50, 50, 300, 300))
    found = read(picture, false, sure=0.9)
    assert (found.scene, found.face) == ("close_up", None)
    assert list(found.eyes) == ["unknown"]


def test_a_face_whose_eyes_cannot_be_seen(read: Callable) -> None:
    """When it is no close-up either, the face stands, so that the person can be coached."""
    picture = np.dstack([data.brick()] * 3)
    found = read(picture, replace(FACE, box=Box(50, 50, 300, 300)), sure=0.1)
    assert found.scene == "face"


def test_the_surer_finder_is_believed(read: Callable) -> None:
    """A face by HOG needs no eye: it never took an eye for a face."""
    picture = np.dstack([data.brick()] * 3)
    face = replace(FACE, source="hog", box=Box(50, 50, 300, 300))
    assert read(picture, face, sure=0.9).scene == "face"


def test_a_doubtful_face_inside_of_an_eye(read: Callable, portrait: np.ndarray) -> None:
    """An eye that is wider than the doubtful "face" with eyes makes the picture a close-up."""
    # The reader sees an eye of 0.6 × 512 px; the face measures 111 px.
    assert read(portrait, replace(FACE, confidence=0.5), sure=0.9).scene == "close_up"
    assert read(portrait, replace(FACE, confidence=0.5), sure=0.1).scene == "face"
    assert read(portrait, replace(FACE, confidence=0.9), sure=0.9).scene == "face"


def test_no_face_but_an_eye(read: Callable, portrait: np.ndarray) -> None:
    """Without a face, the picture is read as a close-up."""
    assert read(portrait[90:118, 186:222].repeat(5, 0).repeat(5, 1), sure=0.8).scene == "close_up"


def test_nothing(read: Callable) -> None:
    """A wall is nothing, with a sentence."""
    found = read(np.dstack([data.brick()] * 3), sure=0.1)
    assert (found.scene, found.face, dict(found.eyes)) == ("nothing", None, {})
    assert found.reasons == ("No face and no eye was found in the picture.",)


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 500, 3)])
def test_tiny_pictures_are_nothing(read: Callable, shape: tuple[int, ...]) -> None:
    """A picture of a pixel or a line is nothing, and no error."""
    still = finders.still_finder()
    assert read(np.zeros(shape, np.uint8), finder=still, sure=0.1).scene == "nothing"


@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
def test_turned_stills(read: Callable, portrait: np.ndarray, quarter_turns: int) -> None:
    """However the phone was held, the person's right eye is called right."""
    picture = np.ascontiguousarray(np.rot90(portrait, quarter_turns))
    found = read(picture, finder=finders.still_finder(), sure=0.1)
    assert found.scene == "face"
    # Turn the answer back: np.rot90 maps (x, y) to (y, W - x).
    x, y = np.mean(found.eyes["right"].corners, axis=0)
    for _ in range(quarter_turns):
        x, y = 512 - y, x
    assert (x, y) == pytest.approx((203.5, 103), abs=6)


def test_mirrored_stills(read: Callable, portrait: np.ndarray) -> None:
    """A mirrored still, declared as such, keeps the sides."""
    picture = np.ascontiguousarray(portrait[:, ::-1])
    face = replace(FACE, box=Box(512 - 168.5 - 110.9, 57.6, 110.9, 110.9))
    found = read(picture, face, mirrored=True)
    assert np.mean(found.eyes["right"].corners, axis=0)[0] == pytest.approx(512 - 203.5, abs=6)


def test_a_strip_from_the_portrait(read: Callable, portrait: np.ndarray) -> None:
    """A strip with both eyes and no chin is a close-up with two sides."""
    strip = cv2.resize(portrait[84:124, 176:276], None, fx=4, fy=4)
    found = read(strip, finder=finders.still_finder())
    assert found.scene == "close_up"
    assert set(found.eyes) == {"left", "right"}
