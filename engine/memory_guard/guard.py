"""A clear error before memory runs out."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from engine.errors import MemoryShortError
from engine.memory_guard.machine import MemoryState, free_memory_mb

__all__ = ["DEFAULT_FLOOR_MB", "MemoryGuard"]

DEFAULT_FLOOR_MB = 500
"""Memory that stays free during every step: enough to answer, to log and to shut down."""


@final
class MemoryGuard:
    """Refuses a step that would leave less than ``floor_mb`` free.

    ``read`` tells the present state; tests hand in their own.
    """

    def __init__(
        self,
        floor_mb: float = DEFAULT_FLOOR_MB,
        read: Callable[[], MemoryState] | None = None,
    ) -> None:
        self.floor_mb = floor_mb
        self._read = read or free_memory_mb

    def state(self) -> MemoryState:
        """Return the memory at this moment."""
        return self._read()

    def has_room(self, need_mb: float) -> bool:
        """Tell whether ``need_mb`` more would leave the floor free."""
        return self._read().available_mb - need_mb >= self.floor_mb

    def require(self, need_mb: float, *, what: str) -> MemoryState:
        """Return the state when ``need_mb`` more fits; ``what`` names the step in the message.

        During a long step, ``require(0, what=…)`` asks whether the floor still holds.

        Raises
        ------
        MemoryShortError
            When less than the floor would stay free.
        """
        state = self._read()
        if state.available_mb - need_mb >= self.floor_mb:
            return state
        raise MemoryShortError(
            f"Too little memory for {what}: it needs about {need_mb:.0f} MB and "
            f"{self.floor_mb:.0f} MB must stay free, but only {state.available_mb:.0f} MB of "
            f"{state.total_mb:.0f} MB are free ({state.source}). Send something smaller, wait for "
            "other work to end, or give the program more memory."
        )
