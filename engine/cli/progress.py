"""Progress of a long command on a terminal."""

from __future__ import annotations

import sys
from typing import final

__all__ = ["ProgressLine"]


@final
class ProgressLine:
    """One line on a terminal's standard error that is written over; silent elsewhere."""

    def __init__(self, *, is_shown: bool) -> None:
        self._is_shown = is_shown

    def show(self, done: float, text: str, remaining_s: float) -> None:
        """Show a part done (0..1), what is done now, and seconds left."""
        if self._is_shown:
            words = f"{100 * done:3.0f} %  {text}  (about {remaining_s:.0f} s left)"
            print(f"\r\x1b[K{words[:100]}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Wipe the line."""
        if self._is_shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
