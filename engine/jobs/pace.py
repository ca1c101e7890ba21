"""How long a job will still take, from how fast it has been."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final, final

__all__ = ["Pace"]

_FIRST_AFTER_S: Final = 0.5
_MEMORY_S: Final = 5.0


@final
class Pace:
    """Seconds to the end from the fractions told so far.

    The speed since the first report counts, and as much again the speed of late: a job that slows
    down is noticed, one that stutters does not make the figure jump.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[float, float] | None = None
        self._last: tuple[float, float] | None = None
        self._recent = 0.0

    def eta_s(self, fraction: float | None) -> float | None:
        """Return the seconds that are left, ``None`` while nobody can tell."""
        if fraction is None:
            return None
        at = self._clock()
        if self._first is None or self._last is None or fraction < self._last[1]:
            self._first = self._last = (at, fraction)  # a new stage may count anew
            self._recent = 0.0
            return None
        if fraction >= 1.0:
            return 0.0
        if at - self._last[0] >= _FIRST_AFTER_S:
            span_s = at - self._last[0]
            speed = (fraction - self._last[1]) / span_s
            kept = math.exp(-span_s / _MEMORY_S) if self._recent else 0.0
            self._recent = kept * self._recent + (1.0 - kept) * speed
            self._last = (at, fraction)
        elapsed, done = at - self._first[0], fraction - self._first[1]
        if elapsed < _FIRST_AFTER_S or done <= 0.0:
            return None
        overall = done / elapsed
        speed = (overall + self._recent) / 2 if self._recent else overall
        return round((1.0 - fraction) / speed, 1)
