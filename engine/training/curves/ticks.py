"""Round numbers for an axis."""

from __future__ import annotations

import itertools
import math

__all__ = ["nice_ticks", "tick_text"]

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def nice_ticks(low: float, high: float, *, most: int = 6, whole: bool = False) -> list[float]:
    """Return at most ``most`` round numbers from at or below ``low`` to at or above ``high``.

    ``whole`` keeps the steps whole, for epochs.

    >>> nice_ticks(0.0, 0.93)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    >>> nice_ticks(1, 23, whole=True)
    [0.0, 5.0, 10.0, 15.0, 20.0, 25.0]
    """
    span = max(high - low, 1.0 if whole else 1e-6 * max(1.0, abs(high)))
    power = math.floor(math.log10(span / max(1, most - 1)))
    scales = [10.0 ** (power + up) for up in range(4)]
    for step in (factor * scale for scale in scales for factor in _STEPS):
        if whole and step != round(step):
            continue
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        last = max(last, first + 1)
        if last - first + 1 <= most:
            return [round(at * step, 12) for at in range(first, last + 1)]
    return [low, high]


def tick_text(value: float, ticks: list[float]) -> str:
    """Return a tick's number with as many digits as its neighbours need.

    >>> tick_text(0.5, [0.0, 0.25, 0.5]), tick_text(20.0, [0.0, 20.0])
    ('0.50', '20')
    """
    step = min((b - a for a, b in itertools.pairwise(ticks)), default=1.0)
    digits = next((n for n in range(6) if abs(step * 10**n - round(step * 10**n)) < 1e-6), 6)
    return f"{value:.{digits}f}"
