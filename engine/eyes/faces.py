"""What a face is here: an upright square box, a turn, and where they came from.

Finders and trackers make faces; landmarks read them. A :class:`FacePatch` is the face turned
upright at one fixed size, so that whatever reads it costs the same for every camera.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.eyes import crops
from engine.imaging.boxes import Box

__all__ = ["Face", "FacePatch", "FaceSource", "check_picture", "upright_patch"]

FaceSource = Literal["haar", "hog", "tracker"]
"""Which finder saw the face; ``tracker`` when it was followed from an earlier frame."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """One face in a picture.

    ``box`` is square, in pixels of the picture, and spans from mid-forehead to chin: the eyes of
    an upright face lie at 0.40 of its height, as for OpenCV's frontal cascades. A turned face has
    its upright box turned by ``roll_deg`` (clockwise as seen, 0 = upright, 180 = upside down)
    about the box's centre. ``confidence`` is 0..1 and comparable within one source only.
    ``others`` counts further faces in the picture, all of them smaller.
    """

    box: Box
    source: FaceSource
    confidence: float
    roll_deg: float = 0.0
    others: int = 0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FacePatch:
    """A face turned upright.

    ``pixels`` is ``(size, size) uint8`` grey. ``matrix`` is ``(2, 3) float64`` and maps a point of
    the picture to one of the patch.
    """

    pixels: NDArray[np.uint8]
    matrix: NDArray[np.float64]

    def to_picture(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map ``(n, 2)`` points of the patch to points of the picture."""
        inverse = cv2.invertAffineTransform(self.matrix).astype(np.float64, copy=False)
        mapped: NDArray[np.float64] = points @ inverse[:, :2].T + inverse[:, 2]
        return mapped


def check_picture(picture: NDArray[np.uint8]) -> None:
    """Refuse what is no picture.

    Raises
    ------
    InputError
        Unless the array is ``(H, W, 3)`` or ``(H, W)`` uint8 with at least one pixel.
    """
    is_shape = picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 3)
    if not is_shape or picture.size == 0 or picture.dtype != np.uint8:
        raise InputError(
            f"A picture needs the shape (H, W, 3) or (H, W) and dtype uint8, but got "
            f"{picture.shape} {picture.dtype}; decode it with engine.imaging.pictures."
        )


def upright_patch(
    picture: NDArray[np.uint8], face: Face, *, size: int, margin: float = 0.0
) -> FacePatch:
    """Cut a face out of a picture, turned upright, in grey.

    Parameters
    ----------
    picture
        ``(H, W, 3) uint8 RGB`` or ``(H, W)`` grey.
    face
        Its box must overlap the picture.
    size
        Rows and columns of the patch.
    margin
        Added at each side, in shares of the face's width.

    Raises
    ------
    InputError
        When the face is smaller than one pixel or lies outside the picture.
    """
    check_picture(picture)
    width = face.box.width * (1 + 2 * margin)
    if width < 1:
        raise InputError(f"A face needs at least 1 px, but got {face.box}; find it again.")
    angle = math.radians(face.roll_deg)
    scale = size / width
    cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
    linear = np.array([[cos, sin], [-sin, cos]])
    centre = np.array(face.box.centre)
    matrix = np.hstack([linear, (size / 2 - linear @ centre)[:, None]])
    reach = width / 2 * (abs(math.cos(angle)) + abs(math.sin(angle)))
    around = Box(centre[0] - reach, centre[1] - reach, 2 * reach, 2 * reach)
    pixels = crops.sample(picture, around, matrix, out_height=size, out_width=size)
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    return FacePatch(pixels=pixels, matrix=matrix)
