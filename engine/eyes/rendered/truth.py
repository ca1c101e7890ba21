"""What is known about a rendered picture: records only, nothing is drawn here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, final, get_args

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.imaging.boxes import Box

__all__ = [
    "CONDITIONS",
    "IRIS",
    "OTHER",
    "PUPIL",
    "SCLERA",
    "Condition",
    "Framing",
    "Point",
    "RenderedEye",
    "RenderedFace",
]

Condition = Literal["Cataract", "Conjunctivitis", "Healthy", "Stye"]
"""What the drawn eye shows; the classes of the eye check."""

Framing = Literal["any", "half_face", "region", "close_up", "iris", "canonical"]
"""How much is in the picture: ``half_face`` brow to cheek, ``region`` the eye with its lids,
``close_up`` the opening fills the width, ``iris`` the iris fills the picture, ``canonical`` the
padding that the classifier's crop has, ``any`` one of them by chance."""

CONDITIONS: Final = get_args(Condition)
OTHER: Final = 0
SCLERA: Final = 1
IRIS: Final = 2
PUPIL: Final = 3

Point = tuple[float, float]
"""(x, y) in pixels of the picture; (0, 0) is the outer corner of its first pixel, whose centre is
(0.5, 0.5), as for :class:`engine.imaging.boxes.Box`."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedEye:
    """A drawn eye and the truth about it.

    ``picture`` is ``(H, W, 3) uint8 RGB``. ``labels`` is ``(H, W) uint8``: 0 skin and all else,
    1 sclera (with caruncle), 2 iris, 3 pupil. ``corners`` are the corners of the lids, the one
    further left in the picture first; they may lie outside of it. ``inner`` is the index (0 or 1)
    of the one beside the nose. ``side`` is the *person's* eye in an unmirrored picture.

    ``openness`` is the height of the opening over the corners' distance. ``gaze`` is the iris
    centre minus the middle of the opening, in corner distances, (right, down) in the picture.
    ``redness`` (0..1) is how much the white of the eye is reddened, ``lens_opacity`` (0..1) how
    little of the dark behind the pupil is left. Radii are in pixels, along the corners' line.
    """

    picture: NDArray[np.uint8]
    condition: Condition
    labels: NDArray[np.uint8]
    corners: tuple[Point, Point]
    inner: int
    side: Literal["left", "right"]
    openness: float
    gaze: Point
    iris_centre: Point
    iris_radius: float
    pupil_radius: float
    redness: float
    lens_opacity: float

    def __post_init__(self) -> None:
        if self.picture.shape[:2] != self.labels.shape:
            raise InputError(
                f"Labels are {self.labels.shape} but their picture is {self.picture.shape[:2]}; "
                f"give both at one size."
            )

    @property
    def opening(self) -> Box | None:
        """Smallest box around sclera, iris and pupil; None when nothing of them is visible."""
        rows = np.flatnonzero(self.labels.any(axis=1))
        columns = np.flatnonzero(self.labels.any(axis=0))
        if not rows.size:
            return None
        x, y = int(columns[0]), int(rows[0])
        return Box(x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y)

    @property
    def eye_width_px(self) -> float:
        """Distance between the corners of the lids, in pixels."""
        (x0, y0), (x1, y1) = self.corners
        return float(np.hypot(x1 - x0, y1 - y0))

    @property
    def corners_inside(self) -> bool:
        """Whether both corners lie inside the picture."""
        height, width = self.labels.shape
        return all(0 <= x <= width and 0 <= y <= height for x, y in self.corners)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedFace:
    """A drawn face; ``left`` and ``right`` are the *person's* own eyes.

    Their coordinates, like ``box`` (the face), are pixels of ``picture``; ``picture`` and
    ``labels`` of the two eye records are those of the whole face.
    """

    picture: NDArray[np.uint8]
    box: Box
    left: RenderedEye
    right: RenderedEye
