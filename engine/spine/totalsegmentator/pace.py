"""From what the process says to how far the whole call is: a share that never falls, and words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from engine.spine.segmenters import Progress, Task

__all__ = ["RunPace"]

_NETWORK = (0.15, 0.85)
"""The share of the call before and after the networks run."""
_STEPS = {"starting": 0.0, "loading": 0.02, "resampling": 0.1, "collecting": 0.0, "labelling": 0.9}
_PARTS: Mapping[Task, tuple[tuple[str, float], ...]] = {
    "total_fast": (("", 1.0),),
    "total": (("Rough model: ", 0.25), ("Vertebrae: ", 0.75)),
    "vertebrae_pp": (("", 1.0),),
}
"""The models of each task in the order in which they run: words, share of the work."""


@final
class RunPace:
    """How far one run is; the last progress is repeated while nothing new is said."""

    def __init__(self, task: Task) -> None:
        self._parts = _PARTS[task]
        self._part = 0
        self._tile = 0
        self.last = Progress(step="starting", done=0.0, text="Starting TotalSegmentator")

    def after(self, event: Mapping[str, Any]) -> Progress:
        """Return the progress after an event; the same as before for one that says nothing."""
        if event["event"] == "step":
            self._advance(event["step"], _STEPS[event["step"]], event["text"])
        elif event["event"] == "tile":
            self._count(int(event["tile"]), max(1, int(event["of"])))
        return self.last

    def _count(self, tile: int, of: int) -> None:
        if tile <= self._tile and self._part + 1 < len(self._parts):
            self._part += 1  # another bar: the next model has begun
        self._tile = tile
        words, share = self._parts[self._part]
        before = sum(part[1] for part in self._parts[: self._part])
        within = before + share * min(1.0, tile / of)
        start, end = _NETWORK
        text = f"{words}patch {tile} of {of}"
        self._advance("network", start + (end - start) * within, text[0].upper() + text[1:])

    def _advance(self, step: str, done: float, text: str) -> None:
        self.last = Progress(step=step, done=max(self.last.done, done), text=text)
