"""Long lists in pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, final

from engine.errors import RequestError

__all__ = ["Page", "page_of"]

Row = TypeVar("Row")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Row]):
    """One page of a list; ``count`` rows in all, ``page`` from 1, on ``pages`` pages."""

    rows: tuple[Row, ...]
    count: int
    page: int
    pages: int


def page_of(rows: Sequence[Row], *, page: int, size: int) -> Page[Row]:
    """Return page number ``page`` of ``size`` rows; beyond the end it is empty.

    >>> page_of("abcde", page=2, size=2)
    Page(rows=('c', 'd'), count=5, page=2, pages=3)

    Raises
    ------
    RequestError
        When ``page`` or ``size`` is below 1.
    """
    if page < 1 or size < 1:
        raise RequestError(f"'page' and 'size' must be at least 1, but are {page} and {size}.")
    first = (page - 1) * size
    return Page(
        rows=tuple(rows[first : first + size]),
        count=len(rows),
        page=page,
        pages=-(-len(rows) // size),
    )
