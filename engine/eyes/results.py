"""What an eye check answers: frozen records, no pixels drawn, no JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from engine.imaging.boxes import Box

__all__ = [
    "Decision",
    "EyeFinding",
    "EyeQuality",
    "HeatMap",
    "QualityMeasure",
    "Scene",
    "Screening",
    "Side",
    "Verdict",
]

Side = Literal["left", "right", "unknown"]
"""The *person's* left or right eye; ``unknown`` for a close-up that does not tell."""

Decision = Literal["likely", "uncertain", "retake", "not_an_eye"]
"""``likely``: one class stands out. ``uncertain``: several classes stay possible, or something
speaks against the answer. ``retake``: no frame is good enough to judge. ``not_an_eye``: the
picture does not show the outside of an eye."""

Scene = Literal["face", "close_up", "nothing"]
"""Where the eyes were found: in a face, in a close-up of one eye, or not at all."""

Verdict = Literal["supported", "weak", "not shown"]
"""How far a heat map may be believed."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class QualityMeasure:
    """One measured property of an eye crop against its limits.

    ``advice`` is the sentence that tells the person what to change; empty when passed.
    ``unit`` is shown behind ``value``; a limit that is ``None`` does not exist.
    ``blocking`` measures lead to ``retake`` when not passed; others only lower ``score``.
    """

    name: str
    value: float
    unit: str
    minimum: float | None = None
    maximum: float | None = None
    advice: str = ""
    blocking: bool = True

    @property
    def passed(self) -> bool:
        """Whether the value lies within its limits (limits included)."""
        above = self.minimum is None or self.value >= self.minimum
        below = self.maximum is None or self.value <= self.maximum
        return above and below


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EyeQuality:
    """All measures of one crop and a score in 0..1 by which frames are ranked."""

    measures: tuple[QualityMeasure, ...]
    score: float

    @property
    def passed(self) -> bool:
        """Whether every blocking measure lies within its limits."""
        return all(measure.passed for measure in self.measures if measure.blocking)

    @property
    def advice(self) -> tuple[str, ...]:
        """What to change, the most important first."""
        return tuple(m.advice for m in self.measures if not m.passed and m.advice)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """Grad-CAM of the best class over the crop.

    ``values`` is ``(H, W) float32`` in 0..1 at the crop's size. ``inside`` is the share of its
    energy inside the eye opening (0..1). ``verdict`` says whether it earned its place; ``reason``
    says why, in a sentence.
    """

    values: NDArray[np.float32]
    verdict: Verdict
    reason: str
    inside: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EyeFinding:
    """The answer for one eye.

    ``crop`` is ``(H, W, 3) uint8 RGB`` of the best frame; ``box`` its place in that frame's
    pixels. ``raw_scores`` and ``scores`` (calibrated) map class → probability and each sum to 1;
    both are empty when no frame could be judged. ``prediction_set`` is the conformal set at
    ``coverage``. ``cues`` are clinical measurements by name (see ``engine.eyes.anatomy``).
    """

    side: Side
    decision: Decision
    label: str | None
    scores: Mapping[str, float]
    raw_scores: Mapping[str, float]
    prediction_set: tuple[str, ...]
    coverage: float
    quality: EyeQuality
    reasons: tuple[str, ...]
    box: Box
    crop: NDArray[np.uint8]
    heat_map: HeatMap | None = None
    cues: Mapping[str, float] = field(default_factory=dict)
    experimental: tuple[str, ...] = ()
    frames_used: int = 1
    frames_rejected: int = 0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """The answer for one picture, or for several frames of one person.

    ``left`` and ``right`` are the person's own; a close-up of unknown side is in ``left`` (the
    place where callers of the older service look for it) with ``side == "unknown"``.
    ``timings_ms`` maps step → milliseconds of the last frame. ``model`` is the card's name and
    version; ``notice`` is shown wherever the result is.
    """

    scene: Scene
    left: EyeFinding | None
    right: EyeFinding | None
    face: Box | None
    reasons: tuple[str, ...]
    timings_ms: Mapping[str, float]
    model: str
    notice: str
