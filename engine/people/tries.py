"""Wrong passwords are counted, and after a few of them the next try has to wait, ever longer.

Counted for an e-mail from one address, and more patiently for an e-mail from anywhere: a stranger
cannot lock somebody else's door by knocking a few times. E-mails that nobody has are counted like
all others, so that a pause tells nothing. Kept over restarts; e-mails appear as digests only.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from engine.errors import SignInPausedError
from engine.store.disk import write_whole
from engine.store.locks import locked

__all__ = ["Tries"]

Clock = Callable[[], float]

_FORGOTTEN_AFTER_S: Final = 86_400
_MOST_KEPT: Final = 20_000


_log = logging.getLogger(__name__)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Count:
    """``wrong`` tries, the last one ``at``; none before ``until`` (seconds of the clock)."""

    wrong: int
    at: float
    until: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Patience:
    """``free`` wrong tries; the next pause doubles from 30 s up to ``longest_s``."""

    free: int
    longest_s: float

    def pause_s(self, wrong: int) -> float:
        if wrong < self.free:
            return 0.0
        return float(min(30 * 2 ** min(wrong - self.free, 16), self.longest_s))


_FROM_ONE_ADDRESS: Final = _Patience(free=5, longest_s=3600)
_FROM_ANYWHERE: Final = _Patience(free=20, longest_s=900)


@final
class Tries:
    """Counts in the file ``path``; shared by threads and processes. ``clock`` gives seconds."""

    def __init__(self, path: Path, *, key: bytes, clock: Clock = time.time) -> None:
        self._path = path
        self._key = key
        self._clock = clock

    def begin(self, email: str, address: str) -> None:
        """Count one try, before the password is looked at: many at once are many tries.

        Raises
        ------
        SignInPausedError
            When it comes too early; it then does not count.
        """
        now = self._clock()
        with self._changing() as counts:
            rows = self._rows(email, address)
            until = max((counts[row].until for row in rows if row in counts), default=0.0)
            if until > now:
                wait_s = math.ceil(until - now)
                raise SignInPausedError(
                    f"There were too many wrong passwords; wait {_spoken(wait_s)}, then try again.",
                    retry_after_s=wait_s,
                )
            for row, patience in rows.items():
                wrong = counts[row].wrong + 1 if row in counts else 1
                counts[row] = _Count(wrong=wrong, at=now, until=now + patience.pause_s(wrong))

    def forget(self, email: str, address: str) -> None:
        """Count from zero again: the right password came from ``address``."""
        with self._changing() as counts:
            for row in self._rows(email, address):
                counts.pop(row, None)

    def forget_everywhere(self, email: str) -> None:
        """Count from zero again for all addresses: an administrator has seen to it."""
        account = self._digest(email)
        with self._changing() as counts:
            for row in [row for row in counts if row.startswith(account)]:
                del counts[row]

    def _rows(self, email: str, address: str) -> dict[str, _Patience]:
        account = self._digest(email)
        one = f"{account} {self._digest(address)}"
        return {one: _FROM_ONE_ADDRESS, account: _FROM_ANYWHERE}

    def _digest(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:24]

    @contextmanager
    def _changing(self) -> Iterator[dict[str, _Count]]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self._path.with_name(f".{self._path.name}.lock")):
            counts = _read(self._path)
            before = dict(counts)
            yield counts
            if counts != before:
                write_whole(self._path, _written(counts, now=self._clock()))


def _read(path: Path) -> dict[str, _Count]:
    try:
        rows = json.loads(path.read_bytes())
        return {row: _Count(wrong=wrong, at=at, until=until) for row, wrong, at, until in rows}
    except FileNotFoundError:
        return {}
    except (TypeError, ValueError):
        _log.warning("The counts of wrong passwords could not be read; they begin anew.")
        return {}


def _written(counts: dict[str, _Count], *, now: float) -> bytes:
    rows = [
        (row, count.wrong, count.at, count.until)
        for row, count in counts.items()
        if now - max(count.at, count.until) < _FORGOTTEN_AFTER_S
    ]
    rows.sort(key=lambda row: row[2])
    return json.dumps(rows[-_MOST_KEPT:]).encode()


def _spoken(seconds: int) -> str:
    if seconds < 100:
        return f"{seconds} seconds"
    return f"{math.ceil(seconds / 60)} minutes"
