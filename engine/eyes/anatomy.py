"""Where the parts of an eye are: lids' corners, sclera, iris and pupil, read by a small network.

The network was trained on rendered eyes only (``engine.eyes.anatomy_recipe``). It reads a picture
whole; when the eye is small in it or leaves it half empty, it looks again at the part that shows
the eye. It says how sure it is that the outside of an eye is there at all. It knows no disease:
the cues are measurements, and what they mean is for others to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.eyes.anatomy_cues import measure_cues
from engine.eyes.anatomy_shapes import Circle, Point, Shapes, shapes_of
from engine.eyes.anatomy_view import VIEW_HEIGHT, VIEW_WIDTH, View, view_of
from engine.imaging.boxes import Box
from engine.inference.cards import ModelCard
from engine.inference.inputs import to_batch
from engine.inference.runtimes import Runtime, open_model
from engine.shipped import shipped

__all__ = ["IRIS", "OTHER", "PUPIL", "SCLERA", "AnatomyReader", "EyeAnatomy"]

OTHER: Final = 0
SCLERA: Final = 1
IRIS: Final = 2
PUPIL: Final = 3

# An eye that fills this share of the view's width is seen well: no second look.
_GOOD_WIDTH: Final = (0.5, 0.82)
_WANTED_WIDTH: Final = 0.66

# Roundness of the iris against what it adds to the log-odds of an eye, and the share of the view
# below which an opening is a speck.
_ROUND: Final = (0.45, 0.7, 0.95)
_FORM: Final = (-1.5, 0.0, 1.0)
_SPECK: Final = 0.02


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EyeAnatomy:
    """What was read from one picture; lengths and points in pixels of that picture.

    ``labels`` is ``(128, 144) uint8`` over ``view``, a box of the picture that may reach beyond
    it: 0 skin and all else, 1 sclera, 2 iris, 3 pupil; :meth:`label_map` gives them at the
    picture's size. ``opening`` is the box of the lid opening as far as it is in the picture.
    ``corners`` are the lids' corners, the one further left in the picture first;
    ``corners_seen`` tells which of them were seen, while the others were reckoned and may lie
    outside of the picture.

    ``openness`` is the height of the opening over the corners' distance (0 when there is none; a
    lower bound when the picture cuts the opening). ``gaze_offset`` is the iris centre minus the
    opening's middle, (right, down) along the corners' line, in corner distances.
    ``eye_confidence`` (0..1) says whether the picture shows the outside of an eye. ``cues`` are
    described in :mod:`engine.eyes.anatomy_cues`; :meth:`AnatomyReader.locate` leaves them out.
    """

    labels: NDArray[np.uint8]
    view: Box
    opening: Box | None
    corners: tuple[Point, Point] | None
    corners_seen: tuple[bool, bool]
    openness: float
    iris_centre: Point | None
    iris_radius: float | None
    pupil_centre: Point | None
    pupil_radius: float | None
    gaze_offset: Point | None
    eye_confidence: float
    cues: Mapping[str, float] = field(default_factory=dict)

    def label_map(self, *, height: int, width: int) -> NDArray[np.uint8]:
        """Return the labels at the picture's size, ``(height, width) uint8``."""
        scale = self.labels.shape[1] / self.view.width
        columns = np.floor((np.arange(width) + 0.5 - self.view.x) * scale).astype(int)
        rows = np.floor((np.arange(height) + 0.5 - self.view.y) * scale).astype(int)
        seen_x = (columns >= 0) & (columns < self.labels.shape[1])
        seen_y = (rows >= 0) & (rows < self.labels.shape[0])
        result = np.zeros((height, width), np.uint8)
        inside = self.labels[rows[seen_y]][:, columns[seen_x]]
        result[np.ix_(seen_y, seen_x)] = inside
        return result


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One view and what the network said about it."""

    view: View
    labels: NDArray[np.uint8]
    shapes: Shapes | None
    presence: float


@final
class AnatomyReader:
    """Reads eyes; open one and share it, it may be used from several threads.

    Parameters
    ----------
    card, runtime
        Of a network made by ``engine.eyes.anatomy_recipe``; :meth:`open` brings both.
    """

    def __init__(self, card: ModelCard, runtime: Runtime) -> None:
        self._card = card
        self._runtime = runtime

    @classmethod
    def open(cls, folder: str | Path | None = None, *, threads: int | None = None) -> Self:
        """Open the network that ships with Lightbox, or the one in ``folder``.

        Raises
        ------
        ModelError
            When the folder is refused.
        """
        where = shipped("models", "eye_anatomy") if folder is None else Path(folder)
        card, runtime = open_model(where, threads=threads)
        return cls(card, runtime)

    @property
    def card(self) -> ModelCard:
        """The network's card."""
        return self._card

    def locate(self, pictures: Sequence[NDArray[np.uint8]]) -> list[EyeAnatomy]:
        """Read pictures as :meth:`read` does, without the cues: a third less work."""
        return [_answer(first, second) for first, second in self._looks(pictures)]

    def read(self, pictures: Sequence[NDArray[np.uint8]]) -> list[EyeAnatomy]:
        """Read pictures, each ``(H, W, 3) uint8 RGB`` of any size; one answer for each.

        A picture may be a loosely framed eye region or a whole close-up photograph. With several
        eyes in it the larger and more central one is read.

        Raises
        ------
        InputError
            When a picture is not of that shape and type.
        """
        return [
            replace(_answer(first, second), cues=_cues(_better(first, second)))
            for first, second in self._looks(pictures)
        ]

    def _looks(self, pictures: Sequence[NDArray[np.uint8]]) -> list[tuple[_Look, _Look | None]]:
        """Return the first look at each picture, and the second one where it was worth it."""
        for picture in pictures:
            _check(picture)
        if not pictures:
            return []
        first = self._look([view_of(picture) for picture in pictures])
        wanted = [_closer(look) for look in first]
        again = [
            view_of(picture, box)
            for picture, box in zip(pictures, wanted, strict=True)
            if box is not None
        ]
        second = iter(self._look(again) if again else [])
        return [
            (look, next(second) if box is not None else None)
            for look, box in zip(first, wanted, strict=True)
        ]

    def _look(self, views: list[View]) -> list[_Look]:
        batch = to_batch(np.stack([view.pixels for view in views]), self._card.picture)
        outputs = self._runtime.run(batch)
        presence = _sigmoid(outputs["presence"][:, 0])
        corners = _sigmoid(outputs["corners"])
        looks = []
        for k, view in enumerate(views):
            labels = _enlarged(outputs["labels"][k])
            looks.append(
                _Look(
                    view=view,
                    labels=labels,
                    shapes=shapes_of(labels, corners[k]),
                    presence=float(presence[k]),
                )
            )
        return looks


def _check(picture: NDArray[np.uint8]) -> None:
    is_picture = picture.ndim == 3 and picture.shape[2] == 3 and picture.dtype == np.uint8
    if not is_picture or 0 in picture.shape:
        raise InputError(
            f"The anatomy is read from pictures of shape (H, W, 3) uint8 RGB, but got "
            f"{picture.shape} {picture.dtype}; decode the picture first."
        )


def _sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -30, 30))), np.float32)


def _enlarged(logits: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the most likely label (128, 144) from half-size logits (4, 64, 72)."""
    planes = [
        cv2.resize(plane, (VIEW_WIDTH, VIEW_HEIGHT), interpolation=cv2.INTER_LINEAR)
        for plane in logits
    ]
    return np.asarray(np.stack(planes).argmax(axis=0), np.uint8)


def _closer(look: _Look) -> Box | None:
    """Return the part of the picture to look at again; None when the first look is good."""
    if look.shapes is None:
        return None
    (x0, y0), (x1, y1) = look.shapes.corners
    width = float(np.hypot(x1 - x0, y1 - y0)) / VIEW_WIDTH
    if _GOOD_WIDTH[0] <= width <= _GOOD_WIDTH[1]:
        return None
    if width > _GOOD_WIDTH[1] and not all(look.shapes.seen):
        return None  # a close-up: beyond the picture there is nothing to see
    cx, cy = look.view.to_picture((x0 + x1) / 2, (y0 + y1) / 2)
    shown = width * VIEW_WIDTH / look.view.scale / _WANTED_WIDTH
    tall = shown * VIEW_HEIGHT / VIEW_WIDTH
    return Box(cx - shown / 2, cy - tall / 2, shown, tall)


def _better(first: _Look, second: _Look | None) -> _Look:
    """Take the second look where it found the eye again, else the first."""
    return first if second is None or second.shapes is None else second


def _cues(look: _Look) -> Mapping[str, float]:
    if look.shapes is None:
        return {}
    return measure_cues(look.view.pixels, look.labels, look.shapes)


def _answer(first: _Look, second: _Look | None) -> EyeAnatomy:
    look = _better(first, second)
    confidence = _confidence(first, second)
    shapes, view = look.shapes, look.view
    if shapes is None:
        return EyeAnatomy(
            labels=look.labels,
            view=view.box,
            opening=None,
            corners=None,
            corners_seen=(False, False),
            openness=0.0,
            iris_centre=None,
            iris_radius=None,
            pupil_centre=None,
            pupil_radius=None,
            gaze_offset=None,
            eye_confidence=confidence,
        )
    left, right = (view.to_picture(*corner) for corner in shapes.corners)
    return EyeAnatomy(
        labels=look.labels,
        view=view.box,
        opening=_box(shapes, view),
        corners=(left, right),
        corners_seen=shapes.seen,
        openness=shapes.openness,
        iris_centre=_place(shapes.iris, view),
        iris_radius=None if shapes.iris is None else shapes.iris.radius / view.scale,
        pupil_centre=_place(shapes.pupil, view),
        pupil_radius=None if shapes.pupil is None else shapes.pupil.radius / view.scale,
        gaze_offset=shapes.gaze,
        eye_confidence=confidence,
    )


def _confidence(first: _Look, second: _Look | None) -> float:
    """Weigh what the network says by whether it found the form of an eye.

    In log-odds: up to 1 more for an iris that is part of a circle, up to 1.5 less for one that is
    not, or for an opening that is a speck of the view. A picture without an opening is no eye.
    """
    presence = first.presence
    if second is not None:
        presence = float(np.sqrt(first.presence * second.presence))
    shapes = _better(first, second).shapes
    if shapes is None:
        return 0.2 * presence
    form = float(np.interp(shapes.roundness, _ROUND, _FORM))
    area = float(shapes.opening.mean())
    speck = float(np.interp(area, (0.0, _SPECK), (-1.5, 0.0)))
    odds = np.log(max(presence, 1e-6) / max(1 - presence, 1e-6)) + form + speck
    return float(1 / (1 + np.exp(-odds)))


def _place(circle: Circle | None, view: View) -> Point | None:
    return None if circle is None else view.to_picture(circle.x, circle.y)


def _box(shapes: Shapes, view: View) -> Box:
    rows = np.flatnonzero(shapes.opening.any(axis=1))
    columns = np.flatnonzero(shapes.opening.any(axis=0))
    x, y = view.to_picture(float(columns[0]), float(rows[0]))
    width, height = columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]
    return Box(x, y, float(width) / view.scale, float(height) / view.scale)
