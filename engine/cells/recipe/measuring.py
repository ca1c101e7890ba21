"""How good a cell network is on pictures with complete labels, as its detector answers them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from engine.cells.names import CLASSES
from engine.cells.network.decoding import Boxes, boxes_of
from engine.cells.network.layout import SIDE_MULTIPLE_PX, normalised
from engine.cells.recipe.architecture import CellNetwork
from engine.cells.recipe.samples import Sample
from engine.cells.recipe.scoring import average_precision, best_threshold, matched

__all__ = ["answers_of", "figures_of", "thresholds_of"]

_LOWEST = 0.05
Answer = Callable[[NDArray[np.uint8]], Boxes]


@torch.no_grad()
def answers_of(network: CellNetwork, samples: Sequence[Sample]) -> list[Boxes]:
    """Return the boxes of each picture at its own size, down to a score of 0.05."""
    return [_answer(network, sample.picture) for sample in samples]


def _answer(network: CellNetwork, picture: NDArray[np.uint8]) -> Boxes:
    down, right = (-n % SIDE_MULTIPLE_PX for n in picture.shape[:2])
    padded = np.pad(picture, ((0, down), (0, right), (0, 0)), mode="edge")
    logits, sides = network(torch.from_numpy(normalised(padded))[None])
    heat = torch.sigmoid(logits)[0].numpy()
    return boxes_of(heat, sides[0].numpy(), threshold=_LOWEST)


def figures_of(answers: Sequence[Boxes], samples: Sequence[Sample]) -> dict[str, object]:
    """Return average precision at IoU 0.5 for each class, their mean, and what was counted."""
    truths = [(sample.boxes, sample.classes) for sample in samples]
    scored = [matched(answers, truths, kind) for kind in range(len(CLASSES))]
    each = {name: average_precision(one) for name, one in zip(CLASSES, scored, strict=True)}
    return {
        "map50": round(float(np.mean(list(each.values()))), 4),
        "ap50": {name: round(value, 4) for name, value in each.items()},
        "cells": {name: one.wanted for name, one in zip(CLASSES, scored, strict=True)},
        "pictures": len(samples),
    }


def thresholds_of(answers: Sequence[Boxes], samples: Sequence[Sample]) -> dict[str, float]:
    """Return for each class the score from which on F1 is highest on these pictures."""
    truths = [(sample.boxes, sample.classes) for sample in samples]
    return {
        name: round(best_threshold(matched(answers, truths, kind))[0], 3)
        for kind, name in enumerate(CLASSES)
    }
