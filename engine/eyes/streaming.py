"""One visitor's webcam: frames in, boxes and a coach's line out, and in the end a result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from engine.eyes.faces import Face
from engine.eyes.frames import Coach, EyeFrame, FrameCollector
from engine.eyes.judging import HeatMaps
from engine.eyes.results import Screening, Side
from engine.eyes.sighting import Eyes, EyeSight, Sighting, Stopwatch
from engine.imaging.boxes import Box

if TYPE_CHECKING:
    from engine.eyes.screening import EyeScreener

__all__ = ["EyeStream", "StreamStep"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStep:
    """What to show after one frame.

    ``face`` and ``eyes`` are in pixels of the frame. ``coach`` is one short line. ``progress``
    counts the good frames kept of each eye, of ``needed``. ``done`` says that the result is due.
    """

    face: Box | None
    eyes: Mapping[Side, Box]
    coach: str
    progress: Mapping[Side, int]
    needed: int
    done: bool
    timings_ms: Mapping[str, float]


@final
class EyeStream:
    """Follows one person, keeps the best frames of each eye, and judges them in the end.

    Only crops of eyes are kept between frames, no frame. Not shared between threads. ``clock``
    returns seconds; only differences are used.
    """

    LEAST_S = 1.5
    """Shortest time of collecting, so that the best frames are chosen from a dozen or more."""

    def __init__(
        self,
        eyes: Eyes,
        screener: EyeScreener,
        *,
        best: int,
        mirrored: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._eyes = eyes
        self._screener = screener
        self._mirrored = mirrored
        self._followed = eyes.new_followed_face()
        self._collector: FrameCollector[EyeSight] = FrameCollector(
            best=best, least_s=self.LEAST_S, clock=clock
        )
        self._coach = Coach(clock=clock)
        self._last: Sighting | None = None
        self._poor: dict[Side, EyeSight] = {}

    def offer(self, picture: NDArray[np.uint8]) -> StreamStep:
        """Look at the next frame, ``(H, W, 3) uint8 RGB``."""
        watch = Stopwatch()
        sighting = self._eyes.look(
            picture, watch=watch, followed=self._followed, mirrored=self._mirrored
        )
        self._last = sighting
        for side, sight in sighting.eyes.items():
            self._keep(side, sight)
        line = self._coach.advise(
            {side: sight.quality for side, sight in sighting.eyes.items()},
            self._collector,
            brightness_percent=100 * float(picture[::8, ::8].mean()) / 255,
        )
        sides: tuple[Side, Side] = ("left", "right")
        return StreamStep(
            face=sighting.face.box if sighting.face is not None else None,
            eyes={side: sight.location.box for side, sight in sighting.eyes.items()},
            coach=line.text,
            progress={side: len(self._collector.best(side)) for side in sides},
            needed=self._collector.wanted,
            done=self._collector.is_complete,
            timings_ms=dict(watch.taken_ms),
        )

    def result(self) -> Screening:
        """Judge the best frames so far, with tested heat maps."""
        kept = [self._sighting(rank) for rank in range(self._collector.wanted)]
        sightings = [sighting for sighting in kept if sighting.eyes]
        missing = {
            side: sight for side, sight in self._poor.items() if not self._collector.best(side)
        }
        if missing:
            sightings.append(Sighting(scene="face", face=self._face(), eyes=missing))
        # A poor sight that is handed over was counted as rejected already.
        counts = {side: self._collector.rejected(side) for side in self._collector.sides}
        rejected = {side: count - (side in missing) for side, count in counts.items()}
        return self._screener.answer(
            sightings or [Sighting(scene="nothing", face=None, eyes={})],
            watch=Stopwatch(),
            heat_maps=HeatMaps(tested=True),
            rejected=rejected,
        )

    def _keep(self, side: Side, sight: EyeSight) -> None:
        self._collector.offer(
            EyeFrame(side=side, crop=sight.crop, quality=sight.quality, extra=sight)
        )
        before = self._poor.get(side)
        if before is None or sight.quality.score > before.quality.score:
            self._poor[side] = sight

    def _sighting(self, rank: int) -> Sighting:
        """Return the kept frame of this rank of each eye."""
        eyes: dict[Side, EyeSight] = {}
        for side in self._collector.sides:
            best = self._collector.best(side)
            if rank < len(best):
                eyes[side] = best[rank].extra
        return Sighting(scene="face", face=self._face(), eyes=eyes)

    def _face(self) -> Face | None:
        return self._last.face if self._last is not None else None
