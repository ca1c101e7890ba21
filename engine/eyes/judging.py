"""From the good frames of one eye to one finding: averaged scores, decision, reasons, heat map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from engine.eyes.classifier import HEALTHY, Classified, EyeClassifier, Ruling
from engine.eyes.quality import opening_mask
from engine.eyes.results import EyeFinding, HeatMap, Side
from engine.eyes.sighting import EyeSight
from engine.gradcam import checks
from engine.imaging.boxes import Box
from engine.inference.calibration import softmax

__all__ = ["Case", "HeatMaps", "Judge"]

CHECK_STEPS: Final = 4
"""Parts into which the deletion and insertion test cuts a picture: eight forward passes."""

SIZE_FOR_DISEASE_PX: Final = 80.0
"""Width of an eye, in pixels of its picture, from which a disease may be called likely. The model
learned from photographs taken from near (91 to 614 px in the 1st to 99th percentile); a webcam
from afar shows healthy eyes with reddish lids or a lamp in the pupil that it takes for ill."""

HIDDEN: Final = "The eye cannot be seen well: it may be closed or covered. Open it and try again."


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMaps:
    """Which heat maps are wanted: none, from the pass alone, or tested by deletion as well."""

    shown: bool = True
    tested: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What was seen of one eye.

    ``passing`` are the sights whose quality passed, the best first; all of them are averaged.
    ``rejected`` did not pass: shown when there are no others, never averaged. ``rejected_count``
    is how many did not pass in all.
    """

    side: Side
    passing: Sequence[EyeSight]
    rejected: Sequence[EyeSight]
    rejected_count: int


@final
class Judge:
    """Turns sights of one eye into a finding; holds no picture.

    Parameters
    ----------
    classifier
        The eye model.
    random_similarity
        Gives ``checks.head_randomisation`` of this model, measured once; ``None`` when the model
        has no heat maps.
    """

    def __init__(
        self, classifier: EyeClassifier, random_similarity: Callable[[], float | None]
    ) -> None:
        self._classifier = classifier
        self._random_similarity = random_similarity

    def judge(
        self, cases: Sequence[Case], *, in_face: bool, heat_maps: HeatMaps
    ) -> dict[Side, EyeFinding]:
        """Return the finding for each eye; all frames go through the network in one batch.

        Parameters
        ----------
        cases
            One for each eye.
        in_face
            Whether the eyes were found in a face. There, what does not look like an eye is one
            that is closed or covered; in a close-up it is no eye.
        heat_maps
            See :class:`HeatMaps`.
        """
        sights = [sight for case in cases for sight in case.passing]
        frames: list[Classified] = []
        if sights:
            frames = self._classifier.classify(
                np.stack([sight.crop.pixels for sight in sights]),
                eye_confidences=[sight.anatomy.eye_confidence for sight in sights],
            )
        findings: dict[Side, EyeFinding] = {}
        start = 0
        for case in cases:
            own = frames[start : start + len(case.passing)]
            start += len(case.passing)
            findings[case.side] = self._judged(case, own, in_face=in_face, heat_maps=heat_maps)
        return findings

    def _judged(
        self, case: Case, frames: list[Classified], *, in_face: bool, heat_maps: HeatMaps
    ) -> EyeFinding:
        if not frames:
            best = max(case.rejected, key=lambda sight: sight.quality.score)
            return self._unjudged(case.side, best, rejected_count=case.rejected_count)
        together = self._classifier.average(frames)
        best = case.passing[0]
        ruling = _not_from_afar(self._classifier.decide(together, cues=best.anatomy.cues), best)
        if ruling.decision == "not_an_eye" and in_face:
            rejected_count = case.rejected_count + len(frames)
            return self._unjudged(case.side, best, rejected_count=rejected_count)
        heat = None
        if heat_maps.shown and ruling.label is not None:
            heat = self._heat_map(best, frames[0], ruling.label, is_tested=heat_maps.tested)
        is_eye = ruling.label is not None
        return EyeFinding(
            side=case.side,
            decision=ruling.decision,
            label=ruling.label,
            scores=together.calibrated if is_eye else {},
            raw_scores=together.raw if is_eye else {},
            prediction_set=together.prediction_set if is_eye else (),
            coverage=self._classifier.coverage,
            quality=best.quality,
            reasons=ruling.reasons,
            box=best.crop.box,
            crop=best.crop.pixels,
            heat_map=heat,
            cues=best.anatomy.cues,
            experimental=self._classifier.experimental,
            frames_used=len(frames),
            frames_rejected=case.rejected_count,
        )

    def _unjudged(self, side: Side, best: EyeSight, *, rejected_count: int) -> EyeFinding:
        return EyeFinding(
            side=side,
            decision="retake",
            label=None,
            scores={},
            raw_scores={},
            prediction_set=(),
            coverage=self._classifier.coverage,
            quality=best.quality,
            reasons=best.quality.advice or (HIDDEN,),
            box=best.crop.box,
            crop=best.crop.pixels,
            cues=best.anatomy.cues,
            experimental=self._classifier.experimental,
            frames_used=0,
            frames_rejected=rejected_count,
        )

    def _heat_map(
        self, sight: EyeSight, frame: Classified, label: str, *, is_tested: bool
    ) -> HeatMap | None:
        crop = sight.crop.pixels
        height, width = crop.shape[:2]
        maps = self._classifier.heat_maps([frame], [label], height=height, width=width)
        if maps is None:
            return None
        values = maps[0]
        cell_px = width / frame.features.shape[2] if frame.features is not None else 0.0
        region = _eye_region(crop.shape, sight.anatomy.opening, reach_px=cell_px / 2)
        inside = checks.energy_inside(values, region)
        judgement = checks.verdict(
            inside=inside,
            eye_share=float(region.mean()),
            is_empty=not values.any(),
            effect=self._effect(crop, values, label) if is_tested else None,
            random_similarity=self._random_similarity(),
        )
        return HeatMap(
            values=values, verdict=judgement.verdict, reason=judgement.reason, inside=inside
        )

    def _effect(self, crop: NDArray[np.uint8], values: NDArray[np.float32], label: str) -> float:
        index = self._classifier.classes.index(label)

        def predict(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
            probabilities: NDArray[np.float64] = softmax(self._classifier.logits_of(pictures))
            return probabilities[:, index]

        return checks.deletion_insertion(predict, crop, values, steps=CHECK_STEPS).effect


def _eye_region(
    shape: tuple[int, ...], opening: Box | None, *, reach_px: float
) -> NDArray[np.bool_]:
    """Return the opening with its rims: a map of few cells cannot be sharper than half a cell."""
    if opening is None:
        return opening_mask(shape, None)
    return opening_mask(shape, opening.padded(x=reach_px, y=reach_px))


def _not_from_afar(ruling: Ruling, best: EyeSight) -> Ruling:
    """Turn a likely disease into "uncertain" when the eye is small in its picture."""
    width_px = best.crop.scale_px
    is_disease = ruling.label is not None and ruling.label.casefold() != HEALTHY.casefold()
    if ruling.decision != "likely" or not is_disease or width_px >= SIZE_FOR_DISEASE_PX:
        return ruling
    reason = (
        f"The eye is {width_px:.0f} px wide; {ruling.label} is only called likely from "
        f"{SIZE_FOR_DISEASE_PX:.0f} px on. Come closer."
    )
    return replace(ruling, decision="uncertain", reasons=(reason,))
