"""Reading the audit log: a page of it, newest first, or all that fits, oldest first.

Readers take no lock. They see whole lines only; a line that cannot be read is passed over here and
reported by the check of the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

from engine.errors import RequestError
from engine.people.audit.filters import EVERYTHING, Filters
from engine.people.audit.lines import Entry, decode
from engine.people.audit.segments import complete_lines, segments

__all__ = ["Page", "entry_of", "matching", "page_of"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """``entries`` of one page, newest first; ``total`` fit over all pages."""

    entries: tuple[Entry, ...]
    page: int
    size: int
    total: int

    @property
    def pages(self) -> int:
        """How many pages there are, at least 1."""
        return max(1, -(-self.total // self.size))


def page_of(folder: Path, filters: Filters, *, page: int, size: int) -> Page:
    """Return page ``page`` (from 1) of the entries that fit, newest first.

    Raises
    ------
    RequestError
        When page or size is not positive, or size above 1000.
    """
    if page < 1:
        raise RequestError(f"'page' counts from 1, but is {page}.")
    if not 1 <= size <= 1000:
        raise RequestError(f"'size' must be from 1 to 1000, but is {size}.")
    start, total = (page - 1) * size, 0
    shown: list[bytes] = []
    for path in reversed(segments(folder)):
        newest_first = _fitting_lines(path, filters)[::-1]
        shown += newest_first[max(0, start - total) : max(0, start + size - total)]
        total += len(newest_first)
    entries = (_readable(line) for line in shown)
    return Page(
        entries=tuple(entry for entry in entries if entry is not None),
        page=page,
        size=size,
        total=total,
    )


def entry_of(folder: Path, number: int) -> Entry | None:
    """Return line ``number``, or ``None`` when there is none that can be read."""
    mark = f'"n":{number},'.encode()
    for path in reversed(segments(folder)):
        for line in complete_lines(path):
            entry = _readable(line) if mark in line else None
            if entry is not None and entry.number == number:
                return entry
    return None


def matching(folder: Path, filters: Filters) -> Iterator[Entry]:
    """Yield the entries that fit, oldest first."""
    for path in segments(folder):
        for line in _fitting_lines(path, filters):
            entry = _readable(line)
            if entry is not None:
                yield entry


def _fitting_lines(path: Path, filters: Filters) -> list[bytes]:
    """Return the lines that fit, oldest first; decoding is the slow part and done when needed."""
    if filters == EVERYTHING:
        return list(complete_lines(path))
    return [line for line in complete_lines(path) if filters.may_fit(line) and _fits(line, filters)]


def _fits(line: bytes, filters: Filters) -> bool:
    entry = _readable(line)
    return entry is not None and filters.fit(entry)


def _readable(line: bytes) -> Entry | None:
    try:
        return decode(line)
    except ValueError:
        return None
