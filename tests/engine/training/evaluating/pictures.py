"""Drawn pictures with a truth, and models whose answers are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Drawn", "answer_by_brightness", "drawn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """As ``engine.training.examples.Example``; counts how often it is loaded."""

    name: str
    group: str
    pair: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    loads: list[int] = field(default_factory=list)

    def load(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return picture and mask."""
        self.loads.append(1)
        return self.pair


def drawn(seed: int, *, group: str = "", wrong_rows: int = 0, ignored_rows: int = 0) -> Any:
    """Return a grey picture, in which class 1 is bright, with rows whose truth is the opposite."""
    random = np.random.default_rng(seed)
    truth = np.zeros((40, 50), np.uint8)
    top, left = random.integers(4, 12, 2)
    truth[top : top + 20, left : left + 25] = 1
    picture = np.where(truth == 1, 200, 50).astype(np.uint8)
    truth[40 - wrong_rows :] = 1 - truth[40 - wrong_rows :]
    truth[:ignored_rows] = 255
    return Drawn(name=f"p{seed}", group=group, pair=(np.stack([picture] * 3, axis=2), truth))


def answer_by_brightness(
    sureness: float, classes: int = 2
) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Return a model that calls bright pixels class 1, with this much between its logits."""

    def answer(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        logits = np.full((classes, *picture.shape[:2]), -sureness, np.float32)
        is_bright = picture[..., 0] > 128
        logits[0][~is_bright] = 0.0
        logits[0][is_bright] = -sureness
        logits[1][is_bright] = 0.0
        return logits

    return answer
