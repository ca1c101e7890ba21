"""How the counted cells divide into kinds, how sure that is, and how many more to count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from engine.inference.intervals import Interval, wilson

__all__ = ["WANTED_HALF_WIDTH", "Share", "differential", "more_to_count", "more_to_count_of"]

WANTED_HALF_WIDTH: Final = 0.05
"""±5 percentage points."""

_MOST: Final = 10_000_000


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One kind of cell: its number, and its share of all with Wilson's 95 % interval in 0..1.

    ``more`` is how many more cells, of whatever kind, must be counted until the interval is no
    wider than what was wanted, if the share stays as it is.
    """

    name: str
    count: int
    share: Interval
    more: int


def differential(
    counts: Mapping[str, int], *, half_width: float = WANTED_HALF_WIDTH
) -> tuple[Share, ...]:
    """Return the share of each kind, the most frequent first; kinds without a cell are kept.

    >>> [(one.name, one.share.value, one.more) for one in differential({"A": 30, "B": 10})]
    [('A', 0.75, 246), ('B', 0.25, 246)]
    """
    total = sum(counts.values())
    order = sorted(counts, key=lambda name: (-counts[name], name))
    return tuple(
        Share(
            name=name,
            count=counts[name],
            share=wilson(counts[name], total),
            more=more_to_count_of(counts[name], total, half_width=half_width),
        )
        for name in order
    )


def more_to_count(counts: Mapping[str, int], *, half_width: float = WANTED_HALF_WIDTH) -> int:
    """Return how many more cells make every share known to ± ``half_width``; 0 when it is."""
    return max((one.more for one in differential(counts, half_width=half_width)), default=0)


def more_to_count_of(
    count: int, total: int, *, half_width: float = WANTED_HALF_WIDTH, confidence: float = 0.95
) -> int:
    """Return how many more cells make one share known to ± ``half_width``, if it stays as it is.

    Half of Wilson's interval falls with the number counted, so the least number is found by
    halving. With nothing counted a share of one half is taken, the worst there is.

    >>> more_to_count_of(0, 0)
    381
    """
    share = count / total if total else 0.5

    def is_enough(number: int) -> bool:
        return _half_width(share, number, confidence) <= half_width

    low, high = max(total, 1) - 1, max(total, 1)
    while high < _MOST and not is_enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return max(0, high - total)


def _half_width(share: float, number: int, confidence: float) -> float:
    """Return half of Wilson's interval for ``share`` of ``number``, which need not be whole."""
    z = _quantile(confidence)
    spread = share * (1 - share) / number + z * z / (4 * number * number)
    return float(z / (1 + z * z / number) * spread**0.5)


def _quantile(confidence: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + confidence / 2)
