"""Checks of single card fields. Each error names the field, what was expected and what came."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NoReturn

from engine.errors import ModelError

__all__ = [
    "fraction",
    "integer",
    "is_plain_file_name",
    "mapping",
    "number",
    "numbers",
    "refuse",
    "sha256_text",
    "text",
    "text_list",
    "timestamp",
]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHOWN_CHARACTERS = 80


def refuse(field: str, *, expected: str, got: object) -> NoReturn:
    """Raise the ``ModelError`` that every wrong field ends in."""
    came = "nothing" if got is None else f"{_shortened(got)} ({type(got).__name__})"
    raise ModelError(
        f"The model card's field {field!r} should be {expected}, but it is {came}; "
        f"correct it in card.json."
    )


def text(value: object, field: str, *, empty_allowed: bool = False) -> str:
    """Return a string that is not blank."""
    if not isinstance(value, str) or not (empty_allowed or value.strip()):
        refuse(field, expected="a text that is not empty", got=value)
    return value


def text_list(value: object, field: str) -> tuple[str, ...]:
    """Return a sequence of different, non-empty strings as a tuple."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        refuse(field, expected="a list of texts", got=value)
    items = tuple(text(item, f"{field}[{i}]") for i, item in enumerate(value))
    if len(set(items)) != len(items):
        refuse(field, expected="a list in which no text occurs twice", got=list(items))
    return items


def integer(value: object, field: str, *, minimum: int, maximum: int = 10**9) -> int:
    """Return an integer within its limits; ``True`` is not a number here."""
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
        refuse(field, expected=f"a whole number from {minimum} to {maximum}", got=value)
    return value


def number(value: object, field: str, *, minimum: float, maximum: float = math.inf) -> float:
    """Return a finite number within its limits as a float."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or not minimum <= value <= maximum
    ):
        limit = "" if maximum == math.inf else f" to {maximum:g}"
        start = "any finite number" if minimum == -math.inf else f"a number from {minimum:g}{limit}"
        refuse(field, expected=start, got=value)
    return float(value)


def fraction(value: object, field: str) -> float:
    """Return a number that lies strictly between 0 and 1."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0.0 < value < 1.0  # also refuses NaN
    ):
        refuse(field, expected="a number between 0 and 1 (both excluded)", got=value)
    return float(value)


def numbers(value: object, field: str, *, count: int, above_zero: bool) -> tuple[float, ...]:
    """Return ``count`` finite numbers as floats, all above 0 when asked."""
    kind = "numbers above 0" if above_zero else "numbers"
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != count:
        refuse(field, expected=f"a list of {count} {kind}", got=value)
    items = tuple(number(item, f"{field}[{i}]", minimum=-math.inf) for i, item in enumerate(value))
    if above_zero and min(items) <= 0:
        refuse(field, expected=f"a list of {count} {kind}", got=list(items))
    return items


def mapping(value: object, field: str) -> dict[str, object]:
    """Return a JSON object whose keys are texts, as a new dict."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        refuse(field, expected="an object with named values", got=value)
    return dict(value)


def sha256_text(value: object, field: str) -> str:
    """Return 64 lower-case hexadecimal digits."""
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        refuse(field, expected="a sha256 of 64 lower-case hexadecimal digits", got=value)
    return value


def timestamp(value: object, field: str) -> str:
    """Return a text in the form of ISO 8601, date alone or date and time."""
    written = text(value, field)
    for reader in (date.fromisoformat, datetime.fromisoformat):
        try:
            reader(written)
        except ValueError:
            continue
        return written
    refuse(field, expected="a date such as 2026-11-20 or 2026-11-20T10:30:00+00:00", got=value)


def is_plain_file_name(name: str) -> bool:
    r"""Tell whether a name stays inside its folder on every system.

    >>> [is_plain_file_name(n) for n in ("model.xml", "../model.xml", "a/b", "C:x", "")]
    [True, False, False, False, False]
    """
    forbidden = set('/\\:\0<>|?*"')
    return bool(name) and name not in {".", ".."} and not forbidden & set(name)


def _shortened(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN_CHARACTERS else f"{shown[: _SHOWN_CHARACTERS - 1]}…"
