"""Every face finder keeps one contract; the chain adds turns and doubts."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from skimage import data

from engine.errors import InputError, MissingBackendError
from engine.eyes import finders
from engine.eyes.faces import Face
from engine.imaging.boxes import Box

# Middle of the face between brows and chin, and its side: read off the picture by eye.
FACE = Box(170, 62, 108, 108)

FINDERS: dict[str, Callable[[], finders.FaceFinder]] = {
    "haar": finders.HaarFinder,
    "hog": finders.HogFinder,
    "stream": finders.stream_finder,
    "still": finders.still_finder,
}


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """Return scikit-image's astronaut, ``(512, 512, 3)``."""
    return data.astronaut()


@pytest.fixture(scope="module", params=sorted(FINDERS))
def finder(request: pytest.FixtureRequest) -> finders.FaceFinder:
    """Return each kind of finder in turn."""
    return FINDERS[request.param]()


def turned(picture: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Turn a picture clockwise about its centre; return it and the matrix."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1)
    return cv2.warpAffine(picture, matrix, (width, height), borderValue=(127, 127, 127)), matrix


class TestContract:
    """What holds for every finder."""

    def test_finds_the_face(self, finder: finders.FaceFinder, portrait: np.ndarray) -> None:
        """The box overlaps the true one by two thirds."""
        faces = finder.find(portrait)
        assert len(faces) == 1
        assert faces[0].box.iou(FACE) > 0.67
        assert faces[0].roll_deg == 0
        assert faces[0].others == 0
        assert 0.3 < faces[0].confidence <= 1

    def test_grey_is_as_good_as_colour(
        self, finder: finders.FaceFinder, portrait: np.ndarray
    ) -> None:
        """Grey pictures are taken and give nearly the same box."""
        grey = cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)
        assert finder.find(grey)[0].box.iou(finder.find(portrait)[0].box) > 0.9

    @pytest.mark.parametrize("factor", [0.5, 2.0, 4.0])
    def test_boxes_are_in_pixels_of_the_picture(
        self, finder: finders.FaceFinder, portrait: np.ndarray, factor: float
    ) -> None:
        """The same face in a smaller or larger picture has a smaller or larger box."""
        other = cv2.resize(portrait, None, fx=factor, fy=factor)
        assert finder.find(other)[0].box.iou(FACE.scaled(factor)) > 0.67

    def test_largest_first(self, finder: finders.FaceFinder, portrait: np.ndarray) -> None:
        """Two faces come by size and know of each other."""
        near = portrait[:256, 96:352]
        far = np.full_like(near, 127)
        far[10:240, 13:243] = cv2.resize(near, (230, 230), interpolation=cv2.INTER_AREA)
        faces = finder.find(np.hstack([far, near]))
        assert [face.others for face in faces] == [1, 0]
        assert faces[0].box.iou(Box(170 - 96 + 256, 62, 108, 108)) > 0.67
        assert faces[0].box.area_px > faces[1].box.area_px

    @pytest.mark.parametrize("name", ["chelsea", "coffee", "brick"])
    def test_nothing_in_other_pictures(self, finder: finders.FaceFinder, name: str) -> None:
        """A cat, a cup and a wall have no face."""
        assert finder.find(getattr(data, name)()) == []

    @pytest.mark.parametrize("shape", [(1, 1, 3), (1, 400, 3), (400, 1), (8, 8, 3)])
    def test_tiny_pictures(self, finder: finders.FaceFinder, shape: tuple[int, ...]) -> None:
        """A picture of a pixel, a row or a column has no face and is no error."""
        assert finder.find(np.zeros(shape, np.uint8)) == []

    @pytest.mark.parametrize(
        "picture",
        [
            np.zeros((0, 10, 3), np.uint8),
            np.zeros((10, 10, 4), np.uint8),
            np.zeros((10, 10), np.float32),
            np.zeros(10, np.uint8),
        ],
    )
    def test_no_picture(self, finder: finders.FaceFinder, picture: np.ndarray) -> None:
        """Empty, RGBA, float and flat arrays are refused."""
        with pytest.raises(InputError, match=r"\(H, W, 3\) or \(H, W\) and dtype uint8, but got"):
            finder.find(picture)

    def test_name(self, finder: finders.FaceFinder) -> None:
        """Each has a name for logs."""
        assert finder.name


def test_finders_agree(portrait: np.ndarray) -> None:
    """Haar and HOG boxes of one face mean the same region."""
    haar, hog = finders.HaarFinder().find(portrait)[0], finders.HogFinder().find(portrait)[0]
    assert haar.box.iou(hog.box) > 0.8


@pytest.mark.parametrize("degrees", [-30, -20, 20, 30])
def test_tilted_heads(portrait: np.ndarray, degrees: float) -> None:
    """A head tilted by 20 to 30° is found with its tilt to 12°."""
    picture, matrix = turned(portrait, degrees)
    face = finders.stream_finder().find(picture)[0]
    assert np.allclose(face.box.centre, matrix @ [*FACE.centre, 1], atol=15)
    assert face.roll_deg == pytest.approx(degrees, abs=12)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_turned_phones(portrait: np.ndarray, degrees: float) -> None:
    """A sideways or upside-down still shows its face, and which way is up."""
    picture, matrix = turned(portrait, degrees)
    face = finders.still_finder().find_turned(picture)[0]
    assert np.allclose(face.box.centre, matrix @ [*FACE.centre, 1], atol=12)
    assert (face.roll_deg - degrees) % 360 == pytest.approx(0)


def test_an_upright_still_is_not_turned(portrait: np.ndarray) -> None:
    """When a face is upright, no turn is tried."""
    chain = finders.stream_finder()
    assert chain.find_turned(portrait) == chain.find(portrait)


def test_small_faces_in_large_stills(portrait: np.ndarray) -> None:
    """A face of 10 percent of a large picture is found by the finder for stills only."""
    large = np.full((1500, 1600, 3), 127, np.uint8)
    large[200:940, 500:1240] = cv2.resize(portrait, (740, 740))
    assert finders.HaarFinder().find(large) == []
    face = finders.still_finder().find(large)[0]
    side = 108 * 740 / 512
    assert face.box.iou(Box(500 + 170 * 740 / 512, 200 + 62 * 740 / 512, side, side)) > 0.6


class Fixed:
    """A finder that returns what it was told and counts its calls."""

    def __init__(self, name: str, *faces: Face) -> None:
        self.name = name
        self.faces = list(faces)
        self.calls = 0

    def find(self, picture: np.ndarray) -> list[Face]:
        """Return the given faces."""
        del picture
        self.calls += 1
        return self.faces


def face_of(confidence: float, *, side: float = 50) -> Face:
    """Return a face of that confidence."""
    return Face(box=Box(10, 10, side, side), source="haar", confidence=confidence)


PICTURE = np.zeros((100, 100, 3), np.uint8)


def test_a_sure_finder_ends_the_chain() -> None:
    """The second finder is not asked when the first is sure."""
    first, second = Fixed("a", face_of(0.9)), Fixed("b", face_of(0.9))
    chain = finders.FinderChain((first, second))
    assert chain.find(PICTURE) == [face_of(0.9)]
    assert (first.calls, second.calls) == (1, 0)
    assert chain.name == "a+b"


def test_a_doubtful_face_gives_way_to_a_sure_one() -> None:
    """A doubtful first answer is replaced by a sure second one, and kept without it."""
    doubtful, sure = face_of(0.1, side=80), face_of(0.8)
    chain = finders.FinderChain((Fixed("a", doubtful), Fixed("b", sure)))
    assert chain.find(PICTURE) == [sure]
    alone = finders.FinderChain((Fixed("a", doubtful), Fixed("b")))
    assert alone.find(PICTURE) == [doubtful]


def test_doubtful_faces_beside_a_sure_one_are_dropped() -> None:
    """A doubtful larger face does not win over a sure smaller one."""
    chain = finders.FinderChain((Fixed("a", face_of(0.1, side=80), face_of(0.8)),))
    assert chain.find(PICTURE) == [face_of(0.8)]


def test_an_empty_chain_is_refused() -> None:
    """A chain without finders can find nothing."""
    with pytest.raises(InputError, match="at least one face finder"):
        finders.FinderChain(())


def test_missing_cascade() -> None:
    """The error names the cascade and the line that installs it."""
    with pytest.raises(MissingBackendError, match=r"haarcascade_nose\.xml .* pip install"):
        finders.load_cascade("nose")


@pytest.mark.shared_data
def test_close_ups_are_no_faces(shared_data) -> None:
    """Of 120 close-ups of eyes, at most one is taken for a face."""
    files = sorted((shared_data / "eyes" / "external_eye" / "images").glob("*/*.jpg"))[::6]
    chain = finders.stream_finder()
    assert sum(bool(chain.find(cv2.imread(str(file)))) for file in files) <= 1
