"""How sure a mean over pictures is, and whether one model is better than another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import InputError
from engine.inference.intervals import Interval

__all__ = ["PairedDifference", "mean_interval", "paired_bootstrap"]

_REPEATS: Final = 2000


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """Second minus first, over the same pictures.

    ``interval``: the mean difference with its limits (NaN for fewer than two groups).
    ``second_is_better``: share of the draws in which the mean difference is above 0 (half of those
    at 0), NaN with the limits. ``pictures`` and ``groups`` are what it rests on.
    """

    interval: Interval
    second_is_better: float
    pictures: int
    groups: int

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.interval.low > 0 or self.interval.high < 0


def mean_interval(
    values: ArrayLike,
    groups: Sequence[str],
    *,
    confidence: float = 0.95,
    repeats: int = _REPEATS,
    seed: int = 0,
) -> Interval:
    """Return the mean over pictures with its percentile interval when whole groups are drawn again.

    Parameters
    ----------
    values
        ``(N,)``, one per picture; NaN (not measurable there) is left out.
    groups
        ``(N,)`` names; pictures of one group are drawn together, an empty name is its own group.
    confidence
        Share of the draws inside the limits, between 0 and 1.
    repeats
        Number of draws.
    seed
        Of the draws; the same seed gives the same limits.

    Returns
    -------
    NaN throughout when no value can be used; limits NaN when all come from one group, because one
    group tells nothing about others.

    Raises
    ------
    InputError
        When there are not as many groups as values.
    """
    kept, members = _usable(values, groups)
    if not kept.size:
        return Interval(value=float("nan"), low=float("nan"), high=float("nan"))
    draws = _drawn_means(kept, members, repeats, seed)
    low, high = _limits(draws, confidence)
    return Interval(value=float(kept.mean()), low=low, high=high)


def paired_bootstrap(
    first: ArrayLike,
    second: ArrayLike,
    groups: Sequence[str],
    *,
    confidence: float = 0.95,
    repeats: int = _REPEATS,
    seed: int = 0,
) -> PairedDifference:
    """Compare two models on the same pictures, for example by each picture's Dice.

    ``first`` and ``second`` are ``(N,)`` in the same order; pictures that either could not be
    measured on (NaN) are left out. Groups are drawn as in :func:`mean_interval`.

    Raises
    ------
    InputError
        When the lengths differ.
    """
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.shape != two.shape:
        raise InputError(
            "Expected a value of both models for each picture, but got "
            f"{one.shape} and {two.shape}."
        )
    kept, members = _usable(two - one, groups)
    unknown = float("nan")
    if not kept.size:
        nothing = Interval(value=unknown, low=unknown, high=unknown)
        return PairedDifference(interval=nothing, second_is_better=unknown, pictures=0, groups=0)
    draws = _drawn_means(kept, members, repeats, seed)
    low, high = _limits(draws, confidence)
    better = float((draws > 0).mean() + (draws == 0).mean() / 2) if draws.size else unknown
    return PairedDifference(
        interval=Interval(value=float(kept.mean()), low=low, high=high),
        second_is_better=better,
        pictures=len(kept),
        groups=int(members.max()) + 1,
    )


def _usable(
    values: ArrayLike, groups: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the finite values, and each one's group as a number."""
    given = np.asarray(values, np.float64)
    if given.shape != (len(groups),):
        raise InputError(f"Expected a group for each value, but got {given.shape}, {len(groups)}.")
    usable = np.flatnonzero(np.isfinite(given))
    names = [groups[at] or f"\0{at}" for at in usable.tolist()]
    _, members = np.unique(names, return_inverse=True)
    return given[usable], np.asarray(members, np.intp).reshape(-1)


def _drawn_means(
    values: NDArray[np.float64], members: NDArray[np.intp], repeats: int, seed: int
) -> NDArray[np.float64]:
    """Return the means of ``repeats`` draws of groups; none when there are fewer than two."""
    count = int(members.max()) + 1
    if count < 2:
        return np.empty(0)
    sums = np.bincount(members, values, count)
    sizes = np.bincount(members, minlength=count)
    drawn = np.random.default_rng(seed).integers(count, size=(repeats, count))
    return np.asarray(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), np.float64)


def _limits(draws: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    if not 0.0 < confidence < 1.0:
        raise InputError(f"The confidence should lie between 0 and 1, but it is {confidence}.")
    if not draws.size:
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)
