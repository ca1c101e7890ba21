"""Scenes without a round middle: skin, mouths, fur, landscapes, pages, codes, slices of a body.

Every function returns planes ``(3, H, W) float32`` in 0..1.
"""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

from engine.eyes.rendered.noise import Colour, Field, blend, cloud, fractal, gaussian, smoothstep
from engine.eyes.rendered.traits import sample_skin

__all__ = [
    "body_slice",
    "code",
    "colour",
    "ear",
    "fur",
    "gradient",
    "landscape",
    "mouth",
    "nostrils",
    "plane_of",
    "shapes",
    "skin",
    "text",
    "texture",
]


def colour(rng: np.random.Generator, *, dark: bool = False) -> Colour:
    """Return any colour, or a dark one."""
    value = rng.uniform(0.02, 0.3) if dark else rng.uniform(0.15, 1)
    red, green, blue = colorsys.hsv_to_rgb(rng.uniform(), rng.uniform() ** 1.3, value)
    return red, green, blue


def plane_of(value: Colour, size: tuple[int, int]) -> Field:
    """Return one colour everywhere."""
    planes = np.empty((3, *size), np.float32)
    planes[:] = np.array(value, np.float32)[:, None, None]
    return planes


def _axes(size: tuple[int, int]) -> tuple[Field, Field]:
    """Return x and y in -1..1, each (H, W)."""
    y, x = np.meshgrid(
        np.linspace(-1, 1, size[0], dtype=np.float32),
        np.linspace(-1, 1, size[1], dtype=np.float32),
        indexing="ij",
    )
    return x, y


def skin(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw skin without an eye: pores, folds, sometimes a mole or a wound."""
    look = sample_skin(rng)
    planes = plane_of(look.tone, size)
    x, y = _axes(size)
    shade = 1 + np.float32(rng.normal(0, 0.2)) * x + np.float32(rng.normal(0, 0.2)) * y
    shade += np.float32(0.06) * fractal(rng, size, size[1] / 3)
    shade += np.float32(0.03 * look.pores) * cloud(rng, size, 2.0)
    for _ in range(int(rng.integers(0, 4))):
        slope, bow = rng.normal(0, 0.6), rng.normal(0, 0.5)
        line = y - np.float32(rng.uniform(-1, 1)) - slope * x - bow * x * x
        shade -= np.float32(rng.uniform(0.1, 0.5)) * gaussian(line, 0, rng.uniform(0.01, 0.08))
    planes *= np.clip(shade, 0.1, 1.5)
    for _ in range(int(rng.integers(0, 3))):
        at = rng.uniform(-0.8, 0.8, 2)
        spot = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / np.float32(rng.uniform(0.001, 0.05)))
        tint = (look.tone[0] * 0.7, look.tone[1] * 0.35, look.tone[2] * 0.35)
        blend(planes, (spot * rng.uniform(0.2, 0.9)).astype(np.float32), tint)
    if rng.uniform() < 0.3:
        _put_hair(rng, planes, look.hair, count=int(rng.integers(30, 250)))
    return planes


def _put_hair(rng: np.random.Generator, planes: Field, hair: Colour, *, count: int) -> None:
    size = (planes.shape[1], planes.shape[2])
    canvas = np.zeros(size, np.uint8)
    lean = rng.uniform(0, 2 * np.pi)
    length = rng.uniform(0.05, 0.4) * size[1]
    middle = rng.uniform(0, 1, 2) * (size[1], size[0])
    start = middle + rng.normal(0, 0.3, (count, 2)) * (size[1], size[0] * rng.uniform(0.2, 1))
    turn = lean + rng.normal(0, 0.3, count)
    s = np.linspace(0, 1, 5)
    bend = turn[:, None] + rng.normal(0, 0.4, (count, 1)) * s
    steps = np.stack([np.cos(bend), np.sin(bend)], axis=-1) * length / 4
    paths = np.rint(start[:, None, :] + np.cumsum(steps, axis=1)).astype(np.int32)
    cv2.polylines(canvas, list(paths), False, 220, 1, cv2.LINE_AA)
    blend(planes, canvas.astype(np.float32) / np.float32(255), hair)


def mouth(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw lips, closed or open over teeth: an almond like an eye's."""
    planes = skin(rng, size)
    x, y = _axes(size)
    x, y = x / np.float32(rng.uniform(0.5, 0.9)), y / np.float32(rng.uniform(0.5, 0.9))
    arch = np.clip(1 - x * x, 0, 1)
    gap = np.float32(rng.uniform(-0.05, 0.35)) * arch
    bow = 0.07 * np.exp(-((x / 0.12) ** 2))
    lips = smoothstep(np.abs(y) - (gap + (0.35 - bow) * np.sqrt(arch)), 0.03, -0.03) * (arch > 0)
    red = (rng.uniform(0.5, 0.85), rng.uniform(0.15, 0.45), rng.uniform(0.2, 0.5))
    blend(planes, lips, (float(red[0]), float(red[1]), float(red[2])))
    inner = smoothstep(np.abs(y) - gap, 0.02, -0.02) * (arch > 0.02)
    blend(planes, inner, (0.12, 0.03, 0.04))
    if rng.uniform() < 0.6:
        teeth = smoothstep(np.cos(x * np.float32(rng.uniform(25, 40))), -0.97, -0.85)
        row = smoothstep(np.abs(y + 0.3 * gap) - 0.6 * gap, 0.02, -0.02) * (arch > 0.05)
        blend(planes, row * teeth, (0.92, 0.9, 0.82))
    dark = gaussian(y - gap * 0, 0, 0.02) * (np.abs(x) < 1)
    blend(planes, dark * np.float32(0.6), (0.2, 0.05, 0.06))
    return planes


def nostrils(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw a nose from below: two dark ovals in skin."""
    planes = skin(rng, size)
    x, y = _axes(size)
    apart, tall = rng.uniform(0.2, 0.45), rng.uniform(0.08, 0.3)
    round_tip = np.exp(-(x * x + (y + 0.2) ** 2) / np.float32(0.3))
    planes *= 0.8 + 0.3 * round_tip
    for sign in (-1, 1):
        dx, dy = (x - sign * apart) / np.float32(0.2), (y - 0.1 - 0.3 * sign * x) / np.float32(tall)
        hole = smoothstep((dx * dx + dy * dy).astype(np.float32), 1.3, 0.5)
        blend(planes, hole * 0.95, (0.08, 0.03, 0.03))
    return planes


def ear(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw curved folds around a dark hole."""
    planes = skin(rng, size)
    x, y = _axes(size)
    x, y = x - np.float32(rng.normal(0, 0.1)), y * np.float32(0.7)
    shade = np.ones(size, np.float32)
    for radius in rng.uniform(0.15, 0.8, int(rng.integers(2, 6))):
        bow = np.hypot(x - rng.normal(0, 0.06), y - rng.normal(0, 0.06)) - np.float32(radius)
        shade -= np.float32(rng.uniform(0.15, 0.5)) * gaussian(bow, 0, 0.03)
        shade += np.float32(rng.uniform(0, 0.2)) * gaussian(bow, 0.08, 0.04)
    planes *= np.clip(shade, 0.1, 1.4)
    hole = smoothstep(np.hypot(x, y), rng.uniform(0.1, 0.25), 0.05)
    blend(planes, hole * 0.9, (0.1, 0.04, 0.03))
    return planes


def fur(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw fur or hair: fine strokes of one direction in patches."""
    planes = plane_of(colour(rng), size)
    planes *= 1 + np.float32(0.3) * fractal(rng, size, size[1] / 4)
    grain = rng.standard_normal(size, dtype=np.float32)
    length = int(rng.integers(7, 21))
    kernel = np.zeros((length, length), np.float32)
    lean = rng.uniform(-1, 1)
    for k in range(length):
        column = round(length / 2 + lean * (k - length / 2))
        kernel[k, min(max(column, 0), length - 1)] = 1 / np.sqrt(length)
    planes *= np.clip(1 + np.float32(0.3) * cv2.filter2D(grain, -1, kernel), 0.1, 2)
    _put_hair(rng, planes, colour(rng), count=int(rng.integers(0, 300)))
    return np.clip(planes, 0, 1)


def landscape(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw sky over hills, sometimes with houses and a sun."""
    x, y = _axes(size)
    sky = (rng.uniform(0.3, 0.9), rng.uniform(0.5, 0.9), rng.uniform(0.6, 1))
    planes = plane_of(sky, size) * (1 - 0.2 * y)
    clouds = np.clip(fractal(rng, size, size[1] / 4), 0, 1)
    blend(planes, clouds * 0.7, (0.95, 0.95, 0.97))
    if rng.uniform() < 0.4:
        at = rng.uniform(-0.8, 0.2, 2)
        sun = smoothstep(np.hypot(x - at[0], y - at[1]), rng.uniform(0.08, 0.3), 0.05)
        blend(planes, sun.astype(np.float32), (1.0, 0.95, 0.7))
    for level in np.sort(rng.uniform(-0.2, 0.9, int(rng.integers(1, 5)))):
        ridge = np.float32(0.25) * fractal(rng, (2, size[1]), size[1] / 3)[0]
        land = smoothstep(y - np.float32(level) - ridge[None, :], -0.01, 0.01)
        green = (rng.uniform(0.1, 0.6), rng.uniform(0.2, 0.6), rng.uniform(0.05, 0.4))
        ground = plane_of(green, size) * (1 + 0.25 * fractal(rng, size, size[1] / 20))
        planes += land * (ground - planes)
    if rng.uniform() < 0.4:
        canvas = np.zeros(size, np.uint8)
        for _ in range(int(rng.integers(2, 14))):
            w, h = rng.uniform(0.05, 0.25) * size[1], rng.uniform(0.1, 0.5) * size[0]
            left, top = rng.uniform(0, size[1]), rng.uniform(0.4, 0.9) * size[0]
            corners = ((int(left), int(top - h / 2)), (int(left + w), int(top + h)))
            cv2.rectangle(canvas, corners[0], corners[1], int(rng.integers(90, 255)), -1)
        blend(planes, canvas.astype(np.float32) / np.float32(255), colour(rng))
    return planes


def text(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw a page, a screen or a sign."""
    paper = colour(rng) if rng.uniform() < 0.4 else (0.97, 0.96, 0.94)
    ink = colour(rng, dark=True) if rng.uniform() < 0.8 else (0.95, 0.95, 0.95)
    canvas = np.zeros(size, np.uint8)
    scale = rng.uniform(0.25, 1.4)
    step = int(26 * scale) + 4
    for y in range(step, size[0] + step, step):
        letters = "".join(chr(int(c)) for c in rng.integers(33, 123, 60))
        x = int(rng.uniform(-10, 20))
        cv2.putText(canvas, letters, (x, y), int(rng.integers(0, 4)), scale, 255, 1, cv2.LINE_AA)
    planes = plane_of(paper, size)
    blend(planes, canvas.astype(np.float32) / np.float32(255), ink)
    return planes


def code(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw QR-like codes, bar codes, chess boards."""
    planes = plane_of((0.96, 0.96, 0.95), size)
    cells = int(rng.integers(8, 40))
    rows = 1 if rng.uniform() < 0.25 else cells
    grid = (rng.uniform(0, 1, (rows, cells)) < 0.5).astype(np.float32)
    if rng.uniform() < 0.2:
        grid = (np.indices((rows, cells)).sum(axis=0) % 2).astype(np.float32)
    elif rows > 14:
        mark = np.pad(np.pad(np.ones((3, 3), np.float32), 1), 1, constant_values=1)
        grid[:7, :7], grid[:7, -7:], grid[-7:, :7] = mark, mark, mark
    wide = cv2.resize(grid, (size[1], size[0]), interpolation=cv2.INTER_NEAREST)
    turn = cv2.getRotationMatrix2D((size[1] / 2, size[0] / 2), rng.normal(0, 12), 0.8)
    area = np.asarray(cv2.warpAffine(wide, turn, (size[1], size[0])), np.float32)
    blend(planes, area, colour(rng, dark=True))
    return planes


def texture(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw wood, cloth, stone, leaves, pure noise."""
    first, second = colour(rng), colour(rng)
    x, y = _axes(size)
    field = fractal(rng, size, size[1] * rng.uniform(0.02, 0.4), octaves=4)
    kind = rng.uniform()
    if kind < 0.35:
        field = np.sin((x * rng.uniform(2, 40) + y * rng.uniform(0, 40)) + 2 * field)
    elif kind < 0.5:
        field = np.sin(x * rng.uniform(10, 90)) * np.sin(y * rng.uniform(10, 90)) + 0.3 * field
    elif kind < 0.6:
        field = rng.standard_normal(size, dtype=np.float32)
    planes = plane_of(first, size)
    blend(planes, np.clip(0.5 + 0.5 * field, 0, 1).astype(np.float32), second)
    return planes


def gradient(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw a plain or graded wall, a black or a white picture, an out-of-focus nothing."""
    x, y = _axes(size)
    planes = plane_of(colour(rng), size)
    if rng.uniform() < 0.8:
        turn = rng.uniform(0, 2 * np.pi)
        way = np.clip(0.5 + 0.5 * (x * np.cos(turn) + y * np.sin(turn)), 0, 1)
        blend(planes, way.astype(np.float32), colour(rng))
    if rng.uniform() < 0.5:
        blobs = np.clip(cloud(rng, size, size[1] * rng.uniform(0.15, 0.5)), 0, 1)
        blend(planes, blobs, colour(rng))
    return planes


def shapes(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw charts, toys, furniture: polygons and boxes of plain colours."""
    canvas = np.empty((*size, 3), np.float32)
    canvas[:] = colour(rng)
    for _ in range(int(rng.integers(2, 14))):
        points = (rng.uniform(-0.1, 1.1, 2) + rng.normal(0, 0.25, (int(rng.integers(3, 7)), 2))) * (
            size[1],
            size[0],
        )
        cv2.fillPoly(canvas, [cv2.convexHull(points.astype(np.int32))], colour(rng), cv2.LINE_AA)
    return np.ascontiguousarray(canvas.transpose(2, 0, 1))


def body_slice(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw a grey slice like one of a CT: ovals in ovals on black."""
    x, y = _axes(size)
    grey = np.zeros(size, np.float32)
    body = (x / rng.uniform(0.6, 0.95)) ** 2 + (y / rng.uniform(0.5, 0.9)) ** 2
    grey += smoothstep(body.astype(np.float32), 1.05, 0.95) * np.float32(rng.uniform(0.3, 0.6))
    if rng.uniform() < 0.5:
        grey += gaussian(body.astype(np.float32), 0.9, 0.06) * np.float32(0.5)
    for _ in range(int(rng.integers(2, 9))):
        at, reach = rng.uniform(-0.5, 0.5, 2), rng.uniform(0.05, 0.4, 2)
        organ = ((x - at[0]) / reach[0]) ** 2 + ((y - at[1]) / reach[1]) ** 2
        mask = smoothstep(organ.astype(np.float32), 1.1, 0.9)
        grey += mask * (np.float32(rng.uniform(0, 1)) - grey)
    grey += np.float32(0.03) * rng.standard_normal(size, dtype=np.float32)
    tinted = 1 + rng.normal(0, 0.02, 3)
    return np.stack([grey * np.float32(tint) for tint in tinted])
