"""Eye corners by OpenCV's eye cascades and the proportions of a face: needs no download."""

from __future__ import annotations

import threading
from typing import final

import numpy as np
from numpy.typing import NDArray

from engine.eyes.face_marks import EyeMark, FaceMarks, as_corners
from engine.eyes.faces import Face, FacePatch, upright_patch
from engine.eyes.finders import load_cascade

__all__ = ["EYE_WIDTH_PER_PUPIL_DISTANCE", "CascadeLandmarker", "has_eyes"]

EYE_WIDTH_PER_PUPIL_DISTANCE = 0.46
"""Width of the lid opening (about 29 mm) by the distance of the pupils (63 mm on average in
adults, doi:10.1117/12.529999)."""


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
                    corners=as_corners(patch.to_picture(ends)),
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


def has_eyes(picture: NDArray[np.uint8], face: Face, *, cascades: CascadeLandmarker) -> bool:
    """Say whether a face holds at least one eye in its upper half, of an eye's relative size.

    Face finders sometimes take a close-up of an eye for a face; such a "face" has no eyes.
    """
    return cascades.count(picture, face) > 0


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
