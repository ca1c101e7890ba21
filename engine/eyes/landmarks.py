"""Find the two corners of each eye in a face, and say whose left and right they are.

Three ways, the best that is installed is taken: dlib's 68 points or 5 points when their file is
there, else OpenCV's eye cascades with the proportions of a face. A reader of the eye's anatomy
(:mod:`engine.eyes.anatomy`) may refine any of them.

On a photograph the person's right eye is on the image's left. A mirrored picture (the usual
preview of a webcam) looks the same to any program, so whoever knows that a picture is mirrored
says so with ``mirrored=True``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.eyes import crops
from engine.eyes.cascade_landmarks import CascadeLandmarker, has_eyes
from engine.eyes.crops import Corners
from engine.eyes.dlib_landmarks import (
    PACKAGE,
    DlibLandmarker,
    packaged_predictor,
    require_predictor,
)
from engine.eyes.face_marks import EyeMark, EyeSource, FaceMarks, Landmarker, as_corners
from engine.eyes.faces import Face
from engine.eyes.results import Side
from engine.imaging.boxes import Box

__all__ = [
    "PACKAGE",
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
    "is_near",
    "locate_eyes",
    "moved",
    "open_landmarker",
    "packaged_predictor",
    "refined",
    "require_predictor",
]


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

    def locate(self, pictures: list[NDArray[np.uint8]]) -> Sequence[EyeAnatomyLike]:
        """Read close-ups of eyes, each ``(h, w, 3) uint8 RGB``."""
        ...


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
    read = reader.locate([region.pixels for region in regions.values()])
    result: dict[Side, EyeLocation] = {}
    for (side, eye), anatomy in zip(eyes.items(), read, strict=True):
        result[side] = moved(eye, regions[side], anatomy)
    return result


def moved(eye: EyeLocation, region: crops.EyeCrop, anatomy: EyeAnatomyLike) -> EyeLocation:
    """Return the eye with the corners that ``anatomy`` shows in ``region``, where plausible.

    See :func:`refined` for what is plausible; anything else returns ``eye`` as it was.
    """
    if anatomy.corners is None or anatomy.eye_confidence < 0.5:
        return eye
    corners = as_corners(region.to_picture(np.array(anatomy.corners, np.float64)))
    seen = replace(
        eye,
        corners=corners,
        source="anatomy",
        confidence=max(eye.confidence, float(anatomy.eye_confidence)),
        openness=float(anatomy.openness),
    )
    is_plausible = is_near(seen, eye, shift=0.4, scale=1.7, turn_deg=30)
    return seen if is_plausible else eye


def is_near(
    one: EyeLocation, other: EyeLocation, *, shift: float, scale: float, turn_deg: float
) -> bool:
    """Say whether two places of an eye differ little.

    Parameters
    ----------
    one, other
        The places; shift and scale are relative to ``other``.
    shift
        Most distance of the middles, in eye widths.
    scale
        Largest factor between the widths, either way.
    turn_deg
        Most difference of the tilts.
    """
    moved_by = math.dist(one.box.centre, other.box.centre) / other.width_px
    turned_by = abs((one.roll_deg - other.roll_deg + 180) % 360 - 180)
    factor = one.width_px / other.width_px
    return moved_by < shift and 1 / scale < factor < scale and turned_by < turn_deg
