"""Drawn tissue with a mask that is right by construction: for first steps and for tests.

A slice of bowel as it looks under haematoxylin and eosin, much simplified: glass around it; in the
healthy part round crypts of one size in rows, few nuclei between them; in the unhealthy part bent
crypts of many sizes and a dense crowd of nuclei. Nobody's tissue, and no training for a doctor.
Arrays in (row, col); colours RGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import RequestError
from engine.imaging.masks import BACKGROUND, HEALTHY, NOT_ANNOTATED, UNHEALTHY, Mask

__all__ = ["DrawnTissue", "draw_tissue"]

_Field = NDArray[np.float32]
_AnyField = NDArray[np.floating[Any]]

_GLASS: Final = (244.0, 241.0, 245.0)
_STROMA: Final = (232.0, 186.0, 208.0)
_EPITHELIUM: Final = (198.0, 138.0, 186.0)
_MUCUS: Final = (243.0, 236.0, 243.0)
_NUCLEUS: Final = (92.0, 62.0, 138.0)

_SMALLEST_PX: Final = 64
_LARGEST_PX: Final = 4096
_CRYPT_STEP_PX: Final = 44.0
_NUCLEUS_PX: Final = 2.4
_HEALTHY_NUCLEI, _UNHEALTHY_NUCLEI = 1 / 900, 1 / 110  # per pixel of stroma


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnTissue:
    """A picture ``(H, W, 3) uint8`` and the states of its pixels ``(H, W) uint8``."""

    picture: NDArray[np.uint8]
    mask: Mask


def draw_tissue(
    seed: int,
    *,
    side_px: int = 384,
    unhealthy_share: float = 0.4,
    looked_at_share: float = 0.9,
) -> DrawnTissue:
    """Return a square slice; the same numbers give the same picture.

    Parameters
    ----------
    seed
        Which slice.
    side_px
        Edge in pixels, 64 to 4096.
    unhealthy_share
        Part of the tissue in 0..1 that is unhealthy, met to the pixel but for ties.
    looked_at_share
        Part of all columns in 0..1 that somebody annotated; the rest on the right is 255.

    Raises
    ------
    RequestError
        When a number is outside its range.
    """
    _check(side_px, unhealthy_share, looked_at_share)
    random = np.random.default_rng(seed)
    tissue = _tissue(random, side_px)
    unhealthy = _unhealthy(random, tissue, unhealthy_share)
    canvas = _painted_ground(random, tissue)
    stroma = _draw_crypts(canvas, random, tissue, unhealthy)
    _draw_nuclei(canvas, random, stroma, unhealthy)
    mask = np.where(tissue, np.where(unhealthy, UNHEALTHY, HEALTHY), BACKGROUND).astype(np.uint8)
    mask[:, round(side_px * looked_at_share) :] = NOT_ANNOTATED
    return DrawnTissue(picture=_photographed(canvas, random), mask=mask)


# --- where is what -----------------------------------------------------------------------------


def _smooth(random: np.random.Generator, side: int, *, waves: int, finest: float) -> _Field:
    """Return a smooth field ``(side, side)``: a sum of waves with at most ``finest`` periods."""
    row, col = (np.linspace(0.0, 2.0 * np.pi, side, dtype=np.float32) for _ in range(2))
    field = np.zeros((side, side), np.float32)
    for _ in range(waves):
        up, across = random.uniform(-finest, finest, 2)
        phase, size = random.uniform(0, 2 * np.pi), random.uniform(0.4, 1.0)
        field += np.float32(size) * np.sin(
            np.float32(up) * row[:, np.newaxis] + np.float32(across) * col + np.float32(phase)
        )
    return field / np.float32(waves**0.5)


def _tissue(random: np.random.Generator, side: int) -> NDArray[np.bool_]:
    """Return where tissue is: a lump with a wavy edge that leaves glass around it."""
    axis = np.linspace(-1.0, 1.0, side, dtype=np.float32)
    distance = np.hypot(axis[:, np.newaxis], axis)
    return np.asarray(distance + 0.12 * _smooth(random, side, waves=6, finest=2.5) < 0.86)


def _unhealthy(
    random: np.random.Generator, tissue: NDArray[np.bool_], share: float
) -> NDArray[np.bool_]:
    """Return where tissue is unhealthy: the highest part of a smooth field."""
    field = _smooth(random, tissue.shape[0], waves=5, finest=1.4)
    if share <= 0.0:
        return np.zeros_like(tissue)
    return np.asarray(tissue & (field >= np.quantile(field[tissue], 1.0 - share)))


# --- drawing -----------------------------------------------------------------------------------


def _painted_ground(random: np.random.Generator, tissue: NDArray[np.bool_]) -> _Field:
    grain = 6.0 * _smooth(random, tissue.shape[0], waves=12, finest=14.0)
    ground = np.where(
        tissue[..., np.newaxis], np.array(_STROMA, np.float32), np.array(_GLASS, np.float32)
    )
    ground += (grain * tissue)[..., np.newaxis]
    return ground.astype(np.float32)


def _draw_crypts(
    canvas: _Field,
    random: np.random.Generator,
    tissue: NDArray[np.bool_],
    unhealthy: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Draw the crypts and return where tissue is left between them."""
    stroma = tissue.copy()
    side = tissue.shape[0]
    for row in np.arange(_CRYPT_STEP_PX / 2, side, _CRYPT_STEP_PX):
        for col in np.arange(_CRYPT_STEP_PX / 2, side, _CRYPT_STEP_PX):
            is_sick = bool(unhealthy[int(row), int(col)])
            wander = 9.0 if is_sick else 2.0
            middle = np.array([row, col]) + random.normal(0.0, wander, 2)
            if is_sick and random.random() < 0.3:
                continue  # lost
            _draw_crypt(canvas, stroma, tissue, random, middle, is_sick=is_sick)
    return stroma


def _draw_crypt(
    canvas: _Field,
    stroma: NDArray[np.bool_],
    tissue: NDArray[np.bool_],
    random: np.random.Generator,
    middle: NDArray[np.float64],
    *,
    is_sick: bool,
) -> None:
    """Draw one crypt: mucus inside, a wall of epithelium, nuclei at the foot of the wall."""
    radius = random.uniform(9.0, 19.0) if is_sick else random.normal(16.0, 0.7)
    stretch = random.uniform(1.0, 1.9) if is_sick else random.uniform(1.0, 1.1)
    wobble = 0.22 if is_sick else 0.03
    turn, phase = random.uniform(0.0, np.pi), random.uniform(0.0, 2 * np.pi, 2)
    window = _window(middle, radius * stretch * 1.6, tissue.shape[0])
    if window is None:
        return
    rows, cols = np.mgrid[window].astype(np.float32) - middle[:, np.newaxis, np.newaxis].astype(
        np.float32
    )
    along = np.cos(turn) * rows + np.sin(turn) * cols
    across = np.cos(turn) * cols - np.sin(turn) * rows
    angle = np.arctan2(across, along)
    edge = radius * (
        1.0 + wobble * np.sin(2 * angle + phase[0]) + wobble * np.sin(3 * angle + phase[1])
    )
    part = np.hypot(along / stretch, across) / edge  # 0 in the middle, 1 at the edge
    inside = (part < 1.0) & tissue[window]
    foot = (part > 0.74) & (np.sin(angle * round(radius * 1.1)) > -0.2)
    picture = canvas[window]
    picture[inside] = _EPITHELIUM
    picture[inside & (part < (0.3 if is_sick else 0.48))] = _MUCUS
    picture[inside & foot] = _NUCLEUS
    stroma[window] &= ~inside


def _draw_nuclei(
    canvas: _Field,
    random: np.random.Generator,
    stroma: NDArray[np.bool_],
    unhealthy: NDArray[np.bool_],
) -> None:
    """Sprinkle nuclei between the crypts, many where the tissue is unhealthy."""
    chance = np.where(unhealthy, _UNHEALTHY_NUCLEI, _HEALTHY_NUCLEI) * stroma
    places = np.argwhere(random.random(stroma.shape, np.float32) < chance)
    for middle in places.astype(np.float64):
        window = _window(middle, 2 * _NUCLEUS_PX, stroma.shape[0])
        if window is None:
            continue
        rows, cols = np.mgrid[window].astype(np.float32) - middle[:, np.newaxis, np.newaxis].astype(
            np.float32
        )
        inside = np.hypot(rows, cols) < _NUCLEUS_PX * random.uniform(0.75, 1.25)
        canvas[window][inside & stroma[window]] = _NUCLEUS


def _window(middle: NDArray[np.float64], reach: float, side: int) -> tuple[slice, slice] | None:
    """Return the square around ``middle`` that lies in the picture, ``None`` for none."""
    low = np.clip(np.floor(middle - reach), 0, side).astype(int)
    high = np.clip(np.ceil(middle + reach) + 1, 0, side).astype(int)
    if (high <= low).any():
        return None
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def _photographed(canvas: _Field, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return what a camera makes of it: soft edges, this day's stain, noise."""
    soft: _AnyField = canvas
    for axis in (0, 1):  # binomial weights 1 2 1
        soft = np.roll(soft, 1, axis) / 4 + soft / 2 + np.roll(soft, -1, axis) / 4
    stain = random.normal(1.0, 0.03, 3).astype(np.float32)
    noise = random.normal(0.0, 3.0, canvas.shape[:2]).astype(np.float32)
    levels = np.rint(soft * stain + noise[..., np.newaxis])
    return np.asarray(np.clip(levels, 0, 255), np.uint8)


def _check(side_px: int, *shares: float) -> None:
    if not _SMALLEST_PX <= side_px <= _LARGEST_PX:
        raise RequestError(
            f"'side_px' must be from {_SMALLEST_PX} to {_LARGEST_PX}, but is {side_px}."
        )
    if not all(0.0 <= share <= 1.0 for share in shares):
        raise RequestError("A share must be from 0 to 1.")
