"""Training samples for the anatomy network: rendered pictures and their truth, no torch.

On top of what the renderer varies, samples vary what a reader meets: shapes of pictures, heads
that lean, two eyes in a strip, an eye somewhere in a larger scene, things in front of the eye,
grey and falsely coloured pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.eyes.anatomy_view import BORDER, VIEW_HEIGHT, VIEW_WIDTH, view_of
from engine.eyes.rendered.drawing import draw_eye, near_iris
from engine.eyes.rendered.geometry import Placement, choose_framing, sample_placement
from engine.eyes.rendered.others import render_not_an_eye
from engine.eyes.rendered.traits import sample_traits
from engine.eyes.rendered.truth import CONDITIONS, Framing, Point, RenderedEye
from engine.imaging.boxes import Box

__all__ = ["Sample", "make_sample", "varied"]

_NO_EYE: Final = 0.26


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """``pixels`` (128, 144, 3) uint8, ``labels`` (128, 144) uint8, corners in pixels of the view.

    ``left`` and ``right`` hold the corners by their place in the picture, one for each eye shown.
    ``present`` says whether the outside of an eye is to be seen.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    left: tuple[Point, ...]
    right: tuple[Point, ...]
    present: bool


def make_sample(rng: np.random.Generator) -> Sample:
    """Draw one sample; everything random comes from ``rng``."""
    kind = rng.uniform()
    if kind < _NO_EYE:
        size = _sample_size(rng)
        picture = render_not_an_eye(rng, size=size)
        return _viewed(rng, picture, np.zeros(size, np.uint8), (), present=False)
    if kind < _NO_EYE + 0.05:
        return _two_eyes(rng)
    if kind < _NO_EYE + 0.11:
        return _in_a_scene(rng)
    # The closest framings are the hardest: there is little but iris, and no corner.
    framing: Framing = "iris" if rng.uniform() < 0.12 else "any"
    eye = _eye(rng, _sample_size(rng), framing)
    picture, labels = eye.picture, eye.labels.copy()
    if rng.uniform() < 0.15:
        _cover(rng, picture, labels)
    return _viewed(rng, picture, labels, [eye.corners], present=True)


def varied(rng: np.random.Generator, sample: Sample) -> Sample:
    """Return a sample seen a little differently: turned, moved, scaled, mirrored, recoloured."""
    angle, zoom = rng.normal(0, 6), float(np.exp(rng.normal(0, 0.13)))
    middle = (VIEW_WIDTH / 2, VIEW_HEIGHT / 2)
    matrix = np.array(cv2.getRotationMatrix2D(middle, angle, zoom), np.float64)
    matrix[:, 2] += rng.normal(0, 5, 2)
    if rng.uniform() < 0.5:
        matrix[0] = (-matrix[0, 0], -matrix[0, 1], VIEW_WIDTH - 1 - matrix[0, 2])
    size = (VIEW_WIDTH, VIEW_HEIGHT)
    grey = (BORDER, BORDER, BORDER)
    pixels = cv2.warpAffine(sample.pixels, matrix, size, borderValue=grey)
    labels = cv2.warpAffine(sample.labels, matrix, size, flags=cv2.INTER_NEAREST)
    mirrored = bool(np.linalg.det(matrix[:, :2]) < 0)
    left, right = (_moved(points, matrix) for points in (sample.left, sample.right))
    return Sample(
        pixels=_recoloured(rng, np.asarray(pixels, np.uint8)),
        labels=np.asarray(labels, np.uint8),
        left=right if mirrored else left,
        right=left if mirrored else right,
        present=sample.present and bool(labels.any()),
    )


def _moved(points: tuple[Point, ...], matrix: NDArray[np.float64]) -> tuple[Point, ...]:
    """Map points; the matrix counts from the middle of the first pixel, points from its edge."""
    moved = [matrix @ (x - 0.5, y - 0.5, 1.0) + 0.5 for x, y in points]
    return tuple((float(x), float(y)) for x, y in moved)


def _sample_size(rng: np.random.Generator) -> tuple[int, int]:
    aspect = float(np.clip(np.exp(rng.normal(0.25, 0.3)), 0.6, 2.4))
    grow = rng.uniform(0.95, 1.3)
    width = min(VIEW_WIDTH, VIEW_HEIGHT * aspect) * grow
    return max(32, round(width / aspect)), max(32, round(width))


def _eye(rng: np.random.Generator, size: tuple[int, int], framing: Framing) -> RenderedEye:
    condition = CONDITIONS[int(rng.integers(len(CONDITIONS)))]
    if framing == "any":
        framing = choose_framing(rng)
    traits = sample_traits(rng, condition=condition)
    placement = sample_placement(rng, framing=framing, size=size)
    if framing == "iris":
        traits, placement = near_iris(rng, traits, placement)
    lean = rng.uniform(-0.7, 0.7) if rng.uniform() < 0.12 else rng.normal(0, 0.06)
    return draw_eye(rng, traits, _turned(placement, lean))


def _turned(placement: Placement, angle: float) -> Placement:
    """Turn the eye around the middle of its corners."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ placement.to_pixels[:, :2]
    matrix = np.column_stack([linear, placement.to_pixels[:, 2]])
    return Placement(to_pixels=matrix, size=placement.size)


def _two_eyes(rng: np.random.Generator) -> Sample:
    """Both eyes of one face side by side: one drawn eye and its mirror image."""
    height, half = int(rng.uniform(50, 100)), int(rng.uniform(66, 84))
    eye = _eye(rng, (height, half), "region" if rng.uniform() < 0.6 else "half_face")
    mirrored = [_mirrored(point, half) for point in eye.corners][::-1]
    shifted = [(x + half, y) for x, y in mirrored]
    picture = np.concatenate([eye.picture, eye.picture[:, ::-1]], axis=1)
    labels = np.concatenate([eye.labels, eye.labels[:, ::-1]], axis=1)
    return _viewed(rng, picture, labels, [eye.corners, shifted], present=True)


def _mirrored(point: Point, width: int) -> Point:
    return width - point[0], point[1]


def _in_a_scene(rng: np.random.Generator) -> Sample:
    """Put the picture of an eye into a larger picture of something else."""
    height, width = _sample_size(rng)
    picture = render_not_an_eye(rng, size=(height, width))
    labels = np.zeros((height, width), np.uint8)
    h, w = int(height * rng.uniform(0.5, 0.85)), int(width * rng.uniform(0.5, 0.85))
    eye = _eye(rng, (max(h, 24), max(w, 24)), "region")
    h, w = eye.labels.shape
    top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    picture[top : top + h, left : left + w] = eye.picture
    labels[top : top + h, left : left + w] = eye.labels
    corners = [(x + left, y + top) for x, y in eye.corners]
    return _viewed(rng, picture, labels, [corners], present=True)


def _cover(rng: np.random.Generator, picture: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    """Lay something in front: a finger, a strand of hair, the frame of glasses; in place."""
    height, width = labels.shape
    mask = np.zeros((height, width), np.uint8)
    kind = rng.uniform()
    if kind < 0.5:
        ends = rng.uniform(-0.1, 1.1, (2, 2)) * (width, height)
        start, stop = (tuple(np.rint(end).astype(int).tolist()) for end in ends)
        cv2.line(mask, start, stop, 255, int(rng.integers(1, max(2, width // 12))), cv2.LINE_AA)
    else:
        centre = rng.uniform(0, 1, 2) * (width, height)
        points = centre + rng.normal(0, 0.12, (7, 2)) * (width, height)
        cv2.fillPoly(mask, [cv2.convexHull(points.astype(np.int32))], 255, cv2.LINE_AA)
    other = render_not_an_eye(rng, size=(height, width))
    share = (mask.astype(np.float32) / np.float32(255))[..., None]
    picture[:] = (picture * (1 - share) + other * share).astype(np.uint8)
    labels[mask > 127] = 0


def _viewed(
    rng: np.random.Generator,
    picture: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    corners: Sequence[Sequence[Point]],
    *,
    present: bool,
) -> Sample:
    """Bring everything to the network's size."""
    height, width = labels.shape
    box = Box(0, 0, width, height)
    if rng.uniform() < 0.25:
        # The second pass of the reader sees a part of the picture that may reach over its border.
        grow_x, grow_y = rng.uniform(-0.06, 0.15, 2)
        box = box.padded(x=grow_x * width, y=grow_y * height)
    view = view_of(picture, box)
    label_view = _labels_of(labels, view.box, view.scale)
    shown = [
        [((x - view.box.x) * view.scale, (y - view.box.y) * view.scale) for x, y in pair]
        for pair in corners
    ]
    visible = float((label_view > 0).mean())
    return Sample(
        pixels=_recoloured(rng, view.pixels),
        labels=label_view,
        left=tuple(pair[0] for pair in shown),
        right=tuple(pair[1] for pair in shown),
        present=present and visible > 0.002,
    )


def _labels_of(labels: NDArray[np.uint8], box: Box, scale: float) -> NDArray[np.uint8]:
    """Cut labels as :func:`view_of` cuts pixels: nearest pixel, 0 outside."""
    columns = np.floor(box.x + (np.arange(VIEW_WIDTH) + 0.5) / scale).astype(int)
    rows = np.floor(box.y + (np.arange(VIEW_HEIGHT) + 0.5) / scale).astype(int)
    height, width = labels.shape
    cut: NDArray[np.uint8] = labels[np.clip(rows, 0, height - 1)][:, np.clip(columns, 0, width - 1)]
    outside_y = (rows < 0) | (rows >= height)
    outside_x = (columns < 0) | (columns >= width)
    cut[outside_y] = 0
    cut[:, outside_x] = 0
    return cut


def _resharpened(rng: np.random.Generator, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Sharpen or blur at the network's size: large photographs made small are very sharp."""
    kind = rng.uniform()
    if kind < 0.35:
        soft = cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.7, 1.6))
        amount = rng.uniform(0.3, 2.2)
        return np.asarray(cv2.addWeighted(pixels, 1 + amount, soft, -amount, 0), np.uint8)
    if kind < 0.45:
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.4, 1.5)), np.uint8)
    return pixels


def _recoloured(rng: np.random.Generator, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    pixels = _resharpened(rng, pixels)
    kind = rng.uniform()
    if kind < 0.06:
        grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        return np.repeat(grey[..., None], 3, axis=2)
    if kind < 0.16:
        mix = np.eye(3) + rng.normal(0, 0.16, (3, 3))
        mixed = pixels.astype(np.float32) @ mix.T.astype(np.float32)
        return np.clip(mixed, 0, 255).astype(np.uint8)
    if kind < 0.22:
        low, high = rng.uniform(0, 60), rng.uniform(150, 255)
        table = np.clip(np.linspace(low, high, 256), 0, 255).astype(np.uint8)
        return np.asarray(table[pixels], np.uint8)
    return pixels
