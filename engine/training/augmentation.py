"""Patches cut anew each time: turned, scaled, mirrored, bent, and in another light and stain."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, final

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["STRENGTHS", "Cut", "Strength", "cut", "recoloured"]

Strength = Literal["none", "light", "medium", "strong"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranges:
    """How far a patch may be changed; 0 is not at all.

    ``gain``, ``offset``, ``gamma`` and ``noise`` are on a scale on which a picture's own standard
    deviation is 0.2 and its mean 0.5.
    """

    turn: bool
    scale: float
    bend_px: float
    gain: float
    offset: float
    gamma: float
    blur: float
    noise: float


STRENGTHS: Final[Mapping[Strength, _Ranges]] = MappingProxyType(
    {
        "none": _Ranges(turn=False, scale=0, bend_px=0, gain=0, offset=0, gamma=0, blur=0, noise=0),
        "light": _Ranges(
            turn=True, scale=0.1, bend_px=0, gain=0.08, offset=0.04, gamma=0.1, blur=0.3, noise=0.01
        ),
        "medium": _Ranges(
            turn=True, scale=0.25, bend_px=3, gain=0.2, offset=0.1, gamma=0.25, blur=0.8, noise=0.03
        ),
        "strong": _Ranges(
            turn=True, scale=0.4, bend_px=6, gain=0.35, offset=0.2, gamma=0.4, blur=1.2, noise=0.05
        ),
    }
)

_SPREAD: Final = 0.2
"""A picture's standard deviation on the scale of 0 to 1 that ``gain`` to ``noise`` mean."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cut:
    """A patch ``(P, P, 3) uint8`` and its mask ``(P, P) uint8``."""

    picture: NDArray[np.uint8]
    mask: NDArray[np.uint8]


def cut(
    picture: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    centre: tuple[int, int],
    *,
    patch_px: int,
    strength: Strength,
    rng: np.random.Generator,
) -> Cut:
    """Return a patch around ``centre`` (row, column), turned, scaled and mirrored by chance.

    What lies outside of the picture is mirrored in, in the mask as well: a mirrored nucleus is one.
    Only the part that is needed is read, so arrays of the disk of any size will do.
    """
    ranges = STRENGTHS[strength]
    angle = rng.uniform(0.0, 2.0 * math.pi) if ranges.turn else 0.0
    scale = math.exp(rng.uniform(-ranges.scale, ranges.scale)) if ranges.scale else 1.0
    mirror = -1.0 if ranges.turn and rng.random() < 0.5 else 1.0
    if ranges.turn and rng.random() < 0.5:  # half of the time without interpolation
        angle, scale = math.pi / 2 * int(rng.integers(4)), 1.0
    reach = math.ceil(patch_px * scale * 0.71) + 2
    top, left = max(0, centre[0] - reach), max(0, centre[1] - reach)
    part = (slice(top, centre[0] + reach + 1), slice(left, centre[1] + reach + 1))
    seen, known = np.ascontiguousarray(picture[part]), np.ascontiguousarray(mask[part])
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    half = (patch_px - 1) / 2
    # A patch of even side lies around a corner of pixels: so that they are copied, not averaged.
    x, y = (at - low + half % 1.0 for at, low in ((centre[1], left), (centre[0], top)))
    # Output (u, v) → input: x + mirror·cosine·(u − half) − sine·(v − half), and so on.
    matrix = np.array(
        [
            [mirror * cosine, -sine, x - mirror * cosine * half + sine * half],
            [mirror * sine, cosine, y - mirror * sine * half - cosine * half],
        ]
    )
    size = (patch_px, patch_px)
    if ranges.bend_px and rng.random() < 0.3:
        return _bent(seen, known, matrix, size, ranges.bend_px, rng)
    return Cut(
        picture=np.asarray(
            cv2.warpAffine(
                seen,
                matrix,
                size,
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REFLECT_101,
            ),
            np.uint8,
        ),
        mask=np.asarray(
            cv2.warpAffine(
                known,
                matrix,
                size,
                flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REFLECT_101,
            ),
            np.uint8,
        ),
    )


def _bent(
    picture: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    matrix: NDArray[np.float64],
    size: tuple[int, int],
    bend_px: float,
    rng: np.random.Generator,
) -> Cut:
    """Cut along lines that are bent a little: a coarse field of shifts, made smooth."""
    u, v = np.meshgrid(np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32))
    shifts = [
        cv2.resize(
            rng.normal(0.0, bend_px, (5, 5)).astype(np.float32), size, interpolation=cv2.INTER_CUBIC
        )
        for _ in range(2)
    ]
    x, y = (
        (row[0] * u + row[1] * v + row[2] + shift).astype(np.float32)
        for row, shift in zip(matrix, shifts, strict=True)
    )
    seen = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    known = cv2.remap(mask, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101)
    return Cut(picture=np.asarray(seen, np.uint8), mask=np.asarray(known, np.uint8))


def recoloured(
    values: NDArray[np.float32], strength: Strength, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return a normalised patch ``(3, P, P) float32`` in another light, stain and sharpness.

    All changes are measured by the picture's own spread, which is 1 here: a dim picture's contrast
    is changed as much as a bright one's, and none is pushed out of its range.
    """
    ranges = STRENGTHS[strength]
    if strength == "none":
        return values
    seen = np.ascontiguousarray(values.transpose(1, 2, 0)) * np.float32(_SPREAD)
    seen += np.float32(0.5)
    if ranges.gamma and rng.random() < 0.5:
        power = np.float32(math.exp(rng.uniform(-ranges.gamma, ranges.gamma)))
        seen = np.sign(seen) * np.power(np.abs(seen), power)
    common = rng.uniform(-ranges.gain, ranges.gain)
    gain = np.exp(common + rng.uniform(-0.5, 0.5, 3) * ranges.gain).astype(np.float32)
    shift = rng.uniform(-ranges.offset, ranges.offset)
    offset = (shift + rng.uniform(-0.5, 0.5, 3) * ranges.offset).astype(np.float32)
    middle = seen.mean(axis=(0, 1), keepdims=True)
    seen = (seen - middle) * gain + middle + offset
    if ranges.blur and rng.random() < 0.2:
        seen = cv2.GaussianBlur(seen, (0, 0), max(0.1, rng.uniform(0.0, ranges.blur)))
    if ranges.noise and rng.random() < 0.3:
        spread = rng.uniform(0.0, ranges.noise)
        seen = seen + rng.normal(0.0, spread, seen.shape).astype(np.float32)
    back = (np.asarray(seen, np.float32) - np.float32(0.5)) / np.float32(_SPREAD)
    return np.ascontiguousarray(back.transpose(2, 0, 1))
