"""Find the eyes of one picture and measure them: from pixels to crops with their quality.

Joins faces, landmarks, anatomy, crops and quality. Does not judge; see
:mod:`engine.eyes.screening`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from engine.eyes import crops, finders, landmarks, quality, scenes, tracking
from engine.eyes.anatomy import AnatomyReader, EyeAnatomy
from engine.eyes.crops import EyeCrop
from engine.eyes.faces import Face
from engine.eyes.framing import fit_corners, whole_picture_corners
from engine.eyes.landmarks import CascadeLandmarker, EyeLocation, Landmarker
from engine.eyes.results import EyeQuality, Scene, Side
from engine.eyes.tracking import FaceTracker

__all__ = ["EyeSight", "Eyes", "FollowedFace", "Sighting", "Stopwatch"]

Picture = NDArray[np.uint8]

STEADY: Final = {"shift": 0.1, "scale": 1.15, "turn_deg": 8.0}
"""A crop cut where the eye was expected is good enough when the eye is as near as this."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EyeSight:
    """One eye as it was seen in one picture."""

    location: EyeLocation
    crop: EyeCrop
    anatomy: EyeAnatomy
    quality: EyeQuality


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one picture shows: where the eyes were found, the face if any, each eye by side.

    ``reasons`` are sentences for the person, such as that there were several faces.
    """

    scene: Scene
    face: Face | None
    eyes: Mapping[Side, EyeSight]
    reasons: tuple[str, ...] = ()


@final
class Stopwatch:
    """Milliseconds by step; steps of one name add up."""

    def __init__(self) -> None:
        self.taken_ms: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        start = time.perf_counter()
        try:
            yield
        finally:
            taken = (time.perf_counter() - start) * 1000
            self.taken_ms[name] = self.taken_ms.get(name, 0.0) + taken


@final
@dataclass(frozen=True, slots=True)
class _Remembered:
    """Corners of the eyes in shares of the face's box, in the face's own upright frame."""

    ends: Mapping[Side, NDArray[np.float64]]
    locations: Mapping[Side, EyeLocation]


@final
class FollowedFace:
    """The face of one visitor's stream, with where its eyes were in the last frame.

    While the face is followed its eyes move with it, so that only the anatomy is read anew; they
    are searched for again when the face was searched for, or when an eye is not where it was.
    """

    SURE = 0.5

    def __init__(self, tracker: FaceTracker) -> None:
        self._tracker = tracker
        self._remembered: _Remembered | None = None
        self._mirrored = False

    def update(self, picture: Picture, *, mirrored: bool) -> Face | None:
        """Return the face in the next frame."""
        face = self._tracker.update(picture)
        if face is None or self._tracker.step == "found" or mirrored != self._mirrored:
            self._remembered = None
        self._mirrored = mirrored
        return face

    def expected(self, face: Face) -> dict[Side, EyeLocation] | None:
        """Return where the eyes should be now, or ``None`` when they must be searched for."""
        if self._remembered is None:
            return None
        moved: dict[Side, EyeLocation] = {}
        for side, ends in self._remembered.ends.items():
            (ax, ay), (bx, by) = _from_face(ends, face)
            corners = ((float(ax), float(ay)), (float(bx), float(by)))
            moved[side] = replace(self._remembered.locations[side], corners=corners)
        return moved

    def remember(self, face: Face, eyes: Mapping[Side, EyeSight]) -> None:
        """Keep the corners for the next frame when both eyes were surely seen."""
        sure = len(eyes) == 2 and all(
            sight.anatomy.eye_confidence >= self.SURE for sight in eyes.values()
        )
        if not sure:
            self._remembered = None
            return
        locations = {side: sight.location for side, sight in eyes.items()}
        ends = {
            side: _to_face(np.array(location.corners, np.float64), face)
            for side, location in locations.items()
        }
        self._remembered = _Remembered(ends=ends, locations=locations)


@final
class Eyes:
    """Finds the eyes of pictures; holds no picture, so that one serves every visitor.

    Parameters
    ----------
    anatomy_reader
        Reads corners, openness and clinical cues.
    landmarker
        See :func:`engine.eyes.landmarks.open_landmarker`.
    padding_x, padding_y
        Margins of the crop in percent of the eye's width.
    """

    def __init__(
        self,
        anatomy_reader: AnatomyReader,
        landmarker: Landmarker,
        *,
        padding_x: float = crops.PADDING_X,
        padding_y: float = crops.PADDING_Y,
    ) -> None:
        self._anatomy_reader = anatomy_reader
        self._landmarker = landmarker
        self._padding_x, self._padding_y = padding_x, padding_y
        self._cascades = CascadeLandmarker()
        self._finder = finders.still_finder()

    def new_followed_face(self) -> FollowedFace:
        """Return what one visitor's stream needs; it belongs to that visitor alone."""
        return FollowedFace(tracking.open_tracker())

    def look(
        self,
        picture: Picture,
        *,
        watch: Stopwatch,
        followed: FollowedFace | None = None,
        mirrored: bool = False,
    ) -> Sighting:
        """Find and measure the eyes of ``(H, W, 3) uint8 RGB``.

        With ``followed`` the picture is the next frame of a stream: no face means no eyes.
        Without, a picture that shows no face may still be a close-up of an eye.
        """
        if followed is not None:
            return self._look_in_stream(picture, followed, watch=watch, mirrored=mirrored)
        with watch.step("find"):
            found = scenes.read_scene(
                picture,
                finder=self._finder,
                landmarker=self._landmarker,
                cascades=self._cascades,
                anatomy_reader=self._anatomy_reader,
                mirrored=mirrored,
            )
        with watch.step("quality"):
            eyes = self._measured(picture, found.eyes)
        return Sighting(scene=found.scene, face=found.face, eyes=eyes, reasons=found.reasons)

    def look_at_middle(self, picture: Picture) -> Sighting:
        """Measure the middle of a picture as one close-up, whether or not an eye was found there.

        For a still in which :meth:`look` finds nothing, but the eye model is sure of an eye.
        """
        height, width = picture.shape[:2]
        location = EyeLocation(
            side="unknown",
            corners=whole_picture_corners(height=height, width=width),
            source="geometry",
            confidence=0.0,
        )
        return Sighting(
            scene="close_up", face=None, eyes=self._measured(picture, {"unknown": location})
        )

    def _look_in_stream(
        self, picture: Picture, followed: FollowedFace, *, watch: Stopwatch, mirrored: bool
    ) -> Sighting:
        """Look at the next frame: while the face is followed the anatomy is read once."""
        with watch.step("find"):
            face = followed.update(picture, mirrored=mirrored)
            if face is None:
                return Sighting(scene="nothing", face=None, eyes={})
            expected = followed.expected(face) or landmarks.locate_eyes(
                picture,
                face,
                self._landmarker,
                mirrored=mirrored,
                anatomy_reader=self._anatomy_reader,
            )
        with watch.step("quality"):
            eyes = self._measured(picture, expected)
            seen = {
                side: landmarks.moved(sight.location, sight.crop, sight.anatomy)
                for side, sight in eyes.items()
            }
            if not all(landmarks.is_near(seen[side], expected[side], **STEADY) for side in seen):
                eyes = self._measured(picture, seen)
        followed.remember(
            face, {side: replace(sight, location=seen[side]) for side, sight in eyes.items()}
        )
        return Sighting(scene="face", face=face, eyes=eyes)

    def _measured(
        self, picture: Picture, locations: Mapping[Side, EyeLocation]
    ) -> dict[Side, EyeSight]:
        if not locations:
            return {}
        height, width = picture.shape[:2]
        cut = {
            side: crops.canonical_crop(
                picture,
                fit_corners(location.corners, height=height, width=width),
                padding_x=self._padding_x,
                padding_y=self._padding_y,
            )
            for side, location in locations.items()
        }
        read = self._anatomy_reader.read([crop.pixels for crop in cut.values()])
        return {
            side: EyeSight(
                location=locations[side],
                crop=crop,
                anatomy=anatomy,
                quality=quality.measure_quality(
                    crop, anatomy=anatomy, location=locations[side], picture_shape=picture.shape
                ),
            )
            for (side, crop), anatomy in zip(cut.items(), read, strict=True)
        }


def _axes(face: Face) -> NDArray[np.float64]:
    """Return the face's own axes as columns, in pixels of the picture for one face width."""
    angle = math.radians(face.roll_deg)
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, -sin], [sin, cos]]) * face.box.width


def _to_face(points: NDArray[np.float64], face: Face) -> NDArray[np.float64]:
    moved: NDArray[np.float64] = (points - np.array(face.box.centre)) @ np.linalg.inv(_axes(face)).T
    return moved


def _from_face(points: NDArray[np.float64], face: Face) -> NDArray[np.float64]:
    moved: NDArray[np.float64] = points @ _axes(face).T + np.array(face.box.centre)
    return moved
