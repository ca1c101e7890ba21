"""Random fields, and the two ways of putting one colour over another.

A picture in the making is ``(3, H, W) float32`` RGB in 0..1: with the planes apart, a mask of
``(H, W)`` multiplies without a stride, which halves the time of a drawing.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Colour",
    "Field",
    "blend",
    "cloud",
    "fractal",
    "gaussian",
    "polar",
    "smoothstep",
    "soften",
]

Field = NDArray[np.float32]
Colour = tuple[float, float, float]
"""RGB in 0..1."""


def cloud(rng: np.random.Generator, shape: tuple[int, int], cell_px: float) -> Field:
    """Return a smooth random field (H, W) of about unit variance with blobs of ``cell_px``."""
    rows = max(2, round(shape[0] / cell_px) + 1)
    columns = max(2, round(shape[1] / cell_px) + 1)
    grid = rng.standard_normal((rows, columns), dtype=np.float32)
    grown = cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(grown, np.float32)


def fractal(
    rng: np.random.Generator, shape: tuple[int, int], cell_px: float, octaves: int = 3
) -> Field:
    """Return clouds of halving size and strength added up, ``(H, W)``, of about unit variance."""
    total = np.zeros(shape, np.float32)
    weight, power = 1.0, 0.0
    for _ in range(octaves):
        total += np.float32(weight) * cloud(rng, shape, max(cell_px, 1.0))
        power += weight * weight
        weight, cell_px = weight * 0.6, cell_px / 2
    total /= np.float32(np.sqrt(power))
    return total


def smoothstep(field: Field, low: float, high: float) -> Field:
    """Return 0 below ``low``, 1 above ``high``, a smooth rise between; ``low`` may be larger."""
    t = (field - np.float32(low)) * np.float32(1.0 / (high - low))
    np.clip(t, 0.0, 1.0, out=t)
    t *= t * (np.float32(3.0) - np.float32(2.0) * t)
    return t


def gaussian(field: Field, middle: float, width: float) -> Field:
    """Return ``exp(-((field - middle) / width)² / 2)``."""
    t = (field - np.float32(middle)) * np.float32(1.0 / width)
    t *= t
    t *= np.float32(-0.5)
    np.exp(t, out=t)
    return t


def blend(planes: Field, alpha: Field, colour: Colour) -> None:
    """Put ``colour`` over ``planes`` (3, H, W), in place, where ``alpha`` (H, W) is above 0."""
    for plane, value in zip(planes, colour, strict=True):
        plane += alpha * (np.float32(value) - plane)


def soften(field: Field, sigma_px: float) -> Field:
    """Return the field blurred; unchanged below a tenth of a pixel."""
    if sigma_px < 0.1:
        return field
    return np.asarray(cv2.GaussianBlur(field, (0, 0), sigma_px), np.float32)


def polar(x: Field, y: Field) -> tuple[Field, Field]:
    """Return distance from (0, 0) and angle in 0..2π of every place."""
    distance, angle = cv2.cartToPolar(x, y)
    return np.asarray(distance, np.float32), np.asarray(angle, np.float32)
