"""From scores of classes to what is kept: the best class, how unsure it is, probabilities."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError, ModelError

__all__ = ["Deciding"]

_VALUES_AT_ONCE: Final = 1 << 17
"""Scores that are turned into probabilities at once: they stay in the processor's cache."""


@final
class Deciding:
    """Takes rows of scores from the top down and keeps what is decided.

    ``mask``, ``uncertainty`` and, where asked for, ``probabilities`` are those of
    :class:`engine.segmentation.results.Segmentation`.

    Parameters
    ----------
    shape
        classes, height, width.
    temperature
        divides the scores, see :mod:`engine.inference.calibration`.
    probabilities
        keep those of all classes.
    folder
        where the arrays are kept as ``.npy`` files; None: in memory.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        temperature: float,
        probabilities: bool,
        folder: Path | None = None,
    ) -> None:
        if shape[0] < 2 or not (math.isfinite(temperature) and temperature > 0):
            raise InputError(
                f"Expected at least two classes and a temperature above 0, but got {shape[0]} and "
                f"{temperature}."
            )
        self._shape = shape
        self._sharpness = np.float32(1 / temperature)
        self.mask = _array(shape[1:], folder, "mask")
        self.uncertainty = _array(shape[1:], folder, "uncertainty")
        self.probabilities = _array(shape, folder, "probabilities") if probabilities else None

    def take(self, top: int, scores: NDArray[np.float32]) -> None:
        """Decide rows from ``top`` on by ``scores`` ``(K, rows, W)``.

        Raises
        ------
        ModelError
            When there are not as many classes as expected, or scores are not finite.
        """
        classes, _, width = self._shape
        if scores.shape[0] != classes or scores.shape[2] != width:
            raise ModelError(
                f"The card names {classes} classes, but the network answers "
                f"{scores.shape[0]}; card and network do not belong together."
            )
        band = max(1, _VALUES_AT_ONCE // (classes * width))
        for low in range(0, scores.shape[1], band):
            part = scores[:, low : low + band]
            self._decide(slice(top + low, top + low + part.shape[1]), part)

    def _decide(self, rows: slice, scores: NDArray[np.float32]) -> None:
        best, chosen = scores[0].copy(), np.zeros(scores.shape[1:], np.uint8)
        for number in range(1, len(scores)):  # many times faster than argmax along this axis
            chosen[scores[number] > best] = number
            np.maximum(best, scores[number], out=best)
        if not np.isfinite(best).all():
            raise ModelError(
                "The network's answer is not a number for some pixels; the model is damaged or "
                "was trained to nothing. Train it anew, or open it with precision f32."
            )
        self.mask[rows] = chosen
        below = (scores - best) * self._sharpness
        powers = np.exp(below)
        total = powers.sum(axis=0)
        below *= powers
        # -Σ p log p with p = powers / total and log p = below - log(total)
        entropy = np.log(total) - below.sum(axis=0) / total
        entropy *= 255 / math.log(len(scores))
        self.uncertainty[rows] = _as_bytes(entropy)
        if self.probabilities is not None:
            self.probabilities[:, rows] = _in_order(_as_bytes(powers * (255 / total)), chosen)


def _array(shape: tuple[int, ...], folder: Path | None, name: str) -> NDArray[np.uint8]:
    if folder is None:
        return np.zeros(shape, np.uint8)
    path = folder / f"{name}.npy"
    mapped: NDArray[np.uint8] = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    return mapped


def _in_order(probabilities: NDArray[np.uint8], chosen: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keep rounding from hiding which class was the best: the others stay one level below it."""
    top = probabilities.max(axis=0)
    for number, values in enumerate(probabilities):
        np.minimum(values, top - (chosen != number), out=values)
    return probabilities


def _as_bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = np.clip(values + 0.5, 0, 255).astype(np.uint8)
    return levels
