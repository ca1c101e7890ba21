"""Follow one face through a stream, so that it need not be found anew in each frame.

Between searches the face is carried along by sparse optical flow. Measured on 640×480 frames, one
thread (``benchmarks.eye_finding``): 1.1 ms per frame, against 3.7 ms for dlib's correlation tracker
on the same small picture and 9 ms for the fastest search; the flow also gives scale and tilt. Drift
is bounded by a comparison with the face as it was found, and by a search in its surroundings every
second.

A tracker holds the state of one visitor. It belongs to the caller and is not shared.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.eyes.faces import Face, check_picture, upright_patch
from engine.eyes.finders import FaceFinder, HaarFinder, stream_finder
from engine.eyes.landmarks import CascadeLandmarker, has_eyes
from engine.imaging.boxes import Box

__all__ = ["SURE", "FaceTracker", "Step", "open_tracker"]

SURE: Final = 0.6
"""Confidence from which a face is believed although its eyes cannot be seen."""

Step = Literal["found", "followed", "nothing"]
"""What the last update did: searched and found, followed without a search, or saw no face."""


@final
@dataclass(frozen=True, slots=True)
class _Track:
    """A face being followed; ``points`` are ``(n, 1, 2) float32`` pixels of ``grey``."""

    face: Face
    grey: NDArray[np.uint8]
    points: NDArray[np.float32]
    look: NDArray[np.uint8]
    found_at_s: float
    missed_checks: int = 0


@final
class FaceTracker:
    """Follow the largest face of a stream.

    Parameters
    ----------
    finder
        Searches a whole frame when there is nothing to follow.
    nearby
        Searches the surroundings of a followed face, shown upright and about half as large as
        the picture given to it; ``finder`` when left out.
    check_every_s
        A followed face is searched for again after this many seconds.
    accept
        Asked once for each face that a search of the whole frame found; ``False`` means that it
        is no face (see :func:`engine.eyes.landmarks.has_eyes`).
    clock
        Returns seconds; only differences are used.

    Examples
    --------
    ::

        tracker = open_tracker()
        for frame in stream:
            face = tracker.update(frame)
    """

    SMALL_PX = 320
    """Frames are followed at this length of their long side."""

    LIKENESS = 0.55
    """Least correlation, -1..1, between the followed face and the face as found. Turning the head
    by 15° or closing the eyes leaves 0.7; a wall or another part of the room stays below 0.4."""

    def __init__(
        self,
        finder: FaceFinder,
        *,
        nearby: FaceFinder | None = None,
        check_every_s: float = 1.0,
        accept: Callable[[NDArray[np.uint8], Face], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._finder = finder
        self._nearby = nearby or finder
        self._check_every_s = check_every_s
        self._accept = accept
        self._clock = clock
        self._track: _Track | None = None
        self._shape: tuple[int, ...] = ()
        self.searches = 0
        """Searches of a whole frame so far."""
        self.step: Step = "nothing"

    def reset(self) -> None:
        """Forget the face, as for a new person or camera."""
        self._track = None

    def update(self, picture: NDArray[np.uint8]) -> Face | None:
        """Return the face in the next frame, or ``None`` when there is none.

        Parameters
        ----------
        picture
            ``(H, W, 3) uint8 RGB`` or ``(H, W)`` grey. Another size than before starts anew.

        Raises
        ------
        InputError
            When it is no picture.
        """
        check_picture(picture)
        if picture.shape != self._shape:
            self.reset()
            self._shape = picture.shape
        grey, factor = self._small(picture)
        followed = self._follow(grey, factor) if self._track else None
        if followed is not None and self._is_due(followed):
            followed = self._checked(followed, factor)
        if followed is None:
            followed = self._search(picture, grey, factor)
            self.step = "found" if followed else "nothing"
        else:
            self.step = "followed"
        self._track = followed
        return followed.face if followed else None

    def _small(self, picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
        rows, columns = picture.shape[:2]
        factor = max(max(rows, columns) / self.SMALL_PX, 1.0)
        size = (max(round(columns / factor), 1), max(round(rows / factor), 1))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if factor > 1 else picture
        grey = small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        return grey.astype(np.uint8, copy=False), factor

    def _search(
        self, picture: NDArray[np.uint8], grey: NDArray[np.uint8], factor: float
    ) -> _Track | None:
        self.searches += 1
        for face in self._finder.find(picture):
            if self._accept is None or self._accept(picture, face):
                return self._started(grey, face, factor)
        return None

    def _started(self, grey: NDArray[np.uint8], face: Face, factor: float) -> _Track:
        points = _good_points(grey, _scaled(face, 1 / factor))
        return _Track(
            face=face,
            grey=grey,
            points=points,
            look=_look(grey, _scaled(face, 1 / factor)),
            found_at_s=self._clock(),
        )

    def _follow(self, grey: NDArray[np.uint8], factor: float) -> _Track | None:
        """Carry the face along the optical flow; ``None`` when it is lost."""
        track = self._track
        if track is None or len(track.points) < 6:
            return None
        moved = _moved(track.grey, grey, track.points)
        if moved is None:
            return None
        points, motion = moved
        small = _carried(_scaled(track.face, 1 / factor), motion)
        rows, columns = grey.shape
        inside = small.box.clipped(width=columns, height=rows).area_px
        if small.box.width < 16 or inside < 0.6 * small.box.area_px:
            return None
        if _likeness(_look(grey, small), track.look) < self.LIKENESS:
            return None
        if len(points) < 16:
            points = _good_points(grey, small)
        face = replace(_scaled(small, factor), source="tracker")
        return replace(track, face=face, grey=grey, points=points)

    def _is_due(self, track: _Track) -> bool:
        return self._clock() - track.found_at_s >= self._check_every_s

    def _checked(self, track: _Track, factor: float) -> _Track | None:
        """Search the surroundings of a followed face; give up after three misses in a row.

        A face may be missed once or twice because it is turned away or half covered.
        """
        small = _scaled(track.face, 1 / factor)
        size = 96
        patch = upright_patch(track.grey, small, size=size, margin=0.5)
        faces = self._nearby.find(patch.pixels)
        if not faces:
            if track.missed_checks >= 2:
                return None
            misses = track.missed_checks + 1
            return replace(track, found_at_s=self._clock(), missed_checks=misses)
        expected = Box(size / 4, size / 4, size / 2, size / 2)
        if faces[0].box.iou(expected) > 0.6:
            # Where it was thought to be: stay, so that the box does not jump with each check.
            return self._started(track.grey, track.face, factor)
        seen = faces[0]
        (x, y) = patch.to_picture(np.array([seen.box.centre], np.float64))[0]
        side = seen.box.width * 2 * small.box.width / size
        box = Box(float(x) - side / 2, float(y) - side / 2, side, side)
        # The patch was turned upright: only a turn found within it changes the face's.
        found = replace(small, box=box, roll_deg=small.roll_deg + seen.roll_deg)
        return self._started(track.grey, _scaled(found, factor), factor)


def open_tracker(*, clock: Callable[[], float] = time.monotonic) -> FaceTracker:
    """Return a tracker for one visitor, with the finders that Lightbox uses for streams."""
    cascades = CascadeLandmarker()

    def is_face(picture: NDArray[np.uint8], face: Face) -> bool:
        # A sure face counts with its eyes closed, so that the person can be told to open them.
        return face.confidence >= SURE or has_eyes(picture, face, cascades=cascades)

    return FaceTracker(
        stream_finder(),
        nearby=HaarFinder(long_side_px=96, smallest=0.3),
        accept=is_face,
        clock=clock,
    )


def _good_points(grey: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
    """Return up to 40 points in the face that optical flow can follow, ``(n, 1, 2)``."""
    rows, columns = grey.shape
    # The corners of the box show background: only the middle belongs to the face.
    inner = face.box.padded(x=-0.12 * face.box.width, y=-0.05 * face.box.height)
    box = inner.clipped(width=columns, height=rows)
    x0, y0 = int(box.x), int(box.y)
    part = grey[y0 : int(box.y + box.height), x0 : int(box.x + box.width)]
    if min(part.shape) < 8:
        return np.zeros((0, 1, 2), np.float32)
    points = cv2.goodFeaturesToTrack(part, 40, 0.01, max(3, face.box.width / 16))
    if points is None:
        return np.zeros((0, 1, 2), np.float32)
    shifted: NDArray[np.float32] = (points + np.array([x0, y0])).astype(np.float32)
    return shifted


def _moved(
    before: NDArray[np.uint8], after: NDArray[np.uint8], points: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float64]] | None:
    """Return where the points went and the common motion ``(2, 3)``; ``None`` without agreement.

    A point counts when following it back ends where it started (within 1.5 pixels).
    """
    there, ok_there = _flow(before, after, points)
    back, ok_back = _flow(after, before, there)
    error = np.linalg.norm((back - points)[:, 0], axis=1)
    good = ok_there & ok_back & (error < 1.5)
    if good.sum() < 6 or good.mean() < 0.4:
        return None
    motion, agreeing = cv2.estimateAffinePartial2D(
        points[good], there[good], ransacReprojThreshold=2.0, maxIters=200
    )
    if motion is None or agreeing.sum() < 6 or agreeing.mean() < 0.5:
        return None
    scale = math.hypot(motion[0, 0], motion[1, 0])
    if not 0.7 < scale < 1.4:
        return None
    return there[good][agreeing[:, 0] == 1], motion


def _flow(
    before: NDArray[np.uint8], after: NDArray[np.uint8], points: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return where ``(n, 1, 2)`` points went, and which of them could be followed, ``(n,)``."""
    there, status, _ = cv2.calcOpticalFlowPyrLK(
        before, after, points, np.empty_like(points), winSize=(13, 13), maxLevel=3
    )
    return there.astype(np.float32, copy=False), np.asarray(status)[:, 0] == 1


def _carried(face: Face, motion: NDArray[np.float64]) -> Face:
    """Apply a similarity ``(2, 3)`` to a face."""
    scale = math.hypot(motion[0, 0], motion[1, 0])
    turn = math.degrees(math.atan2(motion[1, 0], motion[0, 0]))
    x, y = motion @ np.array([*face.box.centre, 1.0])
    side = float(face.box.width * scale)
    box = Box(float(x) - side / 2, float(y) - side / 2, side, side)
    return replace(face, box=box, roll_deg=face.roll_deg + turn)


def _look(grey: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
    """Return the face as 24×24 pixels, for comparison."""
    return upright_patch(grey, face, size=24, margin=-0.1).pixels


def _likeness(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the correlation of two patches, -1..1; a flat patch is like nothing."""
    if first.std() < 1 or second.std() < 1:
        return 0.0
    return float(cv2.matchTemplate(first, second, cv2.TM_CCOEFF_NORMED)[0, 0])


def _scaled(face: Face, factor: float) -> Face:
    return replace(face, box=face.box.scaled(factor))
