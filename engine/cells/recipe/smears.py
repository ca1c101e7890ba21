"""Drawn blood smears with exact boxes: stains, cameras and crowds that no photograph taught.

They do not look real; they widen what the network has seen: hue and depth of the stain, size of
the cells in pixels, pale or dark middles, crowds, debris, uneven light.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.cells.recipe.samples import Sample

__all__ = ["drawn_smear"]

_Picture = NDArray[np.float32]
_FINE: Final = 2  # cells are drawn at twice the size, so that borders are smooth


def drawn_smear(rng: np.random.Generator, *, side_px: int = 384) -> Sample:
    """Draw one square picture with 0 to about 80 cells."""
    side = side_px * _FINE
    paper = _paper(rng, side)
    diameter = rng.uniform(24, 120) * _FINE
    red, purple = _stain(rng, "red"), _stain(rng, "purple")
    crowd = rng.uniform(0.05, 0.75)
    count = int(crowd * (side / diameter) ** 2 * 1.1)
    pallor = rng.uniform(0.0, 0.8)
    rows = [(1.0, *_red_cell(rng, paper, diameter, red, pallor)) for _ in range(count)]
    whites, platelets = (int(rng.integers(0, most)) for most in (4, 9))
    rows += [(0.0, *_white_cell(rng, paper, diameter, purple)) for _ in range(whites)]
    rows += [(2.0, *_platelet(rng, paper, diameter, purple)) for _ in range(platelets)]
    _debris(rng, paper, diameter)
    small = cv2.resize(paper, (side_px, side_px), interpolation=cv2.INTER_AREA)
    table = np.array(rows, dtype=np.float32).reshape(-1, 5)
    table[:, 1:] /= _FINE
    boxes, kept = _inside(table[:, 1:], side_px)
    return Sample(
        name="drawn",
        picture=np.clip(small * 255, 0, 255).astype(np.uint8),
        boxes=boxes,
        classes=table[kept, 0].astype(np.int64),
        complete=(True, True, True),
    )


def _inside(boxes: NDArray[np.float32], side: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    cut = np.clip(boxes, 0, side)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    seen = np.prod(cut[:, 2:] - cut[:, :2], axis=1)
    kept = seen > 0.3 * area
    return cut[kept].astype(np.float32), kept


def _paper(rng: np.random.Generator, side: int) -> _Picture:
    """Return the empty slide: bright, tinted, lit unevenly."""
    tint = np.array([1.0, 1.0, 1.0]) - rng.uniform(0, 0.22, 3) * rng.uniform(0, 1)
    rough = rng.uniform(0.9, 1.0, (3, 3)).astype(np.float32)
    light = cv2.resize(rough, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(light[..., None] * tint.astype(np.float32))


def _stain(rng: np.random.Generator, kind: str) -> NDArray[np.float32]:
    """Return what a full layer lets through, for each channel."""
    if kind == "red":
        base = rng.uniform([0.62, 0.42, 0.40], [0.97, 0.78, 0.82])
    else:
        base = rng.uniform([0.22, 0.12, 0.38], [0.60, 0.42, 0.78])
    if rng.random() < 0.15:
        base = np.full(3, base.mean())
    return np.asarray(base, dtype=np.float32)


def _blob(
    rng: np.random.Generator, size: float, *, rough: float, stretch: float
) -> tuple[NDArray[np.float32], float]:
    """Return a filled shape in 0..1 and half the side of its square."""
    half = max(size * 0.75, 3.0)
    n = int(2 * half) + 1
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    waves = sum(
        rng.normal(0, rough / k) * np.cos(k * angles + rng.uniform(0, 7)) for k in (2, 3, 5)
    )
    radius = size / 2 * (1 + waves)
    turn, flat = rng.uniform(0, np.pi), 1 - rng.uniform(0, stretch)
    x, y = radius * np.cos(angles), radius * np.sin(angles) * flat
    points = np.stack(
        [x * np.cos(turn) - y * np.sin(turn) + half, x * np.sin(turn) + y * np.cos(turn) + half], 1
    )
    shape = np.zeros((n, n), np.float32)
    cv2.fillPoly(shape, [np.round(points * 8).astype(np.int32)], 1.0, cv2.LINE_AA, 3)
    return shape, half


def _lay(
    paper: _Picture, layer: NDArray[np.float32], through: NDArray[np.float32], at: _At
) -> None:
    """Darken ``paper`` under a layer of thickness 0..1 centred at ``at``."""
    half_y, half_x = layer.shape[0] // 2, layer.shape[1] // 2
    top, left = int(at[1]) - half_y, int(at[0]) - half_x
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + layer.shape[0], paper.shape[0]), min(left + layer.shape[1], paper.shape[1])
    if y1 <= y0 or x1 <= x0:
        return
    part = layer[y0 - top : y1 - top, x0 - left : x1 - left, None]
    paper[y0:y1, x0:x1] *= through**part


_At = tuple[float, float]


def _box_of(shape: NDArray[np.float32], at: _At) -> tuple[float, float, float, float]:
    ys, xs = np.nonzero(shape > 0.4)
    if len(xs) == 0:
        return at[0], at[1], at[0], at[1]
    left, top = int(at[0]) - shape.shape[1] // 2, int(at[1]) - shape.shape[0] // 2
    return (
        float(left + xs.min()),
        float(top + ys.min()),
        float(left + xs.max() + 1),
        float(top + ys.max() + 1),
    )


def _place(rng: np.random.Generator, paper: _Picture) -> _At:
    side = paper.shape[0]
    return float(rng.uniform(-0.05, 1.05) * side), float(rng.uniform(-0.05, 1.05) * side)


def _red_cell(
    rng: np.random.Generator,
    paper: _Picture,
    diameter: float,
    through: NDArray[np.float32],
    pallor: float,
) -> tuple[float, float, float, float]:
    size = diameter * rng.uniform(0.82, 1.18)
    shape, _ = _blob(rng, size, rough=0.03, stretch=0.3 if rng.random() < 0.3 else 0.08)
    blurred = cv2.GaussianBlur(shape, (0, 0), size * rng.uniform(0.12, 0.2))
    thickness = shape * (1 - pallor * np.clip((blurred - 0.55) * 2.2, 0, 1))
    at = _place(rng, paper)
    _lay(paper, thickness * rng.uniform(0.8, 1.15), through, at)
    return _box_of(shape, at)


def _white_cell(
    rng: np.random.Generator, paper: _Picture, diameter: float, through: NDArray[np.float32]
) -> tuple[float, float, float, float]:
    size = diameter * rng.uniform(1.1, 2.3)
    shape, half = _blob(rng, size, rough=0.05, stretch=0.2)
    at = _place(rng, paper)
    pale = np.asarray(through ** rng.uniform(0.15, 0.45), dtype=np.float32)
    _lay(paper, shape * rng.uniform(0.5, 1.0), pale, at)
    n = shape.shape[0]
    nucleus = np.zeros_like(shape)
    share = rng.uniform(0.45, 0.9)
    lobes = 1 if share > 0.7 else int(rng.integers(1, 5))
    for _ in range(lobes):
        lobe, _ = _blob(rng, size * share / lobes**0.45, rough=0.06, stretch=0.35)
        away = size * (0.06 if lobes == 1 else 0.2)
        dx, dy = rng.normal(0, away / 1.5, 2)
        _paste_max(nucleus, lobe, (half + dx, half + dy))
    grain = cv2.GaussianBlur(rng.normal(0, 1, (n, n)).astype(np.float32), (0, 0), max(size / 30, 1))
    nucleus *= 1 + 1.2 * grain * rng.uniform(0, 0.6)
    _lay(paper, nucleus * shape, through, at)
    return _box_of(shape, at)


def _paste_max(under: NDArray[np.float32], over: NDArray[np.float32], at: _At) -> None:
    top, left = int(at[1]) - over.shape[0] // 2, int(at[0]) - over.shape[1] // 2
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + over.shape[0], under.shape[0]), min(left + over.shape[1], under.shape[1])
    if y1 > y0 and x1 > x0:
        part = over[y0 - top : y1 - top, x0 - left : x1 - left]
        np.maximum(under[y0:y1, x0:x1], part, out=under[y0:y1, x0:x1])


def _platelet(
    rng: np.random.Generator, paper: _Picture, diameter: float, through: NDArray[np.float32]
) -> tuple[float, float, float, float]:
    shape, _ = _blob(rng, diameter * rng.uniform(0.22, 0.5), rough=0.12, stretch=0.45)
    at = _place(rng, paper)
    _lay(paper, shape * rng.uniform(0.45, 1.0), through, at)
    return _box_of(shape, at)


def _debris(rng: np.random.Generator, paper: _Picture, diameter: float) -> None:
    """Dust, scratches and stain that are no cells."""
    side = paper.shape[0]
    for _ in range(int(rng.integers(0, 6))):
        colour = tuple(float(v) for v in rng.uniform(0.1, 0.9, 3))
        start = tuple(int(v) for v in rng.uniform(0, side, 2))
        if rng.random() < 0.5:
            cv2.circle(paper, start, max(1, int(diameter * rng.uniform(0.01, 0.06))), colour, -1)
        else:
            end = tuple(int(v) for v in rng.uniform(0, side, 2))
            cv2.line(paper, start, end, colour, max(1, int(diameter * 0.02)))
