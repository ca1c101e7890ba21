"""Pictures of bright discs on dark ground, whose masks follow from how they were drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.training.examples import Example, Loaded, TrainingSet

__all__ = ["disc_example", "disc_set"]


def disc_picture(seed: int, side_px: int = 64) -> Loaded:
    """Return three discs of radius 8 and their mask: 1 inside, 0 outside."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side_px, :side_px]
    mask: NDArray[np.uint8] = np.zeros((side_px, side_px), np.uint8)
    for _ in range(3):
        row, column = rng.integers(10, side_px - 10, 2)
        mask[(rows - row) ** 2 + (columns - column) ** 2 < 64] = 1
    noisy = 60 + 120 * mask[..., None] + rng.normal(0, 12, (side_px, side_px, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8), mask


def disc_example(seed: int, **about: object) -> Example:
    """Return one picture of discs as an example."""
    return Example(name=f"disc {seed}", load=lambda: disc_picture(seed), **about)  # type: ignore[arg-type]  # fields of an example


def disc_set(count: int = 12, **about: object) -> TrainingSet:
    """Return so many pictures of discs."""
    examples = tuple(disc_example(seed, **about) for seed in range(count))
    return TrainingSet(name="discs", classes=("background", "disc"), examples=examples)
