"""How times, sizes and durations are written, with their units."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

__all__ = ["ago", "count", "duration", "megabytes", "moment", "percent", "plain", "size"]


_MARKUP = re.compile(r"[\\`*_\[\]<>$~#|]|:(?=[a-zA-Z/+-])")


def moment(when: datetime | None, *, zone: tzinfo | None = None) -> str:
    """Write an aware time in the visitor's own zone, to the minute.

    >>> moment(datetime(2026, 11, 20, 17, 16, tzinfo=UTC), zone=UTC)
    '20 Nov 2026, 17:16'
    """
    if when is None:
        return "–"
    local = when.astimezone(zone or _visitor_zone())
    return f"{local.day} {local:%b %Y, %H:%M}"


def ago(when: datetime | None, *, now: datetime | None = None) -> str:
    """Write how long ago an aware time was.

    >>> from datetime import timedelta
    >>> noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    >>> ago(noon, now=noon + timedelta(seconds=95)), ago(noon, now=noon + timedelta(seconds=3))
    ('1 min ago', 'just now')
    """
    if when is None:
        return "never"
    seconds = ((now or datetime.now(UTC)) - when).total_seconds()
    if seconds < 10:
        return "just now"
    for unit, length_s in (("day", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        if seconds >= length_s:
            number = int(seconds // length_s)
            return f"{number} {unit}{'s' if unit == 'day' and number > 1 else ''} ago"
    return "just now"


def duration(seconds: float | None) -> str:
    """Write a duration with its two largest units.

    >>> duration(0.42), duration(75), duration(7_260), duration(None)
    ('0.4 s', '1 min 15 s', '2 h 1 min', '–')
    """
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    if whole < 86_400:
        return f"{whole // 3_600} h {whole % 3_600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3_600} h"


def size(number_of_bytes: float | None) -> str:
    """Write a number of bytes in decimal units.

    >>> size(0), size(999), size(12_345_678), size(3.2e9)
    ('0 B', '999 B', '12.3 MB', '3.20 GB')
    """
    if number_of_bytes is None:
        return "–"
    amount = float(number_of_bytes)
    for unit, digits in (("B", 0), ("kB", 1), ("MB", 1), ("GB", 2)):
        if amount < 1_000:
            return f"{amount:.{digits}f} {unit}"
        amount /= 1_000
    return f"{amount:.2f} TB"


def megabytes(amount_mb: float | None) -> str:
    """Write an amount given in MB (10⁶ bytes).

    >>> megabytes(512), megabytes(23_900)
    ('512.0 MB', '23.90 GB')
    """
    return size(None if amount_mb is None else amount_mb * 1e6)


def percent(fraction: float | None) -> str:
    """Write a fraction of 0..1 in percent.

    >>> percent(0.426), percent(None)
    ('43 %', '–')
    """
    return "–" if fraction is None else f"{100 * fraction:.0f} %"


def count(number: int, one: str, many: str = "") -> str:
    """Write a number with its noun.

    >>> count(1, "job"), count(1234, "job"), count(0, "copy", "copies")
    ('1 job', '1,234 jobs', '0 copies')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def plain(text: str) -> str:
    r"""Keep a name from being read as markup where Streamlit takes Markdown.

    >>> plain("a_b *c* [d] :red: e: f")
    'a\\_b \\*c\\* \\[d\\] \\:red: e: f'
    """
    return _MARKUP.sub(r"\\\g<0>", text)


def _visitor_zone() -> tzinfo:
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
