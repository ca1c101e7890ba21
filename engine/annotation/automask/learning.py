"""A small classifier of pixels that learns in a moment: hinges on features, then regression.

Each hinge is a random direction among the standardised features, bent at one of the examples; on
hinges and features stands a multinomial logistic regression with equal weight for each class.
Random numbers have a fixed seed, so the same scribbles give the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import RequestError

__all__ = ["PixelClassifier", "learn"]

_HINGES: Final = 40
_STEPS: Final = 60
_PENALTY: Final = 2e-3


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PixelClassifier:
    """Which state a pixel has, by its features. Made by :func:`learn`."""

    states: tuple[int, ...]
    directions: NDArray[np.float32]
    bends: NDArray[np.float32]
    weights: NDArray[np.float32]
    offsets: NDArray[np.float32]

    def shares(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities ``(states, N)``, columns summing to 1, of ``(features, N)``."""
        hinges = self.directions @ features
        hinges += self.bends[:, np.newaxis]
        np.maximum(hinges, 0, out=hinges)
        number = features.shape[0]
        scores = self.weights[:, :number] @ features
        scores += self.weights[:, number:] @ hinges
        scores += self.offsets[:, np.newaxis]
        return _softmax(scores)


def learn(
    features: NDArray[np.float32], labels: NDArray[np.uint8], *, seed: int = 0
) -> PixelClassifier:
    """Return a classifier that learned from ``features (F, N)`` and ``labels (N,)``.

    Raises
    ------
    RequestError
        When there are fewer than two different labels.
    """
    states, classes = np.unique(labels, return_inverse=True)
    if len(states) < 2:
        raise RequestError(
            "To learn takes scribbles of at least two classes; paint a little of another one."
        )
    middle = features.mean(axis=1, keepdims=True)
    spread = features.std(axis=1, keepdims=True) + np.float32(1e-3)
    standard = (features - middle) / spread
    random = np.random.default_rng(seed)
    directions, bends = _hinges(standard, random)
    inputs = np.vstack([standard, np.maximum(directions @ standard + bends[:, np.newaxis], 0)])
    weights, offsets = _regression(inputs, classes, len(states))
    number = len(features)
    # What was learned of standardised features, written for plain ones.
    plain = weights.copy()
    plain[:, :number] /= spread.T
    offsets = offsets - (plain[:, :number] @ middle)[:, 0]
    directions = directions / spread.T
    return PixelClassifier(
        states=tuple(int(state) for state in states),
        directions=directions.astype(np.float32),
        bends=(bends - (directions @ middle)[:, 0]).astype(np.float32),
        weights=plain.astype(np.float32),
        offsets=offsets.astype(np.float32),
    )


def _hinges(
    standard: NDArray[np.float32], random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    directions = random.normal(size=(_HINGES, len(standard))).astype(np.float32)
    directions /= np.float32(len(standard) ** 0.5)
    examples = standard[:, random.integers(0, standard.shape[1], _HINGES)]
    return directions, -(directions * examples.T).sum(axis=1)


def _regression(
    inputs: NDArray[np.float32], classes: NDArray[np.intp], number: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weights ``(states, inputs)`` and offsets of a regression, each class weighing 1."""
    from scipy.optimize import minimize

    rows = len(inputs) + 1
    full = np.vstack([inputs, np.ones((1, inputs.shape[1]), np.float32)])
    wanted = np.eye(number, dtype=np.float32)[:, classes]
    each = (1 / (np.bincount(classes, minlength=number) * number))[classes].astype(np.float32)

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(number, rows)
        shares = _softmax(weights.astype(np.float32) @ full)
        likely = (shares * wanted).sum(axis=0)
        value = -float((each * np.log(likely + 1e-12)).sum())
        slope = ((shares - wanted) * each) @ full.T
        penalised = weights.copy()
        penalised[:, -1] = 0
        value += _PENALTY / 2 * float((penalised**2).sum())
        return value, (slope + _PENALTY * penalised).ravel()

    start = np.zeros(number * rows)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    weights = found.x.reshape(number, rows)
    return weights[:, :-1], weights[:, -1]


def _softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    scores = scores - scores.max(axis=0)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=0)
    return scores
