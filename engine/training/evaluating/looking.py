"""One picture: what was answered, against what is true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.segmentation.scoring.distances import hausdorff_95
from engine.segmentation.scoring.objects import match_objects
from engine.segmentation.scoring.overlap import confusion, mean_dice, overlaps
from engine.training.evaluating.results import Case

__all__ = ["case_of", "probabilities_of", "sampled_pixels"]

_STRIP_PX: Final = 1 << 20


def case_of(
    name: str,
    group: str,
    truth: NDArray[np.uint8],
    predicted: NDArray[np.uint8],
    classes: Sequence[str],
) -> tuple[Case, NDArray[np.int64]]:
    """Return the measures of one picture, and its table of confusions ``(K, K)``.

    Raises
    ------
    InputError
        When the masks do not fit each other or the classes.
    """
    table = confusion(truth, predicted, len(classes))
    found = overlaps(table)
    named = list(enumerate(classes))[1:]
    matches = {label: match_objects(truth, predicted, value) for value, label in named}
    case = Case(
        name=name,
        group=group,
        mean_dice=mean_dice(found),
        annotated_px=int(table.sum()),
        values={
            "dice": {label: found[value].dice for value, label in named},
            "iou": {label: found[value].iou for value, label in named},
            "precision": {label: found[value].precision for value, label in named},
            "recall": {label: found[value].recall for value, label in named},
            "object_f1": {label: match.f1 for label, match in matches.items()},
            "hausdorff_95_px": {
                label: hausdorff_95(truth, predicted, value) for value, label in named
            },
        },
        objects={
            label: (match.found, match.invented, match.missed) for label, match in matches.items()
        },
    )
    return case, table


def probabilities_of(logits: NDArray[np.floating], temperature: float) -> NDArray[np.float32]:
    """Return the softmax over the first axis of ``logits / temperature``, ``(K, H, W)``."""
    answer = np.empty(logits.shape, np.float32)
    rows = max(1, _STRIP_PX // max(1, logits.shape[2]))
    for top in range(0, logits.shape[1], rows):
        strip = logits[:, top : top + rows] / np.float32(temperature)
        strip -= strip.max(axis=0)
        np.exp(strip, out=strip)
        answer[:, top : top + rows] = strip / strip.sum(axis=0)
    return answer


def sampled_pixels(
    logits: NDArray[np.floating],
    truth: NDArray[np.uint8],
    most: int,
    random: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return at most ``most`` annotated pixels by chance: logits ``(N, K)``, classes ``(N,)``."""
    known = np.flatnonzero(truth.ravel() != 255)
    if len(known) > most:
        known = random.choice(known, most, replace=False)
    flat = logits.reshape(len(logits), -1)
    return np.asarray(flat[:, known].T, np.float32), truth.ravel()[known].astype(np.int64)
