"""A long step that pauses while memory is short, and stops when it stays short."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable
from contextlib import suppress
from typing import final

from engine.errors import MemoryShortError
from engine.memory_guard.guard import MemoryGuard
from engine.memory_guard.machine import MemoryState

__all__ = ["PausingGuard", "give_memory_back"]

_LOOK_EVERY_S = 0.25


@final
class PausingGuard:
    """Asked between the steps of long work; keeps the floor without giving the work up at once.

    Parameters
    ----------
    guard
        Tells what is free and what must stay so.
    patience_s
        How long one pause may last, in seconds, before the work stops.
    tell
        Called with a sentence when a pause begins and with an empty one when it ends.
    sleep
        Waits some seconds; it may raise to end the work for another reason.
    """

    def __init__(
        self,
        guard: MemoryGuard,
        *,
        patience_s: float,
        tell: Callable[[str], object] = lambda _: None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._guard = guard
        self._patience_s = patience_s
        self._tell = tell
        self._sleep = sleep

    def step(self, need_mb: float = 0.0, *, what: str) -> MemoryState:
        """Return when ``need_mb`` more fits above the floor, at once or after a pause.

        Raises
        ------
        MemoryShortError
            When it did not fit for as long as the patience lasts; the message has the figures.
        """
        state = self._guard.state()
        if self._fits(state, need_mb):
            return state
        give_memory_back()
        began = time.monotonic()
        while not self._fits(state := self._guard.state(), need_mb):
            waited_s = time.monotonic() - began
            if waited_s >= self._patience_s:
                raise self._too_little(state, need_mb, what, waited_s)
            self._tell(
                f"Paused for memory: {state.available_mb:.0f} MB are free, {what} goes on when "
                f"there are {need_mb + self._guard.floor_mb:.0f} MB."
            )
            self._sleep(min(_LOOK_EVERY_S, self._patience_s - waited_s))
        self._tell("")
        return state

    def _fits(self, state: MemoryState, need_mb: float) -> bool:
        return state.available_mb - need_mb >= self._guard.floor_mb

    def _too_little(
        self, state: MemoryState, need_mb: float, what: str, waited_s: float
    ) -> MemoryShortError:
        return MemoryShortError(
            f"Stopped {what} because memory ran short: {state.available_mb:.0f} MB of "
            f"{state.total_mb:.0f} MB are free ({state.source}), but "
            f"{need_mb + self._guard.floor_mb:.0f} MB are needed, and {waited_s:.0f} s of waiting "
            "did not help. What was done so far is saved; retry when other work has ended, or "
            "give the program more memory."
        )


def give_memory_back() -> None:
    """Hand to the system what this process holds and does not use."""
    gc.collect()
    with suppress(OSError, AttributeError):  # only GNU's C library has it
        ctypes.CDLL(None).malloc_trim(0)
