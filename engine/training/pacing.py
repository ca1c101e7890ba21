"""How many steps there will be, and the learning rate of each: by count, or by the clock."""

from __future__ import annotations

import math
from typing import Final, final

from engine.training.planning import Plan

__all__ = ["Pace"]

_KEPT_SHARE: Final = 0.12
_KEPT_LEAST_S, _KEPT_MOST_S = 3.0, 75.0
_MEASURED_STEPS: Final = 3
_EPOCHS_WANTED: Final = 24
_LEAST_EPOCH_S: Final = 3.0
_PATIENCE_SHARE: Final = 0.4
_NEARLY_OVER: Final = 0.9


@final
class Pace:
    """Turns a budget into steps.

    With epochs all is fixed. With minutes the steps that fit are counted anew after each epoch,
    from how long steps took, so that the rate has come down to zero when time is up; a part of the
    time is kept for measuring and writing the model. ``spent_s`` was used up before (preparing,
    earlier runs).
    """

    def __init__(self, plan: Plan, *, spent_s: float, steps: int = 0, per_epoch: int = 0) -> None:
        self._plan = plan
        self._spent_s = spent_s
        self._step_s = 0.0
        self._seen = 0
        self.per_epoch = per_epoch or plan.steps_per_epoch
        by_count = (plan.epochs or 0) * self.per_epoch
        self.steps = steps or by_count or 10_000

    @property
    def is_timed(self) -> bool:
        """Whether the clock decides."""
        return self._plan.minutes is not None

    @property
    def learning_s(self) -> float:
        """Seconds of the budget that are for learning."""
        total = (self._plan.minutes or 0.0) * 60
        kept = min(_KEPT_MOST_S, max(_KEPT_LEAST_S, _KEPT_SHARE * total))
        return max(1.0, total - kept)

    def took(self, seconds: float) -> None:
        """Hear how long a step took, validation not counted."""
        self._seen += 1
        if self._seen == 1:
            return  # kernels are made ready in the first one
        share = 1.0 / min(self._seen - 1, 50)
        self._step_s += share * (seconds - self._step_s)

    def recount(self, step: int, elapsed_s: float, *, look_s: float = 0.0) -> None:
        """Count anew how many steps fit; ``look_s`` is what one validation takes.

        Called after the first steps and after each epoch.
        """
        if not self.is_timed or not self._step_s:
            return
        left_s = self.learning_s - self._spent_s - elapsed_s
        if step <= _MEASURED_STEPS + 1:
            epoch_s = max(_LEAST_EPOCH_S, left_s / _EPOCHS_WANTED)
            self.per_epoch = max(2, min(self._plan.steps_per_epoch, round(epoch_s / self._step_s)))
        each_s = self._step_s + look_s / self.per_epoch
        fitting = max(0, int(left_s / each_s))
        by_count = (self._plan.epochs or 0) * self.per_epoch
        self.steps = step + fitting if not by_count else min(by_count, step + fitting)

    def is_over(self, step: int, elapsed_s: float) -> bool:
        """Whether no further step fits."""
        if step >= self.steps:
            return True
        return self.is_timed and self._spent_s + elapsed_s >= self.learning_s

    def should_recount(self, step: int) -> bool:
        """Whether this is the step after which the first count is made."""
        return self.is_timed and step == _MEASURED_STEPS + 1

    def rate(self, step: int) -> float:
        """Return the learning rate of a step (from 0): warm-up, then a cosine to zero."""
        warm = max(1.0, self._plan.warm_up_share * min(self.steps, 4_000))
        top = self._plan.learning_rate
        if step < warm:
            return top * (step + 1) / warm
        share = min(1.0, (step - warm) / max(1.0, self.steps - warm))
        return top * max(0.01, 0.5 * (1.0 + math.cos(math.pi * share)))

    def patience_epochs(self, step: int, epochs: int) -> float:
        """Return after how many epochs without a better one to stop, at a step after ``epochs``.

        At least the plan's, and two fifths of all epochs: where epochs are short each says little,
        and much is only gained while the rate comes down. Near the end nothing stops any more.
        """
        share = step / max(1, self.steps)
        if share >= _NEARLY_OVER:
            return math.inf
        return max(self._plan.patience_epochs, _PATIENCE_SHARE * epochs / max(share, 1e-6))

    def eta_s(self, step: int) -> float:
        """Return about how many seconds of learning are left."""
        return max(0.0, (self.steps - step) * self._step_s)
