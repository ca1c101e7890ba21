"""Telling how far a long step is: bytes in, fractions out."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

__all__ = ["Report", "Span", "part_of"]

Report = Callable[[float, str], None]
"""Told the fraction in 0..1 and what is being done; may raise to stop the work."""


def part_of(report: Report, start: float, end: float) -> Report:
    """Return a report whose 0..1 is ``start``..``end`` of the given one."""
    return lambda fraction, stage: report(start + fraction * (end - start), stage)


@final
class Span:
    """One stage of a work, from fraction ``start`` to ``end``; call it with the bytes just done."""

    def __init__(self, report: Report, stage: str, total: int, *, start: float, end: float) -> None:
        self._report, self._stage = report, stage
        self._total, self._done = max(1, total), 0
        self._start, self._end = start, end
        report(start, stage)

    def __call__(self, more_bytes: int) -> None:
        """Count ``more_bytes`` and tell the fraction."""
        self._done += more_bytes
        share = min(1.0, self._done / self._total)
        self._report(self._start + share * (self._end - self._start), self._stage)
