"""Pairs of masks with some truth in them, for comparing with other libraries."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["blobs", "random_pair"]


def blobs(random: np.random.Generator, shape: tuple[int, int], classes: int) -> NDArray[np.uint8]:
    """Return a mask of smooth regions: each pixel the class whose field is highest."""
    fields = [cv2.GaussianBlur(random.normal(size=shape), (0, 0), 4) for _ in range(classes)]
    return np.argmax(fields, axis=0).astype(np.uint8)


def random_pair(
    seed: int, *, shape: tuple[int, int] = (70, 93), classes: int = 3
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a truth and an answer that agrees with it in about half of the picture."""
    random = np.random.default_rng(seed)
    truth, other = blobs(random, shape, classes), blobs(random, shape, classes)
    swap = blobs(random, shape, 2) == 1
    return truth, np.where(swap, other, truth).astype(np.uint8)
