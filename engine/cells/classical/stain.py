"""How much nuclear stain a pixel holds, whatever the lamp and the camera's white balance."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["nuclear_density", "otsu"]

_GROUND: Final = 90.0  # percentile taken as the empty slide
_BLUE_PART: Final = 0.6
_LEAST_DENSITY: Final = 0.05
"""Below this the densest thing in the picture is no stained nucleus."""


def nuclear_density(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the optical density of the nuclear stain, ``(H, W) float32``, 0 on the empty slide.

    ``picture`` is ``(H, W, 3) uint8`` RGB. Romanowsky and haematoxylin stains hold back red light
    and let blue pass; haemoglobin holds back blue, eosin green. So what counts is the density in
    red, less a part of that in blue, which red cells have about as much of.
    """
    light = picture.astype(np.float32) + 1.0
    thinned = light[::4, ::4].reshape(-1, 3)
    ground = np.maximum(np.percentile(thinned, _GROUND, axis=0), 20.0).astype(np.float32)
    density = np.log10(np.maximum(ground / light, 1.0))
    excess = density[..., 0] - _BLUE_PART * density[..., 2]
    return np.asarray(np.maximum(excess, 0), np.float32)


def otsu(density: NDArray[np.float32]) -> float:
    """Return Otsu's threshold of a density map, at least 0.05 (Otsu 1979, by OpenCV on 8 bits)."""
    top = float(np.percentile(density, 99.9))
    if top <= _LEAST_DENSITY:
        return _LEAST_DENSITY
    scaled = np.clip(density * (255 / top), 0, 255).astype(np.uint8)
    level, _ = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return max(_LEAST_DENSITY, float(level) * top / 255)
