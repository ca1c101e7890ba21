"""A screener without models: its answer follows from the picture that it is given."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from engine.eyes.results import EyeFinding, EyeQuality, HeatMap, QualityMeasure, Screening
from engine.imaging.boxes import Box

CLASSES = ("Cataract", "Conjunctivitis", "Healthy", "Stye")


@dataclass(frozen=True)
class StandInStep:
    """As the engine's step."""

    face: Box | None
    eyes: dict
    coach: str
    progress: dict
    needed: int
    done: bool
    timings_ms: dict


class StandInStream:
    """Collects ``needed`` frames and then is done."""

    needed = 5

    def __init__(self, screener: StandInScreener) -> None:
        self._screener = screener
        self._pictures: list = []

    def offer(self, picture: np.ndarray) -> StandInStep:
        """Keep each frame."""
        self._pictures.append(picture)
        count = len(self._pictures)
        height, width = picture.shape[:2]
        return StandInStep(
            face=Box(width * 0.25, height * 0.1, width * 0.5, height * 0.8),
            eyes={
                "right": Box(width * 0.33, height * 0.38, width * 0.13, height * 0.08),
                "left": Box(width * 0.54, height * 0.38, width * 0.13, height * 0.08),
            },
            coach="Hold still." if count > 1 else "Come a little closer.",
            progress={"left": count, "right": count},
            needed=self.needed,
            done=count >= self.needed,
            timings_ms={"total": 1.0},
        )

    def result(self) -> Screening:
        """Judge the last frame."""
        return self._screener.screen(self._pictures[-1:])


@dataclass
class StandInScreener:
    """The colour of a picture's centre decides: red, green, blue, else nothing.

    Red is a likely Conjunctivitis, green a likely Healthy, blue uncertain, white a retake, black
    not an eye. ``before`` runs first, to be slow or to fail.
    """

    before: Callable[[], None] = lambda: None
    seen: list = field(default_factory=list)

    def warm(self) -> None:
        """Nothing to load."""

    def screen(self, pictures: Sequence[np.ndarray], *, heat_maps: object = None) -> Screening:
        """Answer for the first picture."""
        del heat_maps
        self.before()
        picture = pictures[0]
        self.seen.append(picture)
        height, width = picture.shape[:2]
        red, green, blue = (int(value) for value in picture[height // 2, width // 2])
        crop = cv2.resize(picture, (144, 128), interpolation=cv2.INTER_AREA)
        kind = _kind(red, green, blue)
        if kind == "nothing":
            return _screening("nothing", None, None, reasons=("No eye is in this picture.",))
        left, right = (
            _finding(side, kind, crop, Box(width * x, height * 0.38, width * 0.13, height * 0.08))
            for side, x in (("left", 0.54), ("right", 0.33))
        )
        return _screening("face", left, right)

    def new_stream(self) -> StandInStream:
        """Open a stream."""
        return StandInStream(self)

    def status(self) -> dict:
        """Return what health shows."""
        return {"models": {"eyes": {"name": "stand-in", "status": "ready"}}, "memory": {}}


def _kind(red: int, green: int, blue: int) -> str:
    if max(red, green, blue) < 40:
        return "nothing"
    if min(red, green, blue) > 215:
        return "retake"
    return ("likely-red", "likely-green", "uncertain")[int(np.argmax((red, green, blue)))]


def _finding(side: str, kind: str, crop: np.ndarray, box: Box) -> EyeFinding:
    values = np.zeros(crop.shape[:2], np.float32)
    values[40:90, 50:100] = 1
    scores = {
        "likely-red": (0.03, 0.9, 0.05, 0.02),
        "likely-green": (0.04, 0.05, 0.89, 0.02),
        "uncertain": (0.48, 0.06, 0.43, 0.03),
        "retake": (),
    }[kind]
    named = dict(zip(CLASSES, scores, strict=False))
    measures = (
        QualityMeasure(name="size", value=86, unit="px", minimum=30, advice="Come closer."),
        QualityMeasure(
            name="glare",
            value=12 if kind == "retake" else 1.5,
            unit="%",
            maximum=5,
            advice="Turn away from the lamp: it mirrors in the eye.",
        ),
    )
    reasons = {
        "uncertain": ("Two answers stay possible.",),
        "retake": ("A reflection covers the pupil.",),
    }.get(kind, ("One class stands out.",))
    return EyeFinding(
        side=side,
        decision={"uncertain": "uncertain", "retake": "retake"}.get(kind, "likely"),
        label=max(named, key=named.get) if named else None,
        scores=named,
        raw_scores=named,
        prediction_set=("Cataract", "Healthy") if kind == "uncertain" else tuple(named)[:1],
        coverage=0.9,
        quality=EyeQuality(measures=measures, score=0.8),
        reasons=reasons,
        box=box,
        crop=crop,
        heat_map=HeatMap(
            values=values, verdict="supported", reason="The heat lies inside the eye.", inside=0.9
        ),
        experimental=("Stye",),
    )


def _screening(scene: str, left, right, *, reasons: tuple = ()) -> Screening:
    return Screening(
        scene=scene,
        left=left,
        right=right,
        face=None,
        reasons=reasons,
        timings_ms={"total": 1.0},
        model="stand-in 1",
        notice="Research demonstrator, not a medical device.",
    )


def slow(seconds: float) -> Callable[[], None]:
    """Return something that takes its time."""
    return lambda: time.sleep(seconds)
