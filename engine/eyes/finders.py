"""Find faces in one picture: several finders behind one seam, and a chain of them.

Says where faces are, not where their eyes are (:mod:`engine.eyes.landmarks`), and remembers
nothing between pictures (:mod:`engine.eyes.tracking`). None of the finders needs a download.

Measured on 737 close-ups of eyes: OpenCV's ``frontalface_alt2`` and dlib's HOG detector see no
face in any of them, ``frontalface_default`` sees one in 2 percent. So the first two are used.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol, final

import cv2
import cv2.data
import dlib
import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError, MissingBackendError
from engine.eyes.faces import Face, check_picture
from engine.imaging.boxes import Box

__all__ = [
    "PHONE_TURNS",
    "FaceFinder",
    "FinderChain",
    "HaarFinder",
    "HogFinder",
    "load_cascade",
    "still_finder",
    "stream_finder",
]

PHONE_TURNS: Final = (90.0, -90.0, 180.0)
"""Turns of a phone held sideways or upside down, in degrees clockwise."""

HOG_TILTS_DEG: Final = (0.0, 0.0, 0.0, -22.0, 22.0)
"""Tilt of the face that each of dlib's five sub-detectors answers to: frontal, turned left, turned
right, tilted left, tilted right. Measured by turning a portrait from -40° to 40°: the fourth
answers from -40° to -15°, the fifth from 15° to 40°."""


class FaceFinder(Protocol):
    """What every finder offers."""

    @property
    def name(self) -> str:
        """A short name for logs and timings."""
        ...

    def find(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Return the faces of ``(H, W, 3)`` or ``(H, W)`` uint8, the largest first.

        Returns an empty list when there are none; raises ``InputError`` for what is no picture.
        """
        ...


def load_cascade(name: str) -> cv2.CascadeClassifier:
    """Open a cascade that ships with OpenCV 4, for example ``frontalface_alt2``.

    Raises
    ------
    MissingBackendError
        When the installed OpenCV does not carry it (5.0 carries none).
    """
    path = Path(cv2.data.haarcascades) / f"haarcascade_{name}.xml"
    if not hasattr(cv2, "CascadeClassifier") or not path.is_file():
        raise MissingBackendError(
            f"OpenCV's cascade {path.name} is needed, but OpenCV {cv2.__version__} does not carry "
            'it; install it with: pip install "opencv-python-headless>=4.14,<5"'
        )
    return cv2.CascadeClassifier(str(path))


@final
class HaarFinder:
    """OpenCV's frontal cascade on a small grey picture: the fast one.

    Parameters
    ----------
    long_side_px
        Pictures are brought to this length before searching.
    smallest
        Side of the smallest face, as a share of the picture's short side.
    scale_step
        Factor between two sizes tried; 1.2 finds what 1.1 finds at half the time.
    """

    name = "haar"

    def __init__(
        self, *, long_side_px: int = 240, smallest: float = 0.18, scale_step: float = 1.2
    ) -> None:
        self._long_side_px = long_side_px
        self._smallest = smallest
        self._scale_step = scale_step
        self._cascade = load_cascade("frontalface_alt2")
        # A cascade keeps its working buffers: two callers at once would mix them up.
        self._lock = threading.Lock()

    def find(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Return the faces, the largest first; confidence from the cascade's last stage."""
        grey, factor = _small_grey(picture, long_side_px=self._long_side_px)
        side = max(int(min(grey.shape) * self._smallest), 20)
        with self._lock:
            boxes, _, weights = self._cascade.detectMultiScale3(
                grey, self._scale_step, 3, 0, (side, side), outputRejectLevels=True
            )
        faces = [
            Face(
                box=Box(*(float(v) for v in box)).scaled(factor),
                source="haar",
                # Sums of this cascade's last stage run from 53 (just passed) to 57.
                confidence=_squashed(float(weight), middle=54.5, slope=1.5),
            )
            for box, weight in zip(boxes, weights, strict=True)
        ]
        return _largest_first(faces)


@final
class HogFinder:
    """dlib's HOG detector: slower, surer, and finds heads tilted by up to 40°.

    Its smallest face measures 80 pixels of the picture at ``long_side_px``.

    Parameters
    ----------
    long_side_px
        Pictures are brought to this length before searching.
    least_long_side_px
        Pictures smaller than this are not searched: a coarser finder has seen all of them.
    threshold
        Smallest margin of the detector; 0 is dlib's own choice.
    """

    name = "hog"

    def __init__(
        self, *, long_side_px: int = 480, least_long_side_px: int = 0, threshold: float = 0.0
    ) -> None:
        self._long_side_px = long_side_px
        self._least_long_side_px = least_long_side_px
        self._threshold = threshold
        self._detector = dlib.get_frontal_face_detector()
        self._lock = threading.Lock()

    def find(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Return the faces, the largest first; confidence from the detector's margin."""
        check_picture(picture)
        if max(picture.shape[:2]) < self._least_long_side_px:
            return []
        grey, factor = _small_grey(picture, long_side_px=self._long_side_px)
        with self._lock:
            found, scores, kinds = self._detector.run(grey, 0, self._threshold)
        faces = []
        for rectangle, score, kind in zip(found, scores, kinds, strict=True):
            tilt = HOG_TILTS_DEG[int(kind)]
            box = box_from_hog(rectangle, roll_deg=tilt).scaled(factor)
            confidence = _squashed(float(score), middle=0.4, slope=4.0)
            faces.append(Face(box=box, source="hog", confidence=confidence, roll_deg=tilt))
        return _largest_first(faces)


@final
class FinderChain:
    """Ask one finder after the other until one is sure: the fastest first, the surer later.

    Faces below ``sure`` are dropped as soon as any finder has a surer one.
    """

    def __init__(self, finders: Sequence[FaceFinder], *, sure: float = 0.3) -> None:
        if not finders:
            raise InputError("A chain needs at least one face finder, but got none.")
        self._finders = tuple(finders)
        self._sure = sure

    @property
    def name(self) -> str:
        """The names of the chain's finders, for example ``haar+hog``."""
        return "+".join(finder.name for finder in self._finders)

    def find(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Return the faces of an upright picture, the largest first."""
        doubtful: list[Face] = []
        for finder in self._finders:
            faces = finder.find(picture)
            sure = [face for face in faces if face.confidence >= self._sure]
            if sure:
                return _largest_first(sure)
            doubtful = doubtful or faces
        return doubtful

    def find_turned(
        self, picture: NDArray[np.uint8], *, turns: Sequence[float] = PHONE_TURNS
    ) -> list[Face]:
        """Return the faces of a still whose phone may have been turned, the largest first.

        Looks at the picture as it is; only when there is no face, also with the picture turned by
        each of ``turns`` (degrees clockwise that the face may be turned by), the surest finder
        first. Each turn costs a search, so this is meant for stills, not for streams.
        """
        return self.find(picture) or self.find_sideways(picture, turns=turns)

    def find_sideways(
        self, picture: NDArray[np.uint8], *, turns: Sequence[float] = PHONE_TURNS
    ) -> list[Face]:
        """Return the faces that only a turn of the picture shows, as :meth:`find_turned` does."""
        grey, factor = _small_grey(picture, long_side_px=480)
        for finder in reversed(self._finders):
            found = [face for turn in turns for face in _find_at(finder, grey, turn)]
            best = max(found, key=lambda face: face.confidence, default=None)
            # An upside-down face can look like a doubtful upright one: the best turn decides.
            if best is not None and best.confidence >= self._sure:
                kept = [face for face in found if abs(face.roll_deg - best.roll_deg) < 45]
                return _largest_first([replace(f, box=f.box.scaled(factor)) for f in kept])
        return []


def stream_finder() -> FinderChain:
    """Return the chain for live pictures (one person near the camera): Haar cascade, then HOG."""
    return FinderChain((HaarFinder(), HogFinder()))


def still_finder() -> FinderChain:
    """Return the chain for stills: as for a stream, then once more for faces from 8 percent."""
    return FinderChain(
        (HaarFinder(), HogFinder(), HogFinder(long_side_px=960, least_long_side_px=600))
    )


def box_from_hog(rectangle: Any, *, roll_deg: float) -> Box:  # noqa: ANN401 – dlib has no types
    """Turn a rectangle of dlib's HOG detector into a box as :class:`~engine.eyes.faces.Face` has.

    HOG boxes sit lower: brows to chin. The factors 1.10 and 0.11 make both finders' boxes of one
    face agree (the contract test holds them to it).
    """
    side = (rectangle.width() + rectangle.height()) / 2
    up_x, up_y = math.sin(math.radians(roll_deg)), -math.cos(math.radians(roll_deg))
    x = (rectangle.left() + rectangle.right() + 1) / 2 + 0.11 * side * up_x
    y = (rectangle.top() + rectangle.bottom() + 1) / 2 + 0.11 * side * up_y
    return Box(x - 0.55 * side, y - 0.55 * side, 1.1 * side, 1.1 * side)


def _small_grey(
    picture: NDArray[np.uint8], *, long_side_px: int
) -> tuple[NDArray[np.uint8], float]:
    """Return the picture in grey at ``long_side_px``, and the factor back to its own size."""
    check_picture(picture)
    rows, columns = picture.shape[:2]
    # Twice enlarged, nothing new is to be seen.
    factor = max(max(rows, columns) / long_side_px, 0.5)
    size = (max(round(columns / factor), 1), max(round(rows / factor), 1))
    how = cv2.INTER_AREA if factor > 1 else cv2.INTER_LINEAR
    # Shrink before grey: fewer pixels to convert.
    small = cv2.resize(picture, size, interpolation=how)
    grey = small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    return grey.astype(np.uint8, copy=False), factor


def _find_at(finder: FaceFinder, grey: NDArray[np.uint8], turn_deg: float) -> list[Face]:
    """Look for faces that are turned clockwise by ``turn_deg``: turn the picture back first."""
    rows, columns = grey.shape[:2]
    cos, sin = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    width = round(columns * abs(cos) + rows * abs(sin))
    height = round(columns * abs(sin) + rows * abs(cos))
    back = np.array([[cos, sin], [-sin, cos]])
    offset = np.array([width, height]) / 2 - back @ (np.array([columns, rows]) / 2)
    matrix = np.hstack([back, offset[:, None]])
    upright = cv2.warpAffine(grey, matrix, (width, height), borderValue=(127,))
    faces = []
    for face in finder.find(upright.astype(np.uint8, copy=False)):
        x, y = back.T @ (np.array(face.box.centre) - offset)
        side = face.box.width
        box = Box(float(x) - side / 2, float(y) - side / 2, side, side)
        faces.append(replace(face, box=box, roll_deg=turn_deg + face.roll_deg))
    return faces


def _largest_first(faces: list[Face]) -> list[Face]:
    ordered = sorted(faces, key=lambda face: -face.box.area_px)
    return [replace(face, others=len(faces) - 1 - i) for i, face in enumerate(ordered)]


def _squashed(value: float, *, middle: float, slope: float) -> float:
    return 1 / (1 + math.exp(-slope * (value - middle)))
