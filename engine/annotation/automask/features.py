"""What a pixel looks like, from its own colour to its neighbourhood of 32 pixels and more.

Mean colour, contrast, edges and two bands of texture at six scales. No direction counts, so a
turned picture has turned features.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["FEATURES", "REACH_PX", "measure"]

_LEVELS: Final = 5
_CHANNELS: Final = 7  # three of colour, squared lightness, edges, two bands

FEATURES: Final = 3 + _LEVELS * _CHANNELS
"""How many numbers describe a pixel."""

REACH_PX: Final = 96
"""How far away a pixel may be and still change what another looks like; a multiple of the
coarsest step, so that a part of a picture has the features that it has in the whole."""


def measure(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the features of ``picture (H, W, 3)`` as planes ``(FEATURES, H, W) float32``.

    A part of a picture gives what the whole gives at all pixels that are farther than
    :data:`REACH_PX` from where it was cut, when it was cut at multiples of 32 pixels.
    """
    import cv2

    height, width = picture.shape[:2]
    padded = _padded(picture)
    colours = cv2.GaussianBlur(cv2.cvtColor(padded, cv2.COLOR_RGB2Lab), (0, 0), 0.7)
    stack = _base(colours.astype(np.float32) / np.float32(255))
    planes = np.empty((FEATURES, height, width), np.float32)
    for channel in range(3):
        planes[channel] = stack[:height, :width, channel]
    size = (padded.shape[1], padded.shape[0])
    for level in range(_LEVELS):
        half = (stack.shape[1] // 2, stack.shape[0] // 2)
        # Means of 2×2 pixels: unlike a pyramid's step, they shift nothing.
        stack = np.asarray(cv2.resize(stack, half, interpolation=cv2.INTER_AREA), np.float32)
        first = 3 + level * _CHANNELS
        for channel in range(_CHANNELS):
            plane = stack[..., channel]
            if channel == 3:  # mean of squares less square of means
                plane = np.sqrt(np.maximum(plane - stack[..., 0] ** 2, 0))
            wide = cv2.resize(np.ascontiguousarray(plane), size, interpolation=cv2.INTER_LINEAR)
            planes[first + channel] = wide[:height, :width]
    return planes


def _padded(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture on sides that every scale divides: its last row and column go on."""
    import cv2

    step = 1 << _LEVELS
    below, right = (-side % step for side in picture.shape[:2])
    return np.asarray(
        cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REFLECT_101)
        if min(picture.shape[:2]) > step
        else cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE),
        np.uint8,
    )


def _base(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the channels at full size, ``(H, W, 7)``."""
    import cv2

    light = np.ascontiguousarray(colours[..., 0])
    fine, coarse = cv2.GaussianBlur(light, (0, 0), 1.5), cv2.GaussianBlur(light, (0, 0), 3.5)
    across, down = (cv2.Sobel(light, cv2.CV_32F, *which, scale=0.25) for which in ((1, 0), (0, 1)))
    stack = np.empty((*light.shape, _CHANNELS), np.float32)
    stack[..., :3] = colours
    stack[..., 3] = light * light
    stack[..., 4] = cv2.magnitude(across, down)
    stack[..., 5] = cv2.absdiff(light, fine)
    stack[..., 6] = cv2.absdiff(fine, coarse)
    return stack
