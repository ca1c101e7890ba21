"""How sure a measured share or score is: Wilson intervals, bootstrap over groups."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import InputError

__all__ = ["Interval", "grouped_bootstrap", "wilson"]

_SMALLEST_USABLE_SHARE: Final = 0.5


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A measured value with the limits of its confidence interval."""

    value: float
    low: float
    high: float


def wilson(successes: int, total: int, *, confidence: float = 0.95) -> Interval:
    """Return a share with its Wilson score interval in 0..1.

    Unlike the plain normal interval it stays inside 0..1 and is honest for few cases. With
    ``total == 0`` nothing is known: value 0.5, interval 0..1.

    References
    ----------
    Wilson (1927), JASA 22:209-212, doi:10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> found = wilson(5, 10)
    >>> round(found.low, 4), found.value, round(found.high, 4)
    (0.2366, 0.5, 0.7634)
    """
    if not 0 <= successes <= total:
        raise InputError(
            f"Expected 0 <= successes <= total, but got {successes} successes of {total}."
        )
    z = _normal_quantile(confidence)
    if total == 0:
        return Interval(value=0.5, low=0.0, high=1.0)
    share = successes / total
    scale = 1 + z * z / total
    centre = (share + z * z / (2 * total)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    # At 0 and at 1 a limit is exact; rounding must not push it past the share.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == total else min(1.0, centre + half)
    return Interval(value=share, low=low, high=high)


def grouped_bootstrap(
    statistic: Callable[[NDArray[np.intp]], float],
    groups: ArrayLike,
    *,
    repeats: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return a statistic with its percentile interval when whole groups are drawn again.

    Pictures of one person (or near-copies of one photograph) are not independent, so groups are
    drawn with replacement, not pictures.

    Parameters
    ----------
    statistic
        takes row indices ``(M,)`` (with repeats) and returns a number. NaN means that a
        draw does not allow it, for example because a class is missing; such draws are left out.
    groups
        ``(N,)`` group of each row.
    repeats
        number of draws.
    confidence
        share of the draws inside the interval, between 0 and 1.
    seed
        of the draws; the same seed gives the same interval.

    Raises
    ------
    InputError
        When there are no rows, or when more than half of the draws gave NaN.
    """
    names = np.asarray(groups)
    if names.ndim != 1 or not names.size:
        raise InputError(f"Expected groups (N,) with at least one row, but got {names.shape}.")
    if repeats < 1:
        raise InputError(f"repeats should be at least 1, but it is {repeats}.")
    _normal_quantile(confidence)  # checks it
    _, member = np.unique(names, return_inverse=True)
    rows = [np.flatnonzero(member == index) for index in range(int(member.max()) + 1)]
    random = np.random.default_rng(seed)
    draws = np.array(
        [
            statistic(np.concatenate([rows[i] for i in random.integers(len(rows), size=len(rows))]))
            for _ in range(repeats)
        ],
        dtype=np.float64,
    )
    usable = draws[~np.isnan(draws)]
    if len(usable) < _SMALLEST_USABLE_SHARE * repeats:
        raise InputError(
            f"Only {len(usable)} of {repeats} draws allowed the statistic; there are too few "
            f"groups ({len(rows)}) for an interval."
        )
    tail = (1 - confidence) / 2
    low, high = np.quantile(usable, [tail, 1 - tail])
    value = float(statistic(np.arange(len(names))))
    return Interval(value=value, low=float(low), high=float(high))


def _normal_quantile(confidence: float) -> float:
    if not 0.0 < confidence < 1.0:
        raise InputError(f"The confidence should lie between 0 and 1, but it is {confidence}.")
    return NormalDist().inv_cdf(0.5 + confidence / 2)
