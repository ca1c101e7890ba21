"""Each part of the server is asked from time to time whether it works, and its answer kept.

A question that fails with an error of ours gives the sentence of that error; any other failure is
a bug and is logged, and the part counts as failed all the same.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

from engine.errors import LightboxError

__all__ = ["Answer", "HealthBoard", "PartHealth", "Ping", "State", "worst"]

State = Literal["ok", "attention", "failed"]
"""``ok``: works. ``attention``: works, and somebody should look soon. ``failed``: does not work."""

_ORDER: Final[dict[State, int]] = {"ok": 0, "attention": 1, "failed": 2}
_log = logging.getLogger(__name__)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a part says of itself, in a sentence for the administrator."""

    state: State
    text: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """A question to one part; its answer holds for ``every_s`` seconds."""

    name: str
    title: str
    every_s: float
    ask: Callable[[], Answer]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PartHealth:
    """One part as it was at ``checked_at`` (seconds since 1970); ``ok`` unless it has failed."""

    name: str
    title: str
    state: State
    text: str
    checked_at: float

    @property
    def ok(self) -> bool:
        """Whether the part works, perhaps with something to look at."""
        return self.state != "failed"


@final
class HealthBoard:
    """The parts with their last answers; safe from several threads.

    Two threads never ask the same part at once: the second one takes the last answer.
    """

    def __init__(self, pings: Sequence[Ping], clock: Callable[[], float] = time.time) -> None:
        self._pings = tuple(pings)
        self._clock = clock
        self._asking = {ping.name: threading.Lock() for ping in self._pings}
        self._told: dict[str, PartHealth] = {}
        self._faults: dict[str, str] = {}

    def refresh(self, *, is_over: Callable[[], bool] = lambda: False) -> None:
        """Ask all parts whose answers have grown old, until ``is_over``."""
        for ping in self._pings:
            if is_over():
                return
            if self._is_due(ping):
                self._ask(ping)

    def healths(self) -> tuple[PartHealth, ...]:
        """Return the last answer of each part; those that never answered are asked now."""
        for ping in self._pings:
            if ping.name not in self._told:
                self._ask(ping)
        return tuple(self._told[ping.name] for ping in self._pings if ping.name in self._told)

    def _is_due(self, ping: Ping) -> bool:
        told = self._told.get(ping.name)
        return told is None or not 0 <= self._clock() - told.checked_at < ping.every_s

    def _ask(self, ping: Ping) -> None:
        lock = self._asking[ping.name]
        # Whoever has no answer at all waits for the one that is being made.
        if not lock.acquire(blocking=ping.name not in self._told):
            return
        try:
            if self._is_due(ping):
                answer = self._answer(ping)
                self._told[ping.name] = PartHealth(
                    name=ping.name,
                    title=ping.title,
                    state=answer.state,
                    text=answer.text,
                    checked_at=self._clock(),
                )
        finally:
            lock.release()

    def _answer(self, ping: Ping) -> Answer:
        try:
            answer = ping.ask()
        except LightboxError as error:
            return Answer(state="failed", text=str(error))
        except Exception as error:  # noqa: BLE001 – one part's bug must not hide the others
            kind = type(error).__name__
            if self._faults.get(ping.name) != kind:  # once, and not every few seconds
                self._faults[ping.name] = kind
                _log.exception("asking the part %r failed", ping.name)
            text = f"It could not be asked ({kind}); see the server's log."
            return Answer(state="failed", text=text)
        self._faults.pop(ping.name, None)
        return answer


def worst(parts: Sequence[PartHealth]) -> State:
    """Return the state of the whole: that of its worst part."""
    return max((part.state for part in parts), key=lambda state: _ORDER[state], default="ok")
