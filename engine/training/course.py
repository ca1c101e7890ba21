"""How far a training is, and whom it listens to: shared by all of its parts."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, final

__all__ = ["Control", "Course"]

Control = Callable[[], Literal["go", "pause", "finish"]]
"""Asked before each step: go on, wait (the state is saved), or measure and write the model now."""


@final
class Course:
    """The work folder, what was reached so far, the clock, and the voices from outside.

    ``history`` are the documents of all epochs; ``best`` is the best mean Dice and ``best_epoch``
    when it was. ``guard`` and ``check`` as :func:`engine.training.running.train` has them.
    """

    def __init__(
        self,
        folder: Path,
        *,
        control: Control,
        guard: Callable[[float, str], object],
        check: Callable[[], object],
    ) -> None:
        self.folder = folder
        self.control, self.guard, self.check = control, guard, check
        self.history: list[dict[str, Any]] = []
        self.best = -1.0
        self.best_epoch = 0
        self._earlier_s = 0.0
        self._began = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds of this run and of earlier ones in the same folder, pauses not counted."""
        return self._earlier_s + time.monotonic() - self._began

    def add_earlier(self, seconds: float) -> None:
        """Count what an earlier run in the same folder took."""
        self._earlier_s += seconds

    def forget(self, seconds: float) -> None:
        """Do not count a pause."""
        self._began += seconds
