"""A picture as another laboratory would have taken it: size, turn, stain, camera, compression."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.cells.recipe.samples import Sample

__all__ = ["cropped", "recoloured"]

_SHARE_SEEN: Final = 0.35  # of a cell's box; less is not taught as a cell


def cropped(sample: Sample, rng: np.random.Generator, *, side_px: int) -> Sample:
    """Return a square part, scaled, mirrored and turned by quarters; boxes follow."""
    scale = float(np.exp(rng.uniform(np.log(0.4), np.log(1.5))))
    if rng.random() < 0.35:
        scale = float(rng.uniform(0.85, 1.15))
    stretch = float(rng.uniform(0.92, 1.08))
    height, width = sample.picture.shape[:2]
    wide, high = max(8, round(width * scale * stretch)), max(8, round(height * scale))
    shrinks = scale < 1
    picture = cv2.resize(
        sample.picture, (wide, high), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    boxes = sample.boxes * np.array([wide / width, high / height] * 2, dtype=np.float32)
    pad_x, pad_y = max(0, side_px - wide), max(0, side_px - high)
    if pad_x or pad_y:
        before = int(rng.integers(0, pad_x + 1)), int(rng.integers(0, pad_y + 1))
        ground = np.percentile(picture.reshape(-1, 3), 90, axis=0)
        picture = cv2.copyMakeBorder(
            picture,
            before[1],
            pad_y - before[1],
            before[0],
            pad_x - before[0],
            cv2.BORDER_CONSTANT,
            value=[float(v) for v in ground],
        )
        boxes = boxes + np.array([*before, *before], dtype=np.float32)
    x = int(rng.integers(0, picture.shape[1] - side_px + 1))
    y = int(rng.integers(0, picture.shape[0] - side_px + 1))
    part = picture[y : y + side_px, x : x + side_px]
    moved = boxes - np.array([x, y, x, y], dtype=np.float32)
    cut = np.clip(moved, 0, side_px)
    area = np.prod(moved[:, 2:] - moved[:, :2], axis=1)
    kept = np.prod(cut[:, 2:] - cut[:, :2], axis=1) > _SHARE_SEEN * area
    part, cut = _turned(np.asarray(part, np.uint8), cut[kept], rng)
    return Sample(
        name=sample.name,
        picture=part,
        boxes=cut,
        classes=sample.classes[kept],
        complete=sample.complete,
    )


def _turned(
    picture: NDArray[np.uint8], boxes: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    side = picture.shape[0]
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
        boxes = np.stack([side - boxes[:, 2], boxes[:, 1], side - boxes[:, 0], boxes[:, 3]], 1)
    if rng.random() < 0.5:
        picture = picture[::-1]
        boxes = np.stack([boxes[:, 0], side - boxes[:, 3], boxes[:, 2], side - boxes[:, 1]], 1)
    if rng.random() < 0.5:
        picture = picture.transpose(1, 0, 2)
        boxes = boxes[:, [1, 0, 3, 2]]
    return np.ascontiguousarray(picture), np.ascontiguousarray(boxes, dtype=np.float32)


def recoloured(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the picture with another stain, light and camera."""
    if rng.random() < 0.1:  # as it is
        return picture
    density = -np.log(np.maximum(picture.astype(np.float32), 1) / 255)
    if rng.random() < 0.7:  # stain: mix the channels of optical density, deepen or bleach
        mix = np.eye(3, dtype=np.float32) + rng.normal(0, 0.13, (3, 3)).astype(np.float32)
        density = np.maximum(density @ mix.T, 0)
        density *= rng.uniform(0.6, 1.6, 3).astype(np.float32) ** 0.7
    light = np.exp(-density)
    if rng.random() < 0.6:  # white balance and exposure
        light *= rng.uniform(0.75, 1.12, 3).astype(np.float32)
    if rng.random() < 0.5:
        light = np.clip(light, 0, 1) ** float(rng.uniform(0.7, 1.5))
    if rng.random() < 0.12:
        light = np.repeat(light.mean(axis=2, keepdims=True), 3, axis=2)
    if rng.random() < 0.35:
        light = cv2.GaussianBlur(light, (0, 0), float(rng.uniform(0.4, 2.2)))
    if rng.random() < 0.4:
        light = light + rng.normal(0, rng.uniform(0.005, 0.05), light.shape).astype(np.float32)
    if rng.random() < 0.25:  # vignette
        line = np.linspace(-1, 1, light.shape[0], dtype=np.float32)
        light = light * (1 - rng.uniform(0, 0.5) * (line[:, None] ** 2 + line**2)[..., None] / 2)
    changed = np.clip(light * 255, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        quality = int(rng.integers(35, 95))
        done, coded = cv2.imencode(".jpg", changed, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if done:
            changed = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(changed, np.uint8)
