"""Findings with known values, for the tests of words, documents and reports."""

from __future__ import annotations

import numpy as np

from engine.eyes.results import (
    Decision,
    EyeFinding,
    EyeQuality,
    HeatMap,
    QualityMeasure,
    Scene,
    Screening,
    Side,
    Verdict,
)
from engine.imaging.boxes import Box

__all__ = ["CROP", "finding", "quality", "screening"]

# A picture whose every pixel is known: red grows to the right, green downwards.
CROP = np.stack(
    [
        np.tile(np.arange(144), (128, 1)),
        np.tile(np.arange(128)[:, None], (1, 144)),
        np.full((128, 144), 90),
    ],
    axis=-1,
).astype(np.uint8)


def heat(verdict: Verdict = "supported") -> HeatMap:
    values = np.zeros((128, 144), np.float32)
    values[40:80, 50:90] = 1
    return HeatMap(
        values=values, verdict=verdict, reason="Hiding it changes the score", inside=0.84
    )


def quality(*, is_small: bool = False) -> EyeQuality:
    size = QualityMeasure(
        name="size",
        value=20 if is_small else 123.456,
        unit="px",
        minimum=40,
        advice="Come closer." if is_small else "",
    )
    glare = QualityMeasure(name="glare", value=1.5, unit="%", maximum=20)
    light = QualityMeasure(name="brightness", value=48.0, unit="%", minimum=10, maximum=90)
    return EyeQuality(measures=(size, glare, light), score=0.8125)


def finding(
    decision: Decision = "likely",
    *,
    label: str | None = "Conjunctivitis",
    side: Side = "left",
    prediction_set: tuple[str, ...] = ("Conjunctivitis",),
    reasons: tuple[str, ...] = ("The white of the eye is redder than usual.",),
    verdict: Verdict | None = "supported",
    cue: float = 0.25,
) -> EyeFinding:
    is_judged = decision in ("likely", "uncertain")
    scores = {"Cataract": 0.05, "Conjunctivitis": 0.8142, "Healthy": 0.1058, "Stye": 0.03}
    return EyeFinding(
        side=side,
        decision=decision,
        label=label if is_judged else None,
        scores=scores if is_judged else {},
        raw_scores=dict.fromkeys(scores, 0.25) if is_judged else {},
        prediction_set=prediction_set if is_judged else (),
        coverage=0.9,
        quality=quality(is_small=decision == "retake"),
        reasons=reasons,
        box=Box(10.04, 20, 100.26, 80),
        crop=CROP,
        heat_map=heat(verdict) if verdict and is_judged else None,
        cues={"sclera_redness": cue},
        experimental=("Stye",),
        frames_used=5,
        frames_rejected=2,
    )


def screening(
    left: EyeFinding | None,
    right: EyeFinding | None = None,
    *,
    scene: Scene = "face",
    reasons: tuple[str, ...] = (),
) -> Screening:
    return Screening(
        scene=scene,
        left=left,
        right=right,
        face=Box(0, 0, 200, 200) if scene == "face" else None,
        reasons=reasons,
        timings_ms={"faces": 3.14159},
        model="eyes-test 1.2.3",
        notice="Research demonstrator, not a medical device.",
    )
