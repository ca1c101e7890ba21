"""The one definition of the picture of an eye that the networks see, in training and in use.

Knows the geometry only: where an eye is comes from :mod:`engine.eyes.landmarks`, whether the crop
is good enough from :mod:`engine.eyes.quality`.

::

      picture                               crop (128 rows × 144 columns)
      ┌──────────────────────┐              ┌───────────────────────┐
      │        . b           │   level,     │          40 % w       │
      │   a .´               │   cut,       │        a──────b       │
      │   └─ w = |ab| ─┘     │  ────────►   │  20 % w        20 % w │
      │                      │   resize     │          40 % w       │
      └──────────────────────┘              └───────────────────────┘
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.imaging.boxes import Box

__all__ = [
    "EYE_ASPECT",
    "OUT_HEIGHT",
    "OUT_WIDTH",
    "PADDING_X",
    "PADDING_Y",
    "Corners",
    "EyeCrop",
    "Point",
    "canonical_crop",
    "sample",
]

Point: TypeAlias = tuple[float, float]
"""(x, y) in pixels of a picture; (0, 0) is the outer corner of its first pixel, whose centre is
(0.5, 0.5), as for :class:`engine.imaging.boxes.Box`."""

Corners: TypeAlias = tuple[Point, Point]
"""The two corners of an eye: first the one that is on the left when the eye is seen upright."""

PADDING_X = 20.0
PADDING_Y = 40.0
"""Percent of the eye's width, added at each side (the older service's ``CROP_PADDING_X/Y``)."""

OUT_HEIGHT = 128
OUT_WIDTH = 144

EYE_ASPECT = 0.45
"""Height of an eye without padding, in eye widths. With 20 and 40 percent the crop measures
1.4 × 1.25 eye widths, the shape of 144×128 pixels to 0.5 percent."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EyeCrop:
    """One levelled eye.

    ``pixels`` is ``(out_height, out_width, 3) uint8 RGB``. ``box`` is the upright box, in pixels
    of the picture, that holds all of the crop; it may reach beyond the picture. ``matrix`` is
    ``(2, 3) float64`` and maps a :data:`Point` of the picture to one of the crop. ``scale_px`` is
    the eye's width in pixels of the picture: what was really seen, however large the crop is.
    """

    pixels: NDArray[np.uint8]
    box: Box
    matrix: NDArray[np.float64]
    scale_px: float

    def to_crop(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map ``(n, 2)`` points of the picture to points of the crop."""
        return _mapped(points, matrix=self.matrix)

    def to_picture(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map ``(n, 2)`` points of the crop to points of the picture."""
        return _mapped(points, matrix=_inverse(self.matrix))

    def spread(
        self, values: NDArray[np.float32], *, height: int, width: int
    ) -> NDArray[np.float32]:
        """Lay a heat map of the crop back over the picture.

        Parameters
        ----------
        values
            ``(h, w)``, any size: it covers the whole crop.
        height, width
            Size of the picture.

        Returns
        -------
        ``(height, width) float32``, 0 outside the crop.
        """
        if values.ndim != 2 or 0 in values.shape:
            raise InputError(
                f"A heat map needs the shape (h, w), but got {values.shape}; give one map."
            )
        rows, columns = self.pixels.shape[:2]
        full = cv2.resize(values.astype(np.float32), (columns, rows))
        matrix = _for_pixel_centres(_inverse(self.matrix))
        return cv2.warpAffine(full, matrix, (width, height)).astype(np.float32, copy=False)


def canonical_crop(
    picture: NDArray[np.uint8],
    corners: Corners,
    *,
    padding_x: float = PADDING_X,
    padding_y: float = PADDING_Y,
    out_height: int = OUT_HEIGHT,
    out_width: int = OUT_WIDTH,
) -> EyeCrop:
    """Cut one eye out of a picture, levelled, padded and brought to one size.

    With w the distance between the corners, the region measures ``w (1 + 2 padding_x / 100)`` by
    ``w (0.45 + 2 padding_y / 100)``, lies centred on the middle of the corners and is turned so
    that their line is horizontal. What lies outside the picture repeats its edge. A region much
    larger than the crop is averaged down first, so that fine patterns do not alias.

    Parameters
    ----------
    picture
        ``(H, W, 3) uint8 RGB``, upright.
    corners
        See :data:`Corners`. Giving them in the other order turns the crop by 180°.
    padding_x, padding_y
        Percent of the eye's width, at each side.
    out_height, out_width
        Size of the crop in pixels. The region is stretched to it, so keep the region's shape.

    Raises
    ------
    InputError
        Corners less than one pixel apart or not finite, a padding below 0, a size below 1, a
        picture of another shape, or a region wholly outside the picture.

    Examples
    --------
    >>> picture = np.zeros((100, 200, 3), np.uint8)
    >>> crop = canonical_crop(picture, ((50.0, 50.0), (150.0, 50.0)))
    >>> crop.pixels.shape, crop.box, crop.scale_px
    ((128, 144, 3), Box(x=30.0, y=-12.5, width=140.0, height=125.0), 100.0)
    """
    _check(picture, corners, padding_x, padding_y, out_height, out_width)
    (ax, ay), (bx, by) = corners
    eye_width = math.hypot(bx - ax, by - ay)
    width = eye_width * (1 + 2 * padding_x / 100)
    height = eye_width * (EYE_ASPECT + 2 * padding_y / 100)
    # The crop's axes, as unit vectors in the picture: along the eye, and 90° clockwise of it.
    along = np.array([bx - ax, by - ay]) / eye_width
    down = np.array([-along[1], along[0]])
    middle = np.array([(ax + bx) / 2, (ay + by) / 2])
    linear = np.stack([along * out_width / width, down * out_height / height])
    offset = np.array([out_width / 2, out_height / 2]) - linear @ middle
    matrix = np.hstack([linear, offset[:, None]])
    ends = [
        middle + i * along * width / 2 + j * down * height / 2 for i in (-1, 1) for j in (-1, 1)
    ]
    low, high = np.min(ends, axis=0), np.max(ends, axis=0)
    box = Box(float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1]))
    pixels = sample(picture, box, matrix, out_height=out_height, out_width=out_width)
    return EyeCrop(pixels=pixels, box=box, matrix=matrix, scale_px=eye_width)


def sample(
    picture: NDArray[np.uint8],
    box: Box,
    matrix: NDArray[np.float64],
    *,
    out_height: int,
    out_width: int,
) -> NDArray[np.uint8]:
    """Sample a turned region of a picture, averaged down first where it is much larger.

    Parameters
    ----------
    picture
        ``(H, W, 3)`` or ``(H, W)`` uint8.
    box
        Upright box of the picture that holds the region.
    matrix
        ``(2, 3)``: maps a :data:`Point` of the picture to one of the result.
    out_height, out_width
        Size of the result in pixels.

    Raises
    ------
    InputError
        When the box lies wholly outside the picture.
    """
    rows, columns = picture.shape[:2]
    # Two pixels more than the region, so that interpolation never meets the part's own border.
    near = box.padded(x=2, y=2)
    x0, y0 = max(math.floor(near.x), 0), max(math.floor(near.y), 0)
    x1 = min(math.ceil(near.x + near.width), columns)
    y1 = min(math.ceil(near.y + near.height), rows)
    if x0 >= x1 or y0 >= y1:
        raise InputError(
            f"The eye at {box} lies outside its picture of {columns}×{rows} px; "
            "give corners in pixels of this picture."
        )
    part = picture[y0:y1, x0:x1]
    times = max(int(1 / math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))), 1)
    small = (max(round((x1 - x0) / times), 1), max(round((y1 - y0) / times), 1))
    if times > 1:
        averaged = cv2.resize(part, small, interpolation=cv2.INTER_AREA)
        part = averaged.astype(np.uint8, copy=False)
    # part -> picture: undo the averaging, then the cut.
    back = np.array(
        [[(x1 - x0) / part.shape[1], 0, x0], [0, (y1 - y0) / part.shape[0], y0], [0, 0, 1]]
    )
    forward = _for_pixel_centres(matrix @ back)
    pixels = cv2.warpAffine(part, forward, (out_width, out_height), borderMode=cv2.BORDER_REPLICATE)
    return pixels.astype(np.uint8, copy=False)


def _check(
    picture: NDArray[np.uint8],
    corners: Corners,
    padding_x: float,
    padding_y: float,
    out_height: int,
    out_width: int,
) -> None:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.size == 0 or picture.dtype != np.uint8:
        raise InputError(
            f"A picture needs the shape (H, W, 3) and dtype uint8, but got {picture.shape} "
            f"{picture.dtype}; decode it with engine.imaging.pictures."
        )
    points = np.asarray(corners, dtype=np.float64)
    if points.shape != (2, 2) or not np.isfinite(points).all():
        raise InputError(
            f"Two eye corners ((x, y), (x, y)) of finite numbers are needed, but got {corners!r}."
        )
    if math.dist(corners[0], corners[1]) < 1:
        raise InputError(
            f"The eye corners must be at least 1 px apart, but got {corners!r}; "
            "find the eye again or leave it out."
        )
    if padding_x < 0 or padding_y < 0 or out_height < 1 or out_width < 1:
        raise InputError(
            "Paddings need at least 0 percent and the crop at least 1×1 px, but got "
            f"padding_x={padding_x}, padding_y={padding_y}, {out_width}×{out_height} px."
        )


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return cv2.invertAffineTransform(matrix).astype(np.float64, copy=False)


def _for_pixel_centres(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn a map of points into OpenCV's map of pixel numbers, whose 0 is a pixel's centre."""
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
    return shifted


def _mapped(points: NDArray[np.float64], *, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"Points need the shape (n, 2), but got {points.shape}.")
    mapped: NDArray[np.float64] = points @ matrix[:, :2].T + matrix[:, 2]
    return mapped
