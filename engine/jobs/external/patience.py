"""When to ask again, and after how long: back-off that doubles, with full jitter.

Source of the jitter: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final

__all__ = ["ATTEMPTS", "asked_wait_s", "pause_s"]

ATTEMPTS: Final = 5
_FIRST_S: Final = 1.0
_LONGEST_S: Final = 20.0
_LONGEST_ASKED_S: Final = 120.0


def pause_s(attempt: int, asked_s: float, *, jitter: Callable[[], float] = random.random) -> float:
    """Return the seconds to wait after failed attempt 1, 2, …; never less than was asked for.

    >>> [pause_s(n, 0.0, jitter=lambda: 1.0) for n in (1, 2, 3, 9)]
    [1.0, 2.0, 4.0, 20.0]
    """
    backoff_s = min(_FIRST_S * 2.0 ** (attempt - 1), _LONGEST_S)
    return asked_s + backoff_s * jitter()


def asked_wait_s(headers: Mapping[str, str]) -> float:
    """Return what ``Retry-After`` asks for in seconds, as far as we are willing to wait.

    >>> asked_wait_s({"retry-after": "7"}), asked_wait_s({"retry-after": "99999"})
    (7.0, 120.0)
    >>> asked_wait_s({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"})
    0.0
    """
    text = headers.get("retry-after", "").strip()
    return min(float(text), _LONGEST_ASKED_S) if text.isascii() and text.isdigit() else 0.0
