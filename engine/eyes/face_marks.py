"""What a landmarker says about a face: its two eyes, named by their place in the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, final

import numpy as np
from numpy.typing import NDArray

from engine.eyes.crops import Corners
from engine.eyes.faces import Face

__all__ = ["EyeMark", "EyeSource", "FaceMarks", "Landmarker", "as_corners"]

EyeSource = Literal["landmarks", "cascade", "geometry", "anatomy"]
"""``landmarks``: a trained predictor. ``cascade``: an eye cascade saw it, the corners follow from a
face's proportions. ``geometry``: only the face was seen. ``anatomy``: read from the eye itself."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EyeMark:
    """One eye of a face as a landmarker saw it.

    Fields as in :class:`~engine.eyes.landmarks.EyeLocation`.
    """

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


def as_corners(ends: NDArray[np.float64]) -> Corners:
    """Turn ``(2, 2)`` points into corners."""
    (ax, ay), (bx, by) = ends
    return (float(ax), float(ay)), (float(bx), float(by))
