"""How often one person or one address may ask. Counts live in this process, as its sessions do."""

from __future__ import annotations

import math
import time
from typing import Final, Literal, final

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from engine.errors import RateLimitedError
from engine.settings import Settings

__all__ = ["Rate", "Rates"]

Rate = Literal["api", "sign_in", "register"]
"""``api``: the plain routes; ``sign_in``: where a password is checked; ``register``."""

_WORDS: Final[dict[Rate, str]] = {
    "api": "requests",
    "sign_in": "attempts to sign in",
    "register": "registrations",
}


@final
class Rates:
    """Counts requests in a moving window and refuses the one too many."""

    def __init__(self, settings: Settings) -> None:
        self._limits: dict[Rate, RateLimitItem] = {
            "api": parse(settings.rate_api),
            "sign_in": parse(settings.rate_sign_in),
            "register": parse(settings.rate_register),
        }
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def take(self, rate: Rate, who: str) -> None:
        """Count one request of ``who``.

        Raises
        ------
        RateLimitedError
            When there were too many; it says when the next may come.
        """
        limit = self._limits[rate]
        if self._limiter.hit(limit, rate, who):
            return
        reset = self._limiter.get_window_stats(limit, rate, who).reset_time
        wait_s = max(1, math.ceil(reset - time.time()))
        raise RateLimitedError(
            f"More than {limit.amount} {_WORDS[rate]} per {limit.GRANULARITY.name} came from you; "
            f"try again in {wait_s} s.",
            retry_after_s=wait_s,
        )
