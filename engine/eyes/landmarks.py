"""Find the two corners of each eye in a face, and say whose left and right they are.

Three ways, the best that is installed is taken: dlib's 68 points or 5 points when their file is
there, else OpenCV's eye cascades with the proportions of a face. A reader of the eye's anatomy
(:mod:`engine.eyes.anatomy`) may refine any of them.

On a photograph the person's right eye is on the image's left. A mirrored picture (the usual
preview of a webcam) looks the same to any program, so whoever knows that a picture is mirrored
says so with ``mirrored=True``.
"""

from __future__ import annotations

import importlib.util
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, final

import dlib
import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError, MissingBackendError, ModelError
from engine.eyes import crops
from engine.eyes.crops import Corners
from engine.eyes.faces import Face, FacePatch, upright_patch
from engine.eyes.finders import load_cascade
from engine.eyes.results import Side
from engine.imaging.boxes import Box

__all__ = [
    "AnatomyReading",
    "CascadeLandmarker",
    "DlibLandmarker",
    "EyeAnatomyLike",
    "EyeLocation",
    "EyeMark",
    "EyeSource",
    "FaceMarks",
    "Landmarker",
    "has_eyes",
    "locate_eyes",
    "open_landmarker",
    "refined",
]

EyeSource = Literal["landmarks", "cascade", "geometry", "anatomy"]
"""``landmarks``: a trained predictor. ``cascade``: an eye cascade saw it, the corners follow from a
face's proportions. ``geometry``: only the face was seen. ``anatomy``: read from the eye itself."""

EYE_WIDTH_PER_PUPIL_DISTANCE = 0.46
"""Width of the lid opening (about 29 mm) by the distance of the pupils (63 mm on average in
adults, doi:10.1117/12.529999)."""

PACKAGE = "face_recognition_models"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EyeLocation:
    """Where one eye is.

    ``corners`` are points of the picture, first the one that is on the left when the face is
    upright. ``box`` is the upright box, in pixels of the picture, centred between them and one
    eye width wide. ``confidence`` is 0..1. ``openness`` is height by width of the lid opening
    (about 0.3 open, below 0.15 closed), ``None`` when the source does not tell. ``yaw_deg`` is how
    far the face is turned to the image's right, ``None`` when unknown.
    """

    side: Side
    corners: Corners
    source: EyeSource
    confidence: float
    openness: float | None = None
    yaw_deg: float | None = None

    @property
    def width_px(self) -> float:
        """Distance between the corners, in pixels of the picture."""
        return math.dist(*self.corners)

    @property
    def roll_deg(self) -> float:
        """Tilt of the line between the corners, clockwise as seen, in -180..180."""
        (ax, ay), (bx, by) = self.corners
        return math.degrees(math.atan2(by - ay, bx - ax))

    @property
    def box(self) -> Box:
        """Upright box around the eye without padding, in pixels of the picture."""
        (ax, ay), (bx, by) = self.corners
        width, height = self.width_px, self.width_px * crops.EYE_ASPECT
        return Box((ax + bx - width) / 2, (ay + by - height) / 2, width, height)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EyeMark:
    """One eye of a face as a landmarker saw it; fields as in :class:`EyeLocation`."""

    corners: Corners
    source: EyeSource
    confidence: float
    openness: float | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FaceMarks:
    """Both eyes of a face, named by their place in the upright picture, and the face's turn."""

    image_left: EyeMark
    image_right: EyeMark
    yaw_deg: float | None = None


class Landmarker(Protocol):
    """What every way of reading a face offers."""

    @property
    def name(self) -> str:
        """A short name for logs and timings."""
        ...

    @property
    def licence_note(self) -> str:
        """What its licence asks to be said; empty when nothing."""
        ...

    def read(self, picture: NDArray[np.uint8], face: Face) -> FaceMarks:
        """Return both eyes of a face in ``(H, W, 3)`` RGB or ``(H, W)`` grey uint8."""
        ...


class EyeAnatomyLike(Protocol):
    """The part of :class:`engine.eyes.anatomy.EyeAnatomy` that is used here."""

    @property
    def corners(self) -> Corners | None:
        """Corners in pixels of the picture that was read."""
        ...

    @property
    def openness(self) -> float:
        """Height by width of the lid opening."""
        ...

    @property
    def eye_confidence(self) -> float:
        """How sure the reader is that it saw an eye, 0..1."""
        ...


class AnatomyReading(Protocol):
    """The part of :class:`engine.eyes.anatomy.AnatomyReader` that is used here."""

    def read(self, pictures: list[NDArray[np.uint8]]) -> Sequence[EyeAnatomyLike]:
        """Read close-ups of eyes, each ``(h, w, 3) uint8 RGB``."""
        ...


@final
class DlibLandmarker:
    """dlib's shape predictor with 68 or 5 points.

    The 68-point model was trained on iBUG 300-W, whose licence excludes commercial use: it may be
    used for non-commercial research only, although the package that carries it says otherwise
    (README of davisking/dlib-models). The 5-point model has no such condition.

    Raises
    ------
    ModelError
        When the file is missing or is no shape predictor of 68 or 5 points.
    """

    PATCH_PX = 200
    MARGIN = 0.25

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise ModelError(
                f"A dlib shape predictor (.dat) is needed, but {path.name} does not exist; "
                "correct the path or leave the setting empty to use the built-in way."
            )
        try:
            self._predict = dlib.shape_predictor(str(path))
        except RuntimeError as error:
            raise ModelError(
                f"A dlib shape predictor (.dat) is needed, but {path.name} cannot be read as one; "
                "download it again or leave the setting empty."
            ) from error
        probe = self._predict(np.zeros((64, 64), np.uint8), dlib.rectangle(8, 8, 55, 55))
        self.points = int(probe.num_parts)
        if self.points not in (5, 68):
            raise ModelError(
                f"A shape predictor of 68 or 5 points is needed, but {path.name} has "
                f"{self.points}; use dlib's face landmarks."
            )

    @property
    def name(self) -> str:
        """``dlib68`` or ``dlib5``."""
        return f"dlib{self.points}"

    @property
    def licence_note(self) -> str:
        """The research-only note of the 68-point model."""
        if self.points != 68:
            return ""
        return (
            "The 68-point face landmarks were trained on iBUG 300-W: "
            "non-commercial research use only."
        )

    def read(self, picture: NDArray[np.uint8], face: Face) -> FaceMarks:
        """Return both eyes; with 68 points also openness and yaw."""
        patch = upright_patch(picture, face, size=self.PATCH_PX, margin=self.MARGIN)
        points = self._points(patch)
        if self.points == 5:
            # 0, 1 are the person's left eye, 2, 3 the right one; 4 is below the nose.
            left_eye, right_eye = points[[3, 2]], points[[0, 1]]
            left_eye, right_eye = _by_column(left_eye), _by_column(right_eye)
            return FaceMarks(
                image_left=self._mark(patch, left_eye, None),
                image_right=self._mark(patch, right_eye, None),
                yaw_deg=_yaw_deg(left_eye[0], right_eye[1], points[4]),
            )
        first, second = points[36:42], points[42:48]
        return FaceMarks(
            image_left=self._mark(patch, first[[0, 3]], _lid_ratio(first)),
            image_right=self._mark(patch, second[[0, 3]], _lid_ratio(second)),
            yaw_deg=_yaw_deg(first[0], second[3], points[30]),
        )

    def _points(self, patch: FacePatch) -> NDArray[np.float64]:
        # The predictor expects boxes like the HOG detector's: undo finders.box_from_hog.
        side = self.PATCH_PX / (1 + 2 * self.MARGIN) / 1.1
        x = self.PATCH_PX / 2 - side / 2
        y = x + 0.11 * side
        rectangle = dlib.rectangle(round(x), round(y), round(x + side), round(y + side))
        shape = self._predict(patch.pixels, rectangle)
        # dlib numbers pixels by their centres.
        return np.array([(part.x + 0.5, part.y + 0.5) for part in shape.parts()], np.float64)

    def _mark(self, patch: FacePatch, ends: NDArray[np.float64], openness: float | None) -> EyeMark:
        return EyeMark(
            corners=_as_corners(patch.to_picture(ends)),
            source="landmarks",
            confidence=0.9,
            openness=openness,
        )


@final
class CascadeLandmarker:
    """OpenCV's eye cascades and the proportions of a face: needs no file, knows no openness."""

    name = "cascade"
    licence_note = ""

    PATCH_PX = 160
    # Where eyes lie in an upright face box of finders.HaarFinder, in shares of its side.
    LEFT_CENTRE = (0.31, 0.41)
    RIGHT_CENTRE = (0.69, 0.41)

    def __init__(self) -> None:
        # Each cascade is trained on one side; which one is which is the image's, measured.
        self._quick = (load_cascade("righteye_2splits"), load_cascade("lefteye_2splits"))
        self._thorough = load_cascade("eye")
        self._lock = threading.Lock()

    def read(self, picture: NDArray[np.uint8], face: Face) -> FaceMarks:
        """Return both eyes; one that no cascade saw is placed by the face's proportions."""
        patch = upright_patch(picture, face, size=self.PATCH_PX)
        left, right = self._centres(patch)
        seen = (left is not None, right is not None)
        first, second = _completed(
            left, right, np.array(self.LEFT_CENTRE), np.array(self.RIGHT_CENTRE)
        )
        along = (second - first) * EYE_WIDTH_PER_PUPIL_DISTANCE / 2
        marks = []
        for centre, is_seen in zip((first, second), seen, strict=True):
            ends = np.stack([centre - along, centre + along]) * self.PATCH_PX
            marks.append(
                EyeMark(
                    corners=_as_corners(patch.to_picture(ends)),
                    source="cascade" if is_seen else "geometry",
                    confidence=(0.6 if all(seen) else 0.45) if is_seen else 0.2,
                )
            )
        return FaceMarks(image_left=marks[0], image_right=marks[1])

    def count(self, picture: NDArray[np.uint8], face: Face) -> int:
        """Return how many eyes (0, 1 or 2) the cascades see where a face has them."""
        patch = upright_patch(picture, face, size=self.PATCH_PX)
        return sum(centre is not None for centre in self._centres(patch))

    def _centres(
        self, patch: FacePatch
    ) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
        """Return the centre of each eye in shares of the patch, or ``None``."""
        left = self._centre(patch.pixels, columns=(0.05, 0.55), expected=self.LEFT_CENTRE, which=0)
        right = self._centre(
            patch.pixels, columns=(0.45, 0.95), expected=self.RIGHT_CENTRE, which=1
        )
        if left is not None and right is not None and not _is_pair(left, right):
            # One of them is a brow or a nostril: keep the one nearer to where eyes are.
            off_left = float(np.linalg.norm(left - self.LEFT_CENTRE))
            off_right = float(np.linalg.norm(right - self.RIGHT_CENTRE))
            return (left, None) if off_left <= off_right else (None, right)
        return left, right

    def _centre(
        self,
        grey: NDArray[np.uint8],
        *,
        columns: tuple[float, float],
        expected: tuple[float, float],
        which: int,
    ) -> NDArray[np.float64] | None:
        side = grey.shape[0]
        x0, y0 = int(columns[0] * side), int(0.18 * side)
        half = grey[y0 : int(0.62 * side), x0 : int(columns[1] * side)]
        least, most = (int(0.18 * side),) * 2, (int(0.42 * side),) * 2
        # Centre of the eye in its box, from dlib's landmarks: the first kind includes the brow.
        kinds = ((self._quick[which], 0.73), (self._quick[1 - which], 0.73), (self._thorough, 0.56))
        for cascade, eye_row in kinds:
            with self._lock:
                boxes = cascade.detectMultiScale(half, 1.1, 3, 0, least, most)
            centres = [
                np.array([x0 + x + w / 2, y0 + y + eye_row * h]) / side for x, y, w, h in boxes
            ]
            if centres:
                distances = [float(np.linalg.norm(centre - expected)) for centre in centres]
                nearest = int(np.argmin(distances))
                if distances[nearest] < 0.16:
                    centre: NDArray[np.float64] = centres[nearest]
                    return centre
        return None


def open_landmarker(
    path: Path | None = None, *, points: Literal[68, 5] = 68
) -> DlibLandmarker | CascadeLandmarker:
    """Return the best landmarker that is installed.

    Parameters
    ----------
    path
        A dlib shape predictor; when given it must be usable.
    points
        Which predictor to take from the package ``face_recognition_models`` when no path is given.

    Raises
    ------
    ModelError
        When ``path`` is given and is no usable predictor.
    """
    if path is not None:
        return DlibLandmarker(path)
    found = packaged_predictor(points)
    return DlibLandmarker(found) if found else CascadeLandmarker()


def packaged_predictor(points: Literal[68, 5] = 68) -> Path | None:
    """Return the predictor file of ``face_recognition_models`` if that package is installed.

    The package is found without importing it: its import needs ``pkg_resources``, which current
    installations lack.
    """
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder) / "models" / f"shape_predictor_{points}_face_landmarks.dat"
        if file.is_file():
            return file
    return None


def require_predictor(points: Literal[68, 5] = 68) -> DlibLandmarker:
    """Return dlib's landmarker from the optional package.

    Raises
    ------
    MissingBackendError
        When the package is not installed; the message gives the line that installs it.
    """
    found = packaged_predictor(points)
    if found is None:
        raise MissingBackendError(
            f"The {points}-point landmarks need the package {PACKAGE}, which is not installed; "
            f"run: pip install --no-deps {PACKAGE}  (68 points: non-commercial research only)"
        )
    return DlibLandmarker(found)


def has_eyes(picture: NDArray[np.uint8], face: Face, *, cascades: CascadeLandmarker) -> bool:
    """Say whether a face holds at least one eye in its upper half, of an eye's relative size.

    Face finders sometimes take a close-up of an eye for a face; such a "face" has no eyes.
    """
    return cascades.count(picture, face) > 0


def locate_eyes(
    picture: NDArray[np.uint8],
    face: Face,
    landmarker: Landmarker,
    *,
    mirrored: bool = False,
    anatomy_reader: AnatomyReading | None = None,
) -> dict[Side, EyeLocation]:
    """Locate both eyes of a face.

    Parameters
    ----------
    picture
        ``(H, W, 3) uint8 RGB``, upright; grey ``(H, W)`` when no ``anatomy_reader`` is given.
    face
        From a finder or tracker; its box must overlap the picture.
    landmarker
        See :func:`open_landmarker`.
    mirrored
        Whether the picture shows the person as a mirror does; swaps left and right.
    anatomy_reader
        Refines the corners where it is sure that it sees an eye near them.

    Returns
    -------
    ``{"left": …, "right": …}``: the *person's* eyes.
    """
    marks = landmarker.read(picture, face)
    sides: tuple[Side, Side] = ("left", "right") if mirrored else ("right", "left")
    found: dict[Side, EyeLocation] = {}
    for side, mark in zip(sides, (marks.image_left, marks.image_right), strict=True):
        found[side] = EyeLocation(
            side=side,
            corners=mark.corners,
            source=mark.source,
            confidence=mark.confidence,
            openness=mark.openness,
            yaw_deg=marks.yaw_deg,
        )
    return refined(picture, found, anatomy_reader) if anatomy_reader else found


def refined(
    picture: NDArray[np.uint8], eyes: dict[Side, EyeLocation], reader: AnatomyReading
) -> dict[Side, EyeLocation]:
    """Replace corners by those that the anatomy shows, where these are plausible.

    Plausible: the reader is at least half sure, the middle moved by less than 0.4 eye widths,
    the width changed by a factor of 0.6 to 1.7, and the tilt by less than 30°.
    """
    if picture.ndim != 3:
        raise InputError(
            f"Refining eye corners needs an RGB picture (H, W, 3), but got {picture.shape}; "
            "pass the colour picture or no anatomy reader."
        )
    regions = {
        side: crops.canonical_crop(
            picture, eye.corners, padding_x=35, padding_y=52.5, out_width=160
        )
        for side, eye in eyes.items()
    }
    read = reader.read([region.pixels for region in regions.values()])
    result: dict[Side, EyeLocation] = {}
    for (side, eye), anatomy in zip(eyes.items(), read, strict=True):
        result[side] = _moved(eye, regions[side], anatomy)
    return result


def _moved(eye: EyeLocation, region: crops.EyeCrop, anatomy: EyeAnatomyLike) -> EyeLocation:
    if anatomy.corners is None or anatomy.eye_confidence < 0.5:
        return eye
    corners = _as_corners(region.to_picture(np.array(anatomy.corners, np.float64)))
    moved = replace(
        eye,
        corners=corners,
        source="anatomy",
        confidence=max(eye.confidence, float(anatomy.eye_confidence)),
        openness=float(anatomy.openness),
    )
    shift = math.dist(moved.box.centre, eye.box.centre) / eye.width_px
    turn = abs((moved.roll_deg - eye.roll_deg + 180) % 360 - 180)
    is_plausible = shift < 0.4 and 0.6 < moved.width_px / eye.width_px < 1.7 and turn < 30
    return moved if is_plausible else eye


def _completed(
    left: NDArray[np.float64] | None,
    right: NDArray[np.float64] | None,
    usual_left: NDArray[np.float64],
    usual_right: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fill in an eye that was not seen, at the usual distance from the one that was."""
    if left is None and right is None:
        return usual_left, usual_right
    if left is None:
        assert right is not None
        return right + (usual_left - usual_right), right
    if right is None:
        return left, left + (usual_right - usual_left)
    return left, right


def _is_pair(left: NDArray[np.float64], right: NDArray[np.float64]) -> bool:
    """Whether two centres, in shares of a face, can be the eyes of one face."""
    across, down = (float(v) for v in right - left)
    return 0.26 < across < 0.52 and abs(down) < 0.36 * across


def _by_column(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return points[np.argsort(points[:, 0])]


def _lid_ratio(six: NDArray[np.float64]) -> float:
    """Eye aspect ratio (Soukupová and Čech, CVWW 2016) of six points around one eye."""
    upper, lower = six[[1, 2]], six[[5, 4]]
    heights = np.linalg.norm(upper - lower, axis=1)
    return float(heights.mean() / max(float(np.linalg.norm(six[3] - six[0])), 1e-6))


def _yaw_deg(
    left_end: NDArray[np.float64], right_end: NDArray[np.float64], nose: NDArray[np.float64]
) -> float:
    """Estimate yaw from how far the nose's tip lies off the middle of the outer eye corners.

    The tip stands about a third of the corners' distance in front of them, so its offset divided
    by the seen distance is tan(yaw) / 3. Good to about 10°.
    """
    middle = (left_end + right_end) / 2
    span = right_end - left_end
    length = max(float(np.linalg.norm(span)), 1e-6)
    offset = float((nose - middle) @ span) / length**2
    return math.degrees(math.atan(3 * offset))


def _as_corners(ends: NDArray[np.float64]) -> Corners:
    (ax, ay), (bx, by) = ends
    return (float(ax), float(ay)), (float(bx), float(by))
