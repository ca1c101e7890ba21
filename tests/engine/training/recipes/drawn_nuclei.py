"""Drawn pictures of nuclei with a mask that is right by construction."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_nuclei", "write_folder"]


def draw_nuclei(seed: int, *, stained: bool) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a picture ``(192, 256, 3) uint8`` and its mask: 1 inside a nucleus.

    Fluorescence: bright nuclei of very different brightness on black, a lamp that is stronger on
    one side, noise. Stained: dark violet nuclei on rose tissue whose own shades come near them.
    """
    random = np.random.default_rng(seed)
    shape = (192, 256)
    mask = np.zeros(shape, np.uint8)
    level = np.zeros(shape, np.float32)
    for _ in range(26):
        middle = int(random.integers(12, 244)), int(random.integers(12, 180))
        axes = int(random.integers(7, 13)), int(random.integers(6, 11))
        one = np.zeros(shape, np.uint8)
        cv2.ellipse(one, middle, axes, float(random.uniform(0, 180)), 0, 360, 1, -1, cv2.LINE_8)
        level[one == 1] = random.uniform(0.25, 1.0)
        mask |= one
    cols = np.indices(shape)[1]
    shade = cv2.GaussianBlur(random.normal(size=shape).astype(np.float32), (0, 0), 14)
    shade /= np.abs(shade).max()
    soft = cv2.GaussianBlur(level, (0, 0), 1.0)
    if stained:
        tissue = np.array([226.0, 172.0, 198.0]) + 24 * shade[..., np.newaxis]
        ink = np.array([96.0, 66.0, 140.0])
        cover = np.minimum(1.0, 0.55 * (soft > 0) * soft + 0.45 * (soft > 0.1))[..., np.newaxis]
        picture = tissue * (1 - cover) + ink * cover
    else:
        lamp = 12 + 30 * cols / shape[1] + 8 * shade
        picture = np.repeat((lamp + 130 * soft)[..., np.newaxis], 3, axis=2)
    picture = picture + random.normal(0, 4, shape)[..., np.newaxis]
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8), mask


def write_folder(path: Path, count: int) -> Path:
    """Write a folder of drawn pictures as the real ones lie in theirs; every fourth is stained."""
    rows = ["file,width,height,kind,nuclei,foreground_fraction"]
    for name in ("images", "masks"):
        (path / name).mkdir(parents=True)
    for number in range(count):
        stained = number % 4 == 0
        picture, mask = draw_nuclei(number, stained=stained)
        file = f"n{number:02}.png"
        cv2.imwrite(str(path / "images" / file), picture[..., ::-1])
        cv2.imwrite(str(path / "masks" / file), 255 * mask)
        rows.append(f"{file},256,192,{'stained' if stained else 'fluorescence'},1,0.1")
    (path / "index.csv").write_text("\n".join(rows), encoding="utf-8")
    return path
