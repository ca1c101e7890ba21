"""How good a network is on patients that it never saw; drawn ones, so an upper bound at best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from engine.spine.embedded.recipe.samples import varied
from engine.spine.embedded.recipe.scenes import Scene, draw_scene
from engine.spine.embedded.targets import (
    CLASSES,
    GRID_MM,
    LEVELS,
    REGIONS,
    SIDE_MULTIPLE,
    normalised,
)
from engine.spine.vertebrae import VERSE_CODES

__all__ = ["Answer", "hits_of", "measure", "padded", "tops_of"]

Answer = Callable[[NDArray[np.float32]], Mapping[str, NDArray[np.float32]]]
"""``(1, 1, I, J, K)`` normalised → outputs by role, each ``(1, channels, I, J, K)``."""

_HELD_OUT: Final = 77  # first number of the seeds, which training never uses
_REACH_MM: Final = 15.0
_LOWEST: Final = 0.3
_APART_MM: Final = 8.0
_PLACES: Final = {code: LEVELS[name] for code, name in VERSE_CODES.items()}


def measure(answer: Answer, *, count: int) -> dict[str, float]:
    """Measure ``count`` held-out patients, every other one varied as in training.

    Returns recall and precision of body centres within 15 mm (tops of the heat map above 0.3),
    their mean distance in mm, overlap (Dice) of each class over all patients, share of body voxels
    whose region is right, and mean error of the level in vertebrae.
    """
    found, made, true = 0, 0, 0
    distances: list[float] = []
    shared, either = np.zeros(len(CLASSES)), np.zeros(len(CLASSES))
    regions: list[NDArray[np.bool_]] = []
    levels: list[NDArray[np.float64]] = []
    for number in range(count):
        scene = draw_scene(rng := np.random.default_rng((_HELD_OUT, number)))
        hu = scene.hu if number % 2 == 0 else varied(rng, scene.hu, scene.classes)
        maps = {role: value[0] for role, value in answer(padded(normalised(hu))).items()}
        i, j, k = hu.shape
        maps = {role: value[:, :i, :j, :k] for role, value in maps.items()}
        tops = tops_of(maps["heat"][0])
        near = hits_of(tops * GRID_MM, scene.centres * GRID_MM)
        found, made, true = found + len(near), made + len(tops), true + len(scene.centres)
        distances += near
        guess = maps["classes"].argmax(axis=0)
        for index in range(len(CLASSES)):
            a, b = guess == index, scene.classes == index
            shared[index] += 2 * np.count_nonzero(a & b)
            either[index] += np.count_nonzero(a) + np.count_nonzero(b)
        right, off = _naming(maps, scene)
        regions.append(right)
        levels.append(off)
    return {
        "patients": float(count),
        "recall": found / max(true, 1),
        "precision": found / max(made, 1),
        "distance_mm": float(np.mean(distances)) if distances else 0.0,
        **{f"dice_{name}": shared[n] / max(either[n], 1) for n, name in enumerate(CLASSES) if n},
        "region_right": _mean(regions),
        "level_error": _mean(levels),
    }


def padded(volume: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``(1, 1, I, J, K)`` with air behind each axis up to the next multiple of 16.

    >>> padded(np.zeros((3, 16, 17), np.float32)).shape
    (1, 1, 16, 16, 32)
    """
    behind = [(0, -side % SIDE_MULTIPLE) for side in volume.shape]
    return np.pad(volume, behind, constant_values=-1.0)[None, None]


def tops_of(heat: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the tops of a heat map ``(n, 3)`` in voxels, the highest first, 8 mm apart or more."""
    smooth = ndimage.gaussian_filter(heat, 0.5, mode="nearest")
    is_top = (ndimage.maximum_filter(smooth, size=3) == smooth) & (heat > _LOWEST)
    places = np.argwhere(is_top).astype(float)
    kept: list[NDArray[np.float64]] = []
    for place in places[np.argsort(-heat[is_top])]:
        if all(np.linalg.norm(place - other) * GRID_MM >= _APART_MM for other in kept):
            kept.append(place)
    return np.array(kept).reshape(-1, 3)


def hits_of(
    found_mm: NDArray[np.float64], true_mm: NDArray[np.float64], *, reach_mm: float = _REACH_MM
) -> list[float]:
    """Pair points one to one, nearest first, and return the distances of pairs within reach.

    >>> hits_of(np.array([[0.0, 0, 0], [0, 0, 4]]), np.array([[0.0, 0, 1], [0, 0, 90]]))
    [1.0]
    """
    if not len(found_mm) or not len(true_mm):
        return []
    apart = np.linalg.norm(found_mm[:, None] - true_mm[None], axis=2)
    near: list[float] = []
    while (least := float(apart.min())) <= reach_mm:
        row, column = np.unravel_index(int(apart.argmin()), apart.shape)
        near.append(least)
        apart[row], apart[:, column] = np.inf, np.inf
    return near


def _naming(
    maps: Mapping[str, NDArray[np.float32]], scene: Scene
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return for each body voxel whether its region is right, and how far off its level is."""
    inside = scene.codes > 0
    codes = scene.codes[inside]
    region = np.array([REGIONS.index(VERSE_CODES[int(code)][0]) for code in codes], int)
    place = np.array([_PLACES[int(code)] for code in codes])
    return (
        maps["region"][:, inside].argmax(axis=0) == region,
        np.abs(maps["level"][0][inside] - place),
    )


def _mean(parts: list[NDArray[np.bool_]] | list[NDArray[np.float64]]) -> float:
    joined = np.concatenate([np.asarray(part, float) for part in parts]) if parts else np.zeros(0)
    return float(joined.mean()) if joined.size else 0.0
