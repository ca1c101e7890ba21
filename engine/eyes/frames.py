"""Collect the best frames of each eye from a stream, and coach the person meanwhile.

A frame that does not pass its quality is counted and never kept, so nothing that is averaged
later can be spoilt by it. State belongs to one visitor's collector.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeVar, final

from engine.errors import InputError
from engine.eyes.crops import EyeCrop
from engine.eyes.results import EyeQuality, QualityMeasure, Side

__all__ = ["Coach", "CoachLine", "CoachWord", "EyeFrame", "FrameCollector", "advice_word"]

CoachWord = Literal[
    "look", "closer", "centre", "light", "dim", "still", "open", "glare", "lens", "straight",
    "level", "good", "done",
]  # fmt: skip
"""What the coach asks for, the most important first; ``good`` and ``done`` ask for nothing."""

LINES: Final[Mapping[CoachWord, str]] = {
    "look": "Look into the camera",
    "closer": "Come closer",
    "centre": "Move to the middle of the picture",
    "light": "More light from the front",
    "dim": "Less light",
    "still": "Hold still",
    "open": "Open your eyes wider",
    "glare": "Turn away from the lamp",
    "lens": "Wipe the lens",
    "straight": "Look straight into the camera",
    "level": "Hold your head level",
    "good": "Good, hold on",
    "done": "Done, thank you",
}

_WORDS: Final[Mapping[str, CoachWord]] = {
    "size": "closer",
    "framing": "centre",
    "sharpness": "still",
    "openness": "open",
    "glare": "glare",
    "contrast": "lens",
    "gaze": "straight",
    "yaw": "straight",
    "roll": "level",
}

_ORDER: Final = tuple(LINES)

DARK_PERCENT: Final = 12.0
BRIGHT_PERCENT: Final = 92.0
"""Mean grey level of a frame outside of which a face is not found for want of light."""

Extra = TypeVar("Extra")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EyeFrame(Generic[Extra]):
    """One eye in one frame; ``extra`` is whatever the caller wants back with it."""

    side: Side
    crop: EyeCrop
    quality: EyeQuality
    extra: Extra


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CoachLine:
    """What to tell the person now.

    ``progress`` is 0..1: how much of what is wanted has been collected.
    """

    word: CoachWord
    text: str
    progress: float


@final
class FrameCollector(Generic[Extra]):
    """Keep the best passing frames of each eye.

    Parameters
    ----------
    best
        Frames to keep per eye.
    least_s
        Frames are collected for at least this long after the first kept one: five frames of half
        a second are nearly the same frame, and the best would not be better than the rest.
    patience_s
        When one eye is complete and the other has not passed for this long since the first kept
        frame, :attr:`is_complete` no longer waits for it: a person may have one eye only.
    clock
        Returns seconds; only differences are used.
    """

    def __init__(
        self,
        *,
        best: int = 5,
        least_s: float = 0.0,
        patience_s: float = 8.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if best < 1:
            raise InputError(f"At least 1 frame per eye must be kept, but got best={best}.")
        self.wanted = best
        self._least_s = least_s
        self._patience_s = patience_s
        self._clock = clock
        self._kept: dict[Side, list[EyeFrame[Extra]]] = {}
        self._passed: dict[Side, int] = {}
        self._rejected: dict[Side, int] = {}
        self._first_s: float | None = None

    def offer(self, frame: EyeFrame[Extra]) -> bool:
        """Take a frame if it passes and is among the best so far; say whether it was taken."""
        if not frame.quality.passed:
            self._rejected[frame.side] = self.rejected(frame.side) + 1
            return False
        if self._first_s is None:
            self._first_s = self._clock()
        self._passed[frame.side] = self.passed(frame.side) + 1
        kept = self._kept.setdefault(frame.side, [])
        kept.append(frame)
        kept.sort(key=lambda each: -each.quality.score)
        del kept[self.wanted :]
        return any(each is frame for each in kept)

    def best(self, side: Side) -> tuple[EyeFrame[Extra], ...]:
        """Return the kept frames of one eye, the best first; may be empty."""
        return tuple(self._kept.get(side, ()))

    def rejected(self, side: Side) -> int:
        """Return how many frames of one eye did not pass."""
        return self._rejected.get(side, 0)

    def passed(self, side: Side) -> int:
        """Return how many frames of one eye passed, kept or not."""
        return self._passed.get(side, 0)

    @property
    def sides(self) -> tuple[Side, ...]:
        """The eyes that were offered so far."""
        return tuple(dict.fromkeys((*self._kept, *self._rejected)))

    @property
    def progress(self) -> float:
        """Share of the wanted frames of both eyes that are kept, 0..1."""
        if self.is_complete:
            return 1.0
        kept = len(self.best("left")) + len(self.best("right")) + len(self.best("unknown"))
        return min(kept / (2 * self.wanted), 1.0)

    @property
    def is_complete(self) -> bool:
        """Whether both eyes are complete, or one is and the other was waited for long enough."""
        full = [side for side in self.sides if len(self.best(side)) >= self.wanted]
        waited = self._clock() - self._first_s if self._first_s is not None else 0.0
        if "left" in full and "right" in full:
            return waited >= self._least_s
        return bool(full) and waited >= self._patience_s

    def clear(self) -> None:
        """Forget everything, as for the next person."""
        self._kept.clear()
        self._passed.clear()
        self._rejected.clear()
        self._first_s = None


@final
class Coach:
    """Say one short thing at a time, and do not flicker.

    Another line is shown only after it has been the right one for ``settle_s``; the first line
    and the end come at once.
    """

    def __init__(
        self, *, settle_s: float = 0.6, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settle_s = settle_s
        self._clock = clock
        self._shown: CoachWord | None = None
        self._wanted: CoachWord | None = None
        self._since_s = 0.0

    def advise(
        self,
        qualities: Mapping[Side, EyeQuality],
        collector: FrameCollector[Extra],
        *,
        brightness_percent: float | None = None,
    ) -> CoachLine:
        """Return the line for this frame.

        Parameters
        ----------
        qualities
            The eyes of this frame; empty when no face was seen.
        collector
            Where the frames are collected.
        brightness_percent
            Mean grey level of the whole frame, 0..100: a face cannot be found in the dark, and
            "look into the camera" would not help there.
        """
        word = advice_word(qualities, brightness_percent=brightness_percent)
        if collector.is_complete:
            word = "done"
        now = self._clock()
        if word != self._wanted:
            self._wanted, self._since_s = word, now
        is_settled = now - self._since_s >= self._settle_s
        if self._shown is None or word == "done" or is_settled:
            self._shown = word
        text = LINES[self._shown]
        if self._shown == "good":
            done = min(len(collector.best(side)) for side in ("left", "right"))
            text = f"{text} {done}/{collector.wanted}"
        return CoachLine(word=self._shown, text=text, progress=collector.progress)


def advice_word(
    qualities: Mapping[Side, EyeQuality], *, brightness_percent: float | None = None
) -> CoachWord:
    """Return what to ask for in this frame, without hysteresis.

    What blocks comes before what only lowers the score; within each, the order of
    :data:`CoachWord`. Both eyes are looked at. Without a face a frame that is dark or burnt out
    (:data:`DARK_PERCENT`, :data:`BRIGHT_PERCENT`) asks for other light, any other for a look.
    """
    if not qualities:
        if brightness_percent is None or DARK_PERCENT <= brightness_percent <= BRIGHT_PERCENT:
            return "look"
        return "light" if brightness_percent < DARK_PERCENT else "dim"
    failed = [m for quality in qualities.values() for m in quality.measures if not m.passed]
    for is_blocking in (True, False):
        words = {_word(m) for m in failed if m.blocking == is_blocking} - {None}
        if words:
            return min((word for word in words if word), key=_ORDER.index)
    return "good"


def _word(measure: QualityMeasure) -> CoachWord | None:
    if measure.name == "brightness":
        is_dark = measure.minimum is not None and measure.value < measure.minimum
        return "light" if is_dark else "dim"
    return _WORDS.get(measure.name)
