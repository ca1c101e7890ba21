"""From a scene to a photograph: light, lens, sensor and file; and what people do to files."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.eyes.rendered.noise import Field, cloud, soften

__all__ = ["photograph", "put_background", "put_border"]


def photograph(rng: np.random.Generator, planes: Field) -> NDArray[np.uint8]:
    """Turn planes (3, H, W) in 0..1 into an ``(H, W, 3) uint8 RGB`` picture from some camera."""
    planes = _expose(rng, planes)
    picture = _focus(rng, np.ascontiguousarray(planes.transpose(1, 2, 0)))
    if rng.uniform() < 0.75:
        strength = np.float32(rng.uniform(0.002, 0.045) * rng.uniform())
        picture += strength * rng.standard_normal(picture.shape, dtype=np.float32)
    pixels = np.clip(picture * np.float32(255) + np.float32(0.5), 0, 255).astype(np.uint8)
    if rng.uniform() < 0.7:
        quality = int(rng.uniform(22, 96))
        # The codec wants BGR; RGB in and out only swaps the roles of two chroma planes, which
        # would blur red less than a real file does, so that we turn it round.
        _, code = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        read = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
        pixels = np.ascontiguousarray(read[..., ::-1])
    return np.asarray(pixels, np.uint8)


def _expose(rng: np.random.Generator, planes: Field) -> Field:
    grey = planes.mean(axis=0)
    saturation = rng.uniform(0.45, 1.5)
    planes = grey + np.float32(saturation) * (planes - grey)
    warm, green = rng.normal(0, 0.07), rng.normal(0, 0.03)
    if rng.uniform() < 0.12:
        warm, green = rng.normal(0, 0.25), rng.normal(0, 0.1)
    gains = np.array([1 + warm, 1 + green, 1 - warm], np.float32)
    spread = 0.16 if rng.uniform() < 0.8 else 0.35
    gains *= np.float32(np.exp(rng.normal(0.0, spread)))
    planes *= np.maximum(gains, 0.15)[:, None, None]
    if rng.uniform() < 0.35:
        height, width = planes.shape[1:]
        y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] - np.float32(rng.normal(0, 0.3))
        x = np.linspace(-1, 1, width, dtype=np.float32)[None, :] - np.float32(rng.normal(0, 0.3))
        planes *= 1 - np.float32(rng.uniform(0, 0.6)) * np.clip((x * x + y * y) * 0.5, 0, 1)
    gamma = float(np.exp(rng.normal(0, 0.2)))
    np.clip(planes, 0, 1.2, out=planes)
    cv2.pow(planes, gamma, planes)
    contrast = rng.uniform(0.75, 1.2)
    planes -= np.float32(0.5)
    planes *= np.float32(contrast)
    planes += np.float32(0.5 + rng.normal(0, 0.03))
    return planes


def _focus(rng: np.random.Generator, picture: Field) -> Field:
    height, width = picture.shape[:2]
    kind = rng.uniform()
    if kind < 0.4:
        sigma = rng.uniform(0.3, 1.0) if rng.uniform() < 0.75 else rng.uniform(1.0, 3.0)
        picture = soften(picture, sigma * max(width, height) / 216)
    elif kind < 0.55:
        factor = rng.uniform(0.25, 0.8)
        small = (max(8, int(width * factor)), max(8, int(height * factor)))
        low = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
        picture = np.asarray(cv2.resize(low, (width, height)), np.float32)
    elif kind < 0.63:
        length = int(rng.integers(3, 9))
        kernel = np.zeros((length, length), np.float32)
        angle = rng.uniform(0, np.pi)
        reach = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
        middle = (length - 1) / 2
        ends = np.rint(np.array([middle - reach, middle + reach])).astype(int)
        cv2.line(kernel, tuple(ends[0].tolist()), tuple(ends[1].tolist()), 1.0)
        picture = np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.float32)
    if rng.uniform() < 0.25:
        amount = np.float32(rng.uniform(0.3, 1.2))
        picture = picture + amount * (picture - soften(picture, 1.2))
    return picture


def put_border(
    rng: np.random.Generator, picture: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> None:
    """Lay over, in place, what collections of pictures carry at their borders; labels become 0.

    White or black wedges of a turned picture, streaks of a smeared border, plain bars, a line of
    text.
    """
    if rng.uniform() < 0.2:
        _put_text(rng, picture)
        return
    sides = rng.permutation(4)[: int(rng.integers(1, 4))]
    is_streaked = rng.uniform() < 0.5
    value = (255, 255, 0, 0, 128)[int(rng.integers(5))]
    for side in sides.tolist():
        # Views turned so that the side is on top: what is written there lands in the picture.
        turned, turned_labels = np.rot90(picture, side), np.rot90(labels, side)
        height, width = turned_labels.shape
        start, stop = rng.uniform(0, 0.22 * height, 2)
        depths = np.linspace(start, stop, width).astype(int)
        mask = np.arange(height)[:, None] < depths[None, :]
        if is_streaked:
            edge = turned[depths, np.arange(width)]
            turned[mask] = np.broadcast_to(edge, turned.shape)[mask]
        else:
            turned[mask] = value
        turned_labels[mask] = 0


def _put_text(rng: np.random.Generator, picture: NDArray[np.uint8]) -> None:
    height, width = picture.shape[:2]
    letters = "".join(chr(int(c)) for c in rng.integers(65, 91, int(rng.integers(4, 16))))
    place = (int(rng.uniform(0, 0.5) * width), int(rng.uniform(0.9, 0.99) * height))
    shade = int(rng.choice((0, 255, 200)))
    cv2.putText(
        picture, letters, place, cv2.FONT_HERSHEY_SIMPLEX, width / 700, (shade,) * 3, 1, cv2.LINE_AA
    )


def put_background(rng: np.random.Generator, planes: Field, where: Field) -> None:
    """Replace what lies beyond the head (``where`` 0..1) by an out-of-focus room, in place."""
    colour = rng.uniform(0, 0.9, 3) * rng.uniform(0.1, 1)
    field = cloud(rng, (planes.shape[1], planes.shape[2]), planes.shape[2] / 4)
    for plane, value in zip(planes, colour, strict=True):
        plane += where * (np.float32(value) * (1 + 0.25 * field) - plane)
