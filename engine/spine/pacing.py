"""One fraction and one estimate of the remaining time for work in several steps.

Steps weigh as long as they are expected to take; what the clock says corrects the estimate.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import final

__all__ = ["Pace"]

_ENOUGH = 0.1  # of a step has to be done before its own speed says more than the forecast
_RATIO = (0.4, 5.0)  # how far the forecast of later steps is corrected


@final
class Pace:
    """How far work in steps is, from 0 to 1 and never back, and how long it will still take.

    Parameters
    ----------
    seconds
        Step → expected seconds, in order.
    clock
        Seconds that only grow.
    """

    def __init__(
        self, seconds: Mapping[str, float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = {name: max(0.05, value) for name, value in seconds.items()}
        self._clock = clock
        self._started = self._since = clock()
        self._step = next(iter(self._seconds))
        self._part = 0.0
        self._fraction = 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._started

    def expect(self, step: str, seconds: float) -> None:
        """Correct the forecast of a step that has not begun."""
        self._seconds[step] = max(0.05, seconds)

    def at(self, step: str, part: float) -> float:
        """Say that ``part`` (0..1) of ``step`` is done; return the fraction of the whole."""
        if step != self._step:
            self._step, self._since, self._part = step, self._clock(), 0.0
        self._part = max(self._part, min(1.0, part))
        before = 0.0
        for name, seconds in self._seconds.items():
            if name == step:
                break
            before += seconds
        done = before + self._seconds[step] * self._part
        self._fraction = max(self._fraction, min(1.0, done / sum(self._seconds.values())))
        return self._fraction

    def remaining_s(self) -> float:
        """Return the estimate of the seconds that are left, 0 at the end."""
        expected = self._seconds[self._step]
        spent = self._clock() - self._since
        whole = max(expected, spent)  # a late step ends any moment, as far as the forecast knows
        if self._part >= _ENOUGH:
            whole = spent / self._part
        ratio = min(max(whole / expected, _RATIO[0]), _RATIO[1])
        names = list(self._seconds)
        later = sum(self._seconds[name] for name in names[names.index(self._step) + 1 :])
        left = max(0.0, whole * (1.0 - self._part) if self._part else whole - spent)
        return left + later * ratio
