"""Find the eyes in a picture that shows no face: one eye from near, or a strip with both.

The eye's anatomy is read where a reader is given (see :mod:`engine.eyes.anatomy`). Without one
OpenCV's eye cascades are asked, which know healthy eyes only: of 200 close-ups, most of them of
diseased eyes, they see half. With a reader they only point to places to look at again.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.eyes.crops import Corners
from engine.eyes.faces import check_picture
from engine.eyes.finders import load_cascade
from engine.eyes.framing import whole_picture_corners
from engine.eyes.landmarks import AnatomyReading, EyeAnatomyLike, EyeLocation
from engine.eyes.results import Side
from engine.imaging.boxes import Box

__all__ = ["STRIP_ASPECT", "SURE", "find_close_up"]

SURE: Final = 0.5
"""Least confidence of the reader."""

STRIP_ASPECT: Final = 1.5
"""A picture at least this many times wider than high may show both eyes."""

MIN_SIDE_PX: Final = 16
"""Nothing can be seen in a picture smaller than this."""


def find_close_up(
    picture: NDArray[np.uint8],
    anatomy_reader: AnatomyReading | None = None,
    *,
    mirrored: bool = False,
) -> dict[Side, EyeLocation]:
    """Locate the eye or eyes of a picture without a face.

    Parameters
    ----------
    picture
        ``(H, W, 3) uint8 RGB``, upright.
    anatomy_reader
        Reads eyes; what it does not confirm is no eye.
    mirrored
        Whether the picture is shown as in a mirror: swaps left and right of a strip.

    Returns
    -------
    ``{"unknown": …}`` for one eye, ``{"right": …, "left": …}`` for two (image-left is the
    *person's* right), ``{}`` when there is none or the picture is smaller than 16 pixels.
    """
    check_picture(picture)
    if picture.ndim != 3:
        raise InputError(
            f"A close-up needs the shape (H, W, 3), but got {picture.shape}; "
            "decode it with engine.imaging.pictures."
        )
    if min(picture.shape[:2]) < MIN_SIDE_PX:
        return {}
    if anatomy_reader is None:
        return _by_cascades(picture, mirrored=mirrored)
    found = _read(picture, anatomy_reader, mirrored=mirrored)
    return found or _confirmed(
        picture, _by_cascades(picture, mirrored=mirrored), reader=anatomy_reader
    )


def _read(
    picture: NDArray[np.uint8], reader: AnatomyReading, *, mirrored: bool
) -> dict[Side, EyeLocation]:
    rows, columns = picture.shape[:2]
    parts = [Box(0, 0, columns, rows)]
    if columns >= STRIP_ASPECT * rows:
        half = math.ceil(columns * 0.52)
        parts += [Box(0, 0, half, rows), Box(columns - half, 0, half, rows)]
    seen = _seen(picture, parts, reader)
    if len(seen) == 3 and seen[1] is not None and seen[2] is not None:
        pair = seen[1], seen[2]
        if is_pair(pair[0].corners, pair[1].corners):
            return _sides(pair, mirrored=mirrored)
    whole = seen[0]
    if whole is None:
        return {}
    return {"unknown": whole}


def _seen(
    picture: NDArray[np.uint8], parts: list[Box], reader: AnatomyReading
) -> list[EyeLocation | None]:
    """Read parts of a picture; corners come back in pixels of the picture."""
    cut = []
    for part in parts:
        x, y = int(part.x), int(part.y)
        pixels = picture[y : y + math.ceil(part.height), x : x + math.ceil(part.width)]
        cut.append(np.ascontiguousarray(pixels))
    return [_location(a, p) for a, p in zip(reader.locate(cut), parts, strict=True)]


def _location(anatomy: EyeAnatomyLike, part: Box) -> EyeLocation | None:
    if anatomy.eye_confidence < SURE:
        return None
    x, y = int(part.x), int(part.y)
    corners = anatomy.corners
    has_corners = corners is not None and math.dist(*corners) >= 8
    if corners is None or not has_corners:
        # The iris fills the picture and no corner can be seen: look at all of it.
        corners = whole_picture_corners(height=int(part.height), width=int(part.width))
    (ax, ay), (bx, by) = corners
    return EyeLocation(
        side="unknown",
        corners=((ax + x, ay + y), (bx + x, by + y)),
        source="anatomy" if has_corners else "geometry",
        confidence=float(anatomy.eye_confidence),
        openness=float(anatomy.openness) if has_corners else None,
    )


def _confirmed(
    picture: NDArray[np.uint8], eyes: dict[Side, EyeLocation], *, reader: AnatomyReading
) -> dict[Side, EyeLocation]:
    """Keep what the cascades saw only where the reader, looking at that place, sees an eye too."""
    rows, columns = picture.shape[:2]
    parts = [
        eye.box.padded(x=0.4 * eye.width_px, y=0.5 * eye.width_px).clipped(
            width=columns, height=rows
        )
        for eye in eyes.values()
    ]
    if not parts or any(min(part.width, part.height) < MIN_SIDE_PX for part in parts):
        return {}
    seen = _seen(picture, parts, reader)
    if any(each is None for each in seen):
        return {}
    return {
        side: replace(eye, side=side)
        for side, eye in zip(eyes, seen, strict=True)
        if eye is not None
    }


def is_pair(left: Corners, right: Corners) -> bool:
    """Say whether two eyes can be of one face, seen from the front.

    Their centres lie 1.5 to 3.5 eye widths apart (2.1 in the mean face), nearly level, and the
    eyes are of similar width.

    >>> is_pair(((10.0, 20.0), (40.0, 20.0)), ((75.0, 21.0), (105.0, 21.0)))
    True
    >>> is_pair(((10.0, 20.0), (40.0, 20.0)), ((30.0, 20.0), (60.0, 20.0)))
    False
    """
    first, second = math.dist(*left), math.dist(*right)
    across = (right[0][0] + right[1][0] - left[0][0] - left[1][0]) / 2
    down = (right[0][1] + right[1][1] - left[0][1] - left[1][1]) / 2
    width = (first + second) / 2
    is_similar = max(first, second) < 1.6 * min(first, second)
    return is_similar and 1.5 * width < across < 3.5 * width and abs(down) < 0.35 * across


def _sides(pair: tuple[EyeLocation, EyeLocation], *, mirrored: bool) -> dict[Side, EyeLocation]:
    sides: tuple[Side, Side] = ("left", "right") if mirrored else ("right", "left")
    return {side: replace(eye, side=side) for side, eye in zip(sides, pair, strict=True)}


def _by_cascades(picture: NDArray[np.uint8], *, mirrored: bool) -> dict[Side, EyeLocation]:
    """Ask OpenCV's eye cascades, on a small picture with a border so that the eye may fill it."""
    factor = max(picture.shape[:2]) / 96
    rows, columns = (max(round(n / factor), 1) for n in picture.shape[:2])
    grey = cv2.cvtColor(cv2.resize(picture, (columns, rows)), cv2.COLOR_RGB2GRAY)
    border = 24
    framed = cv2.copyMakeBorder(grey, border, border, border, border, cv2.BORDER_REPLICATE)
    for name in ("eye", "eye_tree_eyeglasses"):
        boxes = load_cascade(name).detectMultiScale(framed, 1.1, 3, 0, (20, 20))
        eyes = [_from_cascade((np.array(box) - (border, border, 0, 0)) * factor) for box in boxes]
        eyes.sort(key=lambda eye: eye.corners[0][0])
        pairs = [(a, b) for a in eyes for b in eyes if is_pair(a.corners, b.corners)]
        if pairs:
            return _sides(max(pairs, key=lambda p: p[0].width_px), mirrored=mirrored)
        if eyes:
            return {"unknown": max(eyes, key=lambda eye: eye.width_px)}
    return {}


def _from_cascade(box: NDArray[np.float64]) -> EyeLocation:
    """Place corners in a cascade's box: the eye takes 0.65 of its width, measured on portraits."""
    x, y, width, height = (float(v) for v in box)
    centre_x, centre_y, half = x + width / 2, y + 0.56 * height, 0.325 * width
    return EyeLocation(
        side="unknown",
        corners=((centre_x - half, centre_y), (centre_x + half, centre_y)),
        source="cascade",
        confidence=0.4,
    )
