"""What the network must not rely on: place, framing, camera, compression, and traces of editing.

In the photographs that we have, class and source go together: one source is small, sheared, with
streaked or white borders, the other large and untouched. Every degradation here is therefore drawn
with the same probability for every class.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.eyes import crops, framing
from engine.eyes.recipe.samples import Sample

__all__ = ["Strength", "augmented", "border_only", "in_other_surroundings", "neutral", "plain_crop"]

_SIZE: Final = (crops.OUT_WIDTH, crops.OUT_HEIGHT)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """How far each property is varied; probabilities in 0..1."""

    turn_deg: float = 9.0
    closest_zoom: float = 0.45
    farthest_zoom: float = 1.3
    shift: float = 0.06
    shear: float = 0.12
    fit: float = 0.92
    partial: float = 0.25
    edited: float = 0.3
    degraded: float = 0.75


def in_other_surroundings(
    eye: NDArray[np.uint8], surroundings: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Put the middle of one crop into the skin, frame and border of another.

    The label is that of the middle, so that nothing around the eye can tell the class.
    """
    width, height = _SIZE
    mask = np.zeros((height, width), np.float32)
    centre = (int(rng.normal(width / 2, 3)), int(rng.normal(height / 2, 3)))
    axes = (int(width * rng.uniform(0.36, 0.47)), int(height * rng.uniform(0.24, 0.38)))
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 1.0, -1)
    soft = cv2.GaussianBlur(mask, (0, 0), rng.uniform(1, 6))[..., None]
    mixed: NDArray[np.uint8] = (eye * soft + surroundings * (1 - soft) + 0.5).astype(np.uint8)
    return mixed


def plain_crop(sample: Sample) -> NDArray[np.uint8]:
    """Return the crop of serving: ``(128, 144, 3) uint8``, nothing varied."""
    height, width = sample.pixels.shape[:2]
    corners = framing.fit_corners(sample.corners, height=height, width=width)
    return crops.canonical_crop(sample.pixels, corners).pixels


def augmented(
    sample: Sample, rng: np.random.Generator, strength: Strength | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Return a varied crop ``(128, 144, 3) uint8`` and the regions ``(128, 144)`` if known."""
    strength = strength or Strength()
    sample = _partial(sample, rng) if rng.random() < strength.partial else sample
    matrix = _matrix(sample, rng, strength)
    pixels, regions = _warped(sample.pixels, sample.regions, matrix, _border(rng, usual=0.75), rng)
    if rng.random() < strength.edited:
        edit = _edit_matrix(rng)
        pixels, regions = _warped(pixels, regions, edit, _border(rng, usual=0.4), rng)
    pixels = _coloured(pixels, rng)
    if rng.random() < strength.degraded:
        pixels = _degraded(pixels, rng)
    if rng.random() < 0.25:
        pixels = _marked(pixels, rng)
    return pixels, regions


def neutral(crop: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a crop after one strong degradation that is the same for all classes.

    Down to 72 px width, JPEG quality 40: what is left of a source's own resolution and compression
    is gone. Accuracy on these pictures shows how far a model leans on such traces.
    """
    pixels = crop
    angle = math.radians(rng.uniform(-6, 6))
    pixels, _ = _warped(pixels, None, _about_centre(angle, 0.05, 1.0, 1.0), cv2.BORDER_REFLECT, rng)
    small = cv2.resize(pixels, (72, 64), interpolation=cv2.INTER_AREA).astype(np.uint8)
    return cv2.resize(_jpeg(small, 40), _SIZE).astype(np.uint8, copy=False)


def border_only(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a crop whose eye is painted over with the mean colour of the rest.

    What can still be told from such a picture is told by skin, framing and border.
    """
    height, width = crop.shape[:2]
    hidden = np.zeros((height, width), np.uint8)
    axes = (round(0.42 * width), round(0.33 * height))
    cv2.ellipse(hidden, (width // 2, height // 2), axes, 0, 0, 360, 1, -1)
    painted = crop.copy()
    painted[hidden == 1] = crop[hidden == 0].mean(axis=0)
    return painted


def _partial(sample: Sample, rng: np.random.Generator) -> Sample:
    """Cut the picture itself, so that the eye touches its border as in a close-up."""
    height, width = sample.pixels.shape[:2]
    (ax, ay), (bx, by) = sample.corners
    eye = math.hypot(bx - ax, by - ay)
    cx, cy = (ax + bx) / 2, (ay + by) / 2
    half_x, half_y = eye * rng.uniform(0.3, 0.7, 2), eye * rng.uniform(0.22, 0.55, 2)
    x0, x1 = max(int(cx - half_x[0]), 0), min(int(cx + half_x[1]), width)
    y0, y1 = max(int(cy - half_y[0]), 0), min(int(cy + half_y[1]), height)
    if x1 - x0 < 40 or y1 - y0 < 32:
        return sample
    return replace(
        sample,
        pixels=sample.pixels[y0:y1, x0:x1],
        regions=None if sample.regions is None else sample.regions[y0:y1, x0:x1],
        corners=((ax - x0, ay - y0), (bx - x0, by - y0)),
    )


def _matrix(sample: Sample, rng: np.random.Generator, strength: Strength) -> NDArray[np.float64]:
    """Picture -> crop, around the marked corners."""
    (ax, ay), (bx, by) = sample.corners
    eye = math.hypot(bx - ax, by - ay)
    angle = math.atan2(by - ay, bx - ax) + math.radians(rng.normal(0, strength.turn_deg))
    closest = max(strength.closest_zoom, sample.closest_zoom)
    low, high = math.log(closest), math.log(strength.farthest_zoom)
    # Most crops near the canonical size, some far closer: close-ups exist for every class.
    near = rng.random() < 0.55
    zoom = math.exp(rng.normal(0.02, 0.12)) if near else math.exp(rng.uniform(low, high))
    zoom = min(max(zoom, closest), strength.farthest_zoom)
    cx = (ax + bx) / 2 + eye * rng.normal(0, strength.shift)
    cy = (ay + by) / 2 + eye * rng.normal(0, strength.shift)
    half_x, half_y = math.cos(angle) * eye * zoom / 2, math.sin(angle) * eye * zoom / 2
    corners = ((cx - half_x, cy - half_y), (cx + half_x, cy + half_y))
    height, width = sample.pixels.shape[:2]
    if rng.random() < strength.fit:
        corners = framing.fit_corners(corners, height=height, width=width)
    base = _canonical(corners)
    vary = _about_centre(
        0.0,
        rng.normal(0, strength.shear / 2),
        math.exp(rng.normal(0, 0.06)),
        math.exp(rng.normal(0, 0.06)),
        mirrored=rng.random() < 0.5,
    )
    return _chained(vary, base)


def _canonical(corners: crops.Corners) -> NDArray[np.float64]:
    """Return the matrix of :func:`engine.eyes.crops.canonical_crop` without sampling pixels."""
    (ax, ay), (bx, by) = corners
    eye = max(math.hypot(bx - ax, by - ay), 1e-3)
    along = np.array([bx - ax, by - ay]) / eye
    down = np.array([-along[1], along[0]])
    scale_x = crops.OUT_WIDTH / (eye * (1 + 2 * crops.PADDING_X / 100))
    scale_y = crops.OUT_HEIGHT / (eye * (crops.EYE_ASPECT + 2 * crops.PADDING_Y / 100))
    linear = np.stack([along * scale_x, down * scale_y])
    middle = np.array([(ax + bx) / 2, (ay + by) / 2])
    offset = np.array(_SIZE) / 2 - linear @ middle
    return np.hstack([linear, offset[:, None]])


def _about_centre(
    angle: float, shear: float, stretch_x: float, stretch_y: float, *, mirrored: bool = False
) -> NDArray[np.float64]:
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = turn @ np.array([[stretch_x, shear], [0.0, stretch_y]])
    if mirrored:
        linear = linear @ np.diag([-1.0, 1.0])
    centre = np.array(_SIZE) / 2
    return np.hstack([linear, (centre - linear @ centre)[:, None]])


def _edit_matrix(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return what an offline augmentation tool does: turn, shear, shift."""
    matrix = _about_centre(
        math.radians(rng.uniform(-20, 20)),
        rng.uniform(-0.2, 0.2),
        rng.uniform(0.8, 1.15),
        rng.uniform(0.8, 1.15),
    )
    matrix[:, 2] += rng.uniform(-0.1, 0.1, 2) * np.array(_SIZE)
    return matrix


def _chained(second: NDArray[np.float64], first: NDArray[np.float64]) -> NDArray[np.float64]:
    last_row = np.array([[0.0, 0.0, 1.0]])
    chained: NDArray[np.float64] = second @ np.vstack([first, last_row])
    return chained


def _border(rng: np.random.Generator, *, usual: float) -> int:
    if rng.random() < usual:
        return cv2.BORDER_REPLICATE
    choices = (cv2.BORDER_CONSTANT, cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT, cv2.BORDER_WRAP)
    return int(choices[rng.integers(len(choices))])


def _warped(
    pixels: NDArray[np.uint8],
    regions: NDArray[np.uint8] | None,
    matrix: NDArray[np.float64],
    border: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    matrix = matrix.copy()
    matrix[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
    level = (0, 255, int(rng.integers(256)))[rng.integers(3)]
    fill = (
        (level, level, level) if rng.random() < 0.8 else tuple(map(int, rng.integers(256, size=3)))
    )
    warped = cv2.warpAffine(
        np.ascontiguousarray(pixels), matrix, _SIZE, borderMode=border, borderValue=fill
    ).astype(np.uint8, copy=False)
    if regions is None:
        return warped, None
    mapped = cv2.warpAffine(np.ascontiguousarray(regions), matrix, _SIZE, flags=cv2.INTER_NEAREST)
    return warped, mapped.astype(np.uint8, copy=False)


def _coloured(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Vary exposure, contrast, white balance and saturation; sometimes drop colour shading."""
    values = pixels.astype(np.float32) / 255
    if rng.random() < 0.8:
        values = values ** math.exp(rng.normal(0, 0.25))
    if rng.random() < 0.7:  # white balance: warm to cold, and a little green to magenta
        warmth = rng.normal(0, 0.08)
        gains = np.array([1 + warmth, 1 + rng.normal(0, 0.03), 1 - warmth], np.float32)
        values = values * gains
    if rng.random() < 0.7:
        grey = values.mean(axis=2, keepdims=True)
        values = grey + (values - grey) * math.exp(rng.normal(0, 0.2))
    if rng.random() < 0.7:
        mean = values.mean()
        values = mean + (values - mean) * math.exp(rng.normal(0, 0.18)) + rng.normal(0, 0.05)
    if rng.random() < 0.35:  # light from one side
        angle = rng.uniform(0, 2 * math.pi)
        rows, columns = np.mgrid[-1 : 1 : _SIZE[1] * 1j, -1 : 1 : _SIZE[0] * 1j].astype(np.float32)
        slope = math.cos(angle) * columns + math.sin(angle) * rows
        values = values * (1 + rng.uniform(0, 0.4) * slope[..., None])
    return np.clip(values * 255 + 0.5, 0, 255).astype(np.uint8)


def _degraded(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Blur, small size, noise and JPEG, each at random: any camera, any upload."""
    if rng.random() < 0.35:
        pixels = cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.3, 1.8)).astype(np.uint8)
    if rng.random() < 0.15:
        length = int(rng.integers(3, 8))
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1 / length
        kernel = kernel if rng.random() < 0.6 else kernel.T
        pixels = cv2.filter2D(pixels, -1, kernel).astype(np.uint8)
    if rng.random() < 0.2:  # sharpening, as phones and web pages do
        soft = cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.8, 2))
        amount = rng.uniform(0.3, 1.2)
        pixels = cv2.addWeighted(pixels, 1 + amount, soft, -amount, 0).astype(np.uint8)
    small = rng.random() < 0.45
    if small:
        factor = math.exp(rng.uniform(math.log(0.28), 0))
        size = (max(int(_SIZE[0] * factor), 24), max(int(_SIZE[1] * factor), 20))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    if rng.random() < 0.35:
        noise = rng.standard_normal(pixels.shape, dtype=np.float32) * rng.uniform(1, 9)
        pixels = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.55:
        pixels = _jpeg(pixels, int(rng.integers(25, 96)))
    if small:
        way = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)[
            rng.choice(3, p=(0.6, 0.3, 0.1))
        ]
        pixels = cv2.resize(pixels, _SIZE, interpolation=way).astype(np.uint8)
    return pixels


def _jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None  # we have just written it
    return decoded.astype(np.uint8, copy=False)


def _marked(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Add a reflection, a caption, or cover a part: none of them is a disease."""
    pixels = pixels.copy()
    width, height = _SIZE
    kind = rng.integers(3)
    if kind == 0:  # reflections of lamps and windows near the middle
        for _ in range(int(rng.integers(1, 4))):
            centre = (int(rng.normal(width / 2, 18)), int(rng.normal(height / 2, 12)))
            axes = (int(rng.integers(1, 7)), int(rng.integers(1, 7)))
            cv2.ellipse(
                pixels, centre, axes, float(rng.uniform(0, 180)), 0, 360, (255, 255, 255), -1
            )
    elif kind == 1:
        text = "".join(chr(int(c)) for c in rng.integers(65, 122, int(rng.integers(3, 14))))
        place = (
            int(rng.integers(-20, width - 20)),
            int(rng.choice([8, 14, height - 8, height - 3])),
        )
        shade = int(rng.choice([0, 255, 200]))
        cv2.putText(
            pixels, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.35, (shade,) * 3, 1, cv2.LINE_AA
        )
    else:
        x, y = int(rng.integers(0, width - 10)), int(rng.integers(0, height - 10))
        w, h = int(rng.integers(6, 36)), int(rng.integers(6, 28))
        pixels[y : y + h, x : x + w] = (
            rng.integers(0, 256, 3) if rng.random() < 0.5 else pixels.mean()
        )
    return pixels
