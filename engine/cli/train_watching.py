"""What a terminal shows of a training."""

from __future__ import annotations

import sys
from typing import Any, final

from engine.cli.progress import ProgressLine
from engine.training import events

__all__ = ["Watcher"]


@final
class Watcher:
    """Hears the events of a training: one line that is written over, and one for each epoch."""

    def __init__(self, line: ProgressLine) -> None:
        self._line = line
        self.has_begun = False
        self.is_finished = False
        self.stopped = ""
        self.epochs = 0
        self.metrics: dict[str, Any] = {}

    def see(self, event: events.Event) -> None:
        """Show an event, or remember what it tells."""
        if isinstance(event, events.Prepared):
            share = event.done / max(1, event.total)
            self._line.show(share, f"preparing {event.done} of {event.total}", 0.0)
        elif isinstance(event, events.Planned):
            rows = (f"  {one.about}: {one.chosen}. {one.because}" for one in event.plan.reasons)
            self._say(event.division, *rows)
            if event.resumed_at_step:
                self._say(f"Going on from step {event.resumed_at_step}.")
        elif isinstance(event, events.StepDone):
            self.has_begun = True
            share = event.elapsed_s / max(1e-6, event.elapsed_s + event.eta_s)
            text = f"epoch {event.epoch}  loss {event.loss:.3f}  {event.pictures_per_s:.1f} /s"
            self._line.show(share, text, event.eta_s)
        elif isinstance(event, events.EpochEnded):
            self.epochs = event.epoch
            self._say(_epoch_text(event))
        elif isinstance(event, events.Stopped):
            self.stopped = event.reason
            self._say(event.reason)
        elif isinstance(event, events.Evaluating):
            share = event.done / max(1, event.total)
            self._line.show(share, f"testing {event.done} of {event.total}", 0.0)
        elif isinstance(event, events.Finished):
            self.is_finished = True
            self.metrics = dict(event.metrics)

    def end(self) -> None:
        """Wipe the line."""
        self._line.clear()

    def _say(self, *sentences: str) -> None:
        self._line.clear()
        print("\n".join(sentences), file=sys.stderr)


def _epoch_text(event: events.EpochEnded) -> str:
    """Return an epoch in one line: losses, Dice of each class, whether it is the best so far."""
    dice = "  ".join(f"{name} {value:.3f}" for name, value in event.dice.items())
    star = "  best so far" if event.best else ""
    return (
        f"epoch {event.epoch:3} of {event.epochs}  loss {event.train_loss:.3f} / "
        f"{event.validation_loss:.3f}  Dice {dice}{star}  about {event.eta_s / 60:.1f} min left"
    )
