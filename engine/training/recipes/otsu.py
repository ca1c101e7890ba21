"""The threshold of Otsu (1979, doi:10.1109/TSMC.1979.4310076): what any model has to beat."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.segmentation.scoring.overlap import confusion, overlaps

__all__ = ["otsu_dice", "otsu_masks"]


def otsu_masks(picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return what is brighter and what is darker than Otsu's threshold, each ``(H, W) uint8``."""
    grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    _, bright = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    found = np.asarray(bright, np.uint8)
    return found, np.asarray(1 - found, np.uint8)


def otsu_dice(picture: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """Return the Dice of class 1 with the polarity that suits this picture better.

    A threshold cannot know the polarity; it is told here, which flatters it.
    """
    scores = [overlaps(confusion(truth, mask, 2))[1].dice for mask in otsu_masks(picture)]
    return max(scores)
