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
from engine.people.audit.filters import Filters
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
    start, shown, total = (page - 1) * size, [], 0
    for path in reversed(segments(folder)):
        fitting = [entry for entry in _entries(path) if filters.fit(entry)]
        for entry in reversed(fitting):
            if start <= total < start + size:
                shown.append(entry)
            total += 1
    return Page(entries=tuple(shown), page=page, size=size, total=total)


def entry_of(folder: Path, number: int) -> Entry | None:
    """Return line ``number``; only files that can hold it are read to their end."""
    for path in reversed(segments(folder)):
        first = next(_entries(path), None)
        if first is not None and first.number <= number:
            found = next((entry for entry in _entries(path) if entry.number == number), None)
            if found is not None:
                return found
    return None


def matching(folder: Path, filters: Filters) -> Iterator[Entry]:
    """Yield the entries that fit, oldest first."""
    for path in segments(folder):
        yield from (entry for entry in _entries(path) if filters.fit(entry))


def _entries(path: Path) -> Iterator[Entry]:
    for line in complete_lines(path):
        try:
            yield decode(line)
        except ValueError:
            continue
