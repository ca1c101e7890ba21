"""Whose left and right, where the corners are, and what happens without optional files."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from engine.errors import InputError, MissingBackendError, ModelError
from engine.eyes import landmarks
from engine.eyes.crops import Corners
from engine.eyes.faces import Face
from engine.eyes.landmarks import CascadeLandmarker, DlibLandmarker, EyeLocation
from engine.imaging.boxes import Box

# Middles of the astronaut's lid openings, read off the picture by eye.
RIGHT_EYE = (203.5, 103.0)
LEFT_EYE = (247.0, 105.0)
EYE_WIDTH = 19.0


def predictor(points: int) -> Path | None:
    """Return the optional predictor: installed, or in a folder named by the environment."""
    folder = os.environ.get("LIGHTBOX_TEST_LANDMARKS", "")
    file = Path(folder) / f"shape_predictor_{points}_face_landmarks.dat"
    return file if file.is_file() else landmarks.packaged_predictor(points)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """Return scikit-image's astronaut."""
    return data.astronaut()


@pytest.fixture(scope="module", params=["cascade", "dlib68", "dlib5"])
def landmarker(request: pytest.FixtureRequest) -> landmarks.Landmarker:
    """Return each kind in turn; the predictors only where their files are."""
    if request.param == "cascade":
        return CascadeLandmarker()
    file = predictor(int(request.param.removeprefix("dlib")))
    if file is None:
        pytest.skip("the package face_recognition_models is not installed")
    return DlibLandmarker(file)


# What the finders answer (see test_finders); given here so that landmarks are tested alone.
FACE = Face(box=Box(168.5, 57.6, 110.9, 110.9), source="haar", confidence=0.9)


def turned_face(matrix: np.ndarray, degrees: float) -> Face:
    """Return the face after a turn of the picture."""
    x, y = matrix @ [*FACE.box.centre, 1]
    side = FACE.box.width
    return replace(FACE, box=Box(x - side / 2, y - side / 2, side, side), roll_deg=degrees)


def mirrored_face(width: int) -> Face:
    """Return the face in the mirrored picture."""
    box = FACE.box
    return replace(FACE, box=Box(width - box.x - box.width, box.y, box.width, box.height))


def middle(eye: EyeLocation) -> np.ndarray:
    """Return the point between the corners."""
    return np.mean(eye.corners, axis=0)


class TestContract:
    """What holds for every landmarker."""

    def test_sides_are_the_persons(
        self, landmarker: landmarks.Landmarker, portrait: np.ndarray
    ) -> None:
        """On a photograph, the person's right eye is on the image's left."""
        eyes = landmarks.locate_eyes(portrait, FACE, landmarker)
        assert {side: eye.side for side, eye in eyes.items()} == {"left": "left", "right": "right"}
        assert np.linalg.norm(middle(eyes["right"]) - RIGHT_EYE) < 0.25 * EYE_WIDTH
        assert np.linalg.norm(middle(eyes["left"]) - LEFT_EYE) < 0.25 * EYE_WIDTH

    def test_corners_run_from_left_to_right(
        self, landmarker: landmarks.Landmarker, portrait: np.ndarray
    ) -> None:
        """The first corner is the left one; the width is right to a quarter."""
        eyes = landmarks.locate_eyes(portrait, FACE, landmarker)
        for eye in eyes.values():
            (ax, _), (bx, _) = eye.corners
            assert ax < bx
            assert eye.width_px == pytest.approx(EYE_WIDTH, rel=0.25)
            assert abs(eye.roll_deg) < 12

    def test_mirrored_pictures(
        self, landmarker: landmarks.Landmarker, portrait: np.ndarray
    ) -> None:
        """A mirrored picture, declared as such, keeps each eye's name."""
        mirrored = np.ascontiguousarray(portrait[:, ::-1])
        eyes = landmarks.locate_eyes(
            mirrored, mirrored_face(mirrored.shape[1]), landmarker, mirrored=True
        )
        width = portrait.shape[1]
        assert middle(eyes["right"])[0] == pytest.approx(width - RIGHT_EYE[0], abs=5)
        assert middle(eyes["left"])[0] == pytest.approx(width - LEFT_EYE[0], abs=5)

    def test_undeclared_mirrors_swap(
        self, landmarker: landmarks.Landmarker, portrait: np.ndarray
    ) -> None:
        """Pixels do not tell: without the word, a mirrored right eye is called left."""
        mirrored = np.ascontiguousarray(portrait[:, ::-1])
        eyes = landmarks.locate_eyes(mirrored, mirrored_face(mirrored.shape[1]), landmarker)
        width = portrait.shape[1]
        assert middle(eyes["left"])[0] == pytest.approx(width - RIGHT_EYE[0], abs=5)

    @pytest.mark.parametrize("degrees", [-25, 20, 90, 180, 270])
    def test_turned_pictures_keep_the_sides(
        self, landmarker: landmarks.Landmarker, portrait: np.ndarray, degrees: float
    ) -> None:
        """Tilted heads and turned phones: sides, places and the direction of the corners."""
        height, width = portrait.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1)
        turned = cv2.warpAffine(portrait, matrix, (width, height), borderMode=1)
        eyes = landmarks.locate_eyes(turned, turned_face(matrix, degrees), landmarker)
        for side, truth in (("right", RIGHT_EYE), ("left", LEFT_EYE)):
            expected = matrix @ [*truth, 1]
            assert np.linalg.norm(middle(eyes[side]) - expected) < 0.3 * EYE_WIDTH
            off = (eyes[side].roll_deg - degrees + 180) % 360 - 180
            assert abs(off) < 15

    def test_grey_pictures(self, landmarker: landmarks.Landmarker, portrait: np.ndarray) -> None:
        """Grey is as good as colour."""
        grey = cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)
        eyes = landmarks.locate_eyes(grey, FACE, landmarker)
        assert np.linalg.norm(middle(eyes["left"]) - LEFT_EYE) < 0.25 * EYE_WIDTH

    def test_a_face_outside_is_refused(
        self, landmarker: landmarks.Landmarker, portrait: np.ndarray
    ) -> None:
        """A face beside the picture is the caller's mistake."""
        face = Face(box=Box(900, 900, 50, 50), source="haar", confidence=1)
        with pytest.raises(InputError, match="outside its picture"):
            landmarks.locate_eyes(portrait, face, landmarker)

    def test_empty_pictures_are_refused(self, landmarker: landmarks.Landmarker) -> None:
        """An empty array is no picture."""
        face = Face(box=Box(0, 0, 50, 50), source="haar", confidence=1)
        with pytest.raises(InputError, match="needs the shape"):
            landmarks.locate_eyes(np.zeros((0, 0, 3), np.uint8), face, landmarker)


def test_cascades_name_their_source(portrait: np.ndarray) -> None:
    """Eyes that a cascade saw say so, and know no openness."""
    eyes = landmarks.locate_eyes(portrait, FACE, CascadeLandmarker())
    assert {eye.source for eye in eyes.values()} == {"cascade"}
    assert {eye.openness for eye in eyes.values()} == {None}


def test_one_covered_eye_is_placed_by_geometry(portrait: np.ndarray) -> None:
    """An eye behind a patch is placed where the other one says, and less surely."""
    face = FACE
    covered = portrait.copy()
    covered[88:118, 228:268] = (190, 150, 130)
    eyes = landmarks.locate_eyes(covered, face, CascadeLandmarker())
    assert eyes["right"].source == "cascade"
    assert eyes["left"].source == "geometry"
    assert eyes["left"].confidence < eyes["right"].confidence
    assert np.linalg.norm(middle(eyes["left"]) - LEFT_EYE) < 0.4 * EYE_WIDTH


def test_a_face_without_eyes(portrait: np.ndarray) -> None:
    """A wall that was called a face has no eyes; the astronaut has."""
    cascades = CascadeLandmarker()
    assert landmarks.has_eyes(portrait, FACE, cascades=cascades)
    wall = Face(box=Box(100, 100, 200, 200), source="haar", confidence=0.9)
    assert not landmarks.has_eyes(np.dstack([data.brick()] * 3), wall, cascades=cascades)


def test_openness_and_yaw_of_the_68_points(portrait: np.ndarray) -> None:
    """The astronaut's eyes are open and she looks ahead."""
    file = predictor(68)
    if file is None:
        pytest.skip("the package face_recognition_models is not installed")
    reader = DlibLandmarker(file)
    eyes = landmarks.locate_eyes(portrait, FACE, reader)
    for eye in eyes.values():
        assert eye.openness is not None
        assert 0.2 < eye.openness < 0.45
        assert eye.yaw_deg is not None
        assert abs(eye.yaw_deg) < 15
        assert eye.source == "landmarks"
    assert "non-commercial research use only" in reader.licence_note
    assert "non-commercial research" in (DlibLandmarker.__doc__ or "")


def test_only_the_68_points_carry_a_condition() -> None:
    """Cascades and five points may be used by anybody."""
    assert CascadeLandmarker().licence_note == ""
    file = predictor(5)
    if file is None:
        pytest.skip("the package face_recognition_models is not installed")
    assert DlibLandmarker(file).licence_note == ""


@dataclass
class Anatomy:
    """Stands for what an anatomy reader returns."""

    corners: Corners | None
    openness: float = 0.31
    eye_confidence: float = 0.9


class Reader:
    """A reader that sees every eye at the same place of the region it is shown."""

    def __init__(self, anatomy: Anatomy) -> None:
        self.anatomy = anatomy
        self.shapes: list[tuple[int, ...]] = []

    def locate(self, pictures: list[np.ndarray]) -> list[Anatomy]:
        """Return the same anatomy for each."""
        self.shapes += [picture.shape for picture in pictures]
        return [self.anatomy] * len(pictures)


def located(portrait: np.ndarray, anatomy: Anatomy) -> tuple[dict, dict]:
    """Return the eyes before and after refinement."""
    face, cascades = FACE, CascadeLandmarker()
    reader = Reader(anatomy)
    before = landmarks.locate_eyes(portrait, face, cascades)
    after = landmarks.locate_eyes(portrait, face, cascades, anatomy_reader=reader)
    assert reader.shapes == [(128, 160, 3)] * 2
    return before, after


def test_anatomy_refines_the_corners(portrait: np.ndarray) -> None:
    """Corners come back from the region to the picture: 160 px show 1.7 eye widths."""
    # 10 px right of the middle and 10 % wider: 160 / 1.7 * 1.1 = 103.5 px between the corners.
    half = 160 / 1.7 * 1.1 / 2
    before, after = located(portrait, Anatomy(((90 - half, 64.0), (90 + half, 64.0))))
    for side in ("left", "right"):
        assert after[side].source == "anatomy"
        assert after[side].openness == 0.31
        assert after[side].width_px == pytest.approx(1.1 * before[side].width_px)
        shift = np.linalg.norm(middle(after[side]) - middle(before[side]))
        assert shift == pytest.approx(10 / 160 * 1.7 * before[side].width_px)


@pytest.mark.parametrize(
    "anatomy",
    [
        Anatomy(None),
        Anatomy(((40.0, 64.0), (120.0, 64.0)), eye_confidence=0.3),
        Anatomy(((100.0, 64.0), (159.0, 64.0))),
        Anatomy(((70.0, 64.0), (90.0, 64.0))),
        Anatomy(((50.0, 20.0), (110.0, 110.0))),
    ],
    ids=["nothing seen", "unsure", "elsewhere", "much smaller", "steep"],
)
def test_implausible_anatomy_is_not_followed(portrait: np.ndarray, anatomy: Anatomy) -> None:
    """The corners stay when the reader is unsure or its answer cannot be."""
    before, after = located(portrait, anatomy)
    assert after == before


def test_refining_needs_colour(portrait: np.ndarray) -> None:
    """The anatomy reads colour; a grey picture is refused with what to do."""
    grey = cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)
    with pytest.raises(InputError, match=r"RGB picture \(H, W, 3\), but got \(512, 512\)"):
        landmarks.locate_eyes(grey, FACE, CascadeLandmarker(), anatomy_reader=Reader(Anatomy(None)))


def test_location_by_hand() -> None:
    """Corners 30 px right and 40 px down of each other: 50 px, 53.13°, a box of 50×22.5."""
    eye = EyeLocation(
        side="left", corners=((10.0, 20.0), (40.0, 60.0)), source="geometry", confidence=0.2
    )
    assert eye.width_px == 50
    assert eye.roll_deg == pytest.approx(53.13, abs=0.01)
    assert eye.box == Box(0.0, 28.75, 50.0, 22.5)


class TestOptionalFiles:
    """How a predictor is found, refused and missed."""

    def test_without_a_file_the_cascades_are_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No path and no package: the built-in way."""
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        assert isinstance(landmarks.open_landmarker(), CascadeLandmarker)

    def test_asking_for_the_package_names_the_install_line(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever asks for the points gets the line to type, and the condition."""
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        with pytest.raises(MissingBackendError, match=r"pip install --no-deps .* research only"):
            landmarks.require_predictor(68)

    def test_the_package_is_found_without_being_imported(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A package whose import fails still gives its file."""
        models = tmp_path / landmarks.PACKAGE / "models"
        models.mkdir(parents=True)
        (models.parent / "__init__.py").write_text("raise ImportError('pkg_resources')")
        (models / "shape_predictor_68_face_landmarks.dat").write_bytes(b"x")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, landmarks.PACKAGE, raising=False)
        found = landmarks.packaged_predictor(68)
        assert found == models / "shape_predictor_68_face_landmarks.dat"
        assert landmarks.packaged_predictor(5) is None
        assert landmarks.PACKAGE not in sys.modules

    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        """A configured path must exist; only its name is shown."""
        with pytest.raises(ModelError, match=r"^A dlib shape .* but no\.dat does not exist"):
            landmarks.open_landmarker(tmp_path / "no.dat")

    def test_another_file_is_refused(self, tmp_path: Path) -> None:
        """A file that dlib cannot read is refused."""
        file = tmp_path / "bad.dat"
        file.write_bytes(b"not a predictor")
        with pytest.raises(ModelError, match=r"bad\.dat cannot be read as one"):
            landmarks.open_landmarker(file)

    def test_a_configured_file_is_used(self) -> None:
        """A path to 5 points gives five points."""
        file = predictor(5)
        if file is None:
            pytest.skip("the package face_recognition_models is not installed")
        assert landmarks.open_landmarker(file).name == "dlib5"


def test_eyes_follow_the_box(portrait: np.ndarray) -> None:
    """A box that is off by 8 percent still gives the same eyes."""
    box = FACE.box
    side = box.width
    for dx, dy in ((0.08, 0), (-0.08, 0), (0, 0.08), (0, -0.08)):
        moved = Face(
            box=Box(box.x + dx * side, box.y + dy * side, side, side),
            source="tracker",
            confidence=1,
        )
        eyes = landmarks.locate_eyes(portrait, moved, CascadeLandmarker())
        assert np.linalg.norm(middle(eyes["left"]) - LEFT_EYE) < 0.3 * EYE_WIDTH
        assert np.linalg.norm(middle(eyes["right"]) - RIGHT_EYE) < 0.3 * EYE_WIDTH
