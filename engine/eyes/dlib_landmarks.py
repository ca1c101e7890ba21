"""Eye corners by dlib's trained shape predictors, where their optional files are installed."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Literal, final

import dlib
import numpy as np
from numpy.typing import NDArray

from engine.errors import MissingBackendError, ModelError
from engine.eyes.face_marks import EyeMark, FaceMarks, as_corners
from engine.eyes.faces import Face, FacePatch, upright_patch

__all__ = ["PACKAGE", "DlibLandmarker", "packaged_predictor", "require_predictor"]

PACKAGE = "face_recognition_models"
"""The optional package that carries both predictors."""


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
            corners=as_corners(patch.to_picture(ends)),
            source="landmarks",
            confidence=0.9,
            openness=openness,
        )


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
