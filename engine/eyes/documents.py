"""A screening as a plain document, ready for JSON: the one serialiser of pages, routes and CLI.

Field names are those of the older eye service; percent where it had percent. Numbers that do not
exist are ``None``, never NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine.eyes import wording
from engine.eyes.results import EyeFinding, EyeQuality, HeatMap, QualityMeasure, Screening, Side
from engine.imaging.boxes import Box

__all__ = ["Document", "box_json", "eye_json", "screening_json"]

Document = dict[str, Any]
"""What ``json.dumps(..., allow_nan=False)`` takes."""


def screening_json(
    screening: Screening, *, previews: bool = False, opacity: float = 0.45
) -> Document:
    """Return the document of a screening: ``left_eye``, ``right_eye`` and what holds for both.

    With ``previews`` each eye that was found carries ``image_preview`` and ``grad_cam_preview``
    as PNG data URIs; ``opacity`` (0..1) is that of the heat.
    """
    return {
        "left_eye": eye_json(
            screening.left, side="left", screening=screening, previews=previews, opacity=opacity
        ),
        "right_eye": eye_json(
            screening.right, side="right", screening=screening, previews=previews, opacity=opacity
        ),
        "scene": screening.scene,
        "face": None if screening.face is None else box_json(screening.face),
        "reasons": list(screening.reasons),
        "model": screening.model,
        "timings_ms": {name: _number(ms, 2) for name, ms in screening.timings_ms.items()},
        "notice": screening.notice,
    }


def eye_json(
    finding: EyeFinding | None,
    *,
    side: Side,
    screening: Screening | None = None,
    previews: bool = False,
    opacity: float = 0.45,
) -> Document:
    """Return the document of one eye; ``side`` names the place of an eye that is not there.

    =============  ======================================================================
    decision       document
    =============  ======================================================================
    likely,        ``best_prediction`` is the class with the highest calibrated score,
    uncertain      ``average_scores`` its percentages
    retake         ``best_prediction`` is ``Retake``; no scores
    not_an_eye     ``best_prediction`` is ``Not Detected``; only words and reasons. An eye
                   that the picture does not show reads the same
    =============  ======================================================================
    """
    if finding is None:
        return _absent(side, screening)
    document = _words(wording.words_for(finding))
    document["best_prediction"] = wording.best_prediction(finding)
    document["decision"] = finding.decision
    document["side"] = finding.side
    document["reasons"] = list(finding.reasons)
    if finding.decision == "not_an_eye":
        return document
    if finding.decision != "retake":
        document |= _scores(finding)
    document |= {
        "quality": _quality(finding.quality),
        "box": box_json(finding.box),
        "cues": {name: _number(value, 4) for name, value in finding.cues.items()},
        "heat_map": None if finding.heat_map is None else _heat_map(finding.heat_map),
        "frames_used": finding.frames_used,
        "frames_rejected": finding.frames_rejected,
    }
    return document | (_previews(finding, opacity=opacity) if previews else {})


def box_json(box: Box) -> Document:
    """Return a box as the services write it, in pixels of the picture."""
    return {
        "x": _number(box.x, 1),
        "y": _number(box.y, 1),
        "w": _number(box.width, 1),
        "h": _number(box.height, 1),
    }


def _absent(side: Side, screening: Screening | None) -> Document:
    words = wording.words_absent(side)
    reasons = [words.explanation]
    if screening is not None and screening.left is None and screening.right is None:
        reasons = list(screening.reasons) or reasons
    return {
        **_words(words),
        "best_prediction": wording.best_prediction(None),
        "decision": "not_an_eye",
        "side": side,
        "reasons": reasons,
    }


def _words(words: wording.Words) -> Document:
    return {
        "title": words.title,
        "explanation": words.explanation,
        "next_steps": list(words.next_steps),
    }


def _scores(finding: EyeFinding) -> Document:
    return {
        "average_scores": _percent(finding.scores),
        "raw_scores": _percent(finding.raw_scores),
        "prediction_set": list(finding.prediction_set),
        "coverage": _number(finding.coverage, 4),
        "experimental": list(finding.experimental),
    }


def _quality(quality: EyeQuality) -> Document:
    return {
        "score": _number(quality.score, 4),
        "passed": quality.passed,
        "measures": [_measure(measure) for measure in quality.measures],
    }


def _measure(measure: QualityMeasure) -> Document:
    return {
        "name": measure.name,
        "title": wording.measure_title(measure.name),
        "value": _number(measure.value, 4),
        "unit": measure.unit,
        "minimum": _number(measure.minimum, 4),
        "maximum": _number(measure.maximum, 4),
        "passed": measure.passed,
        "blocking": measure.blocking,
        "advice": measure.advice,
    }


def _heat_map(heat: HeatMap) -> Document:
    return {"verdict": heat.verdict, "reason": heat.reason, "inside": _number(heat.inside, 4)}


def _previews(finding: EyeFinding, *, opacity: float) -> Document:
    """Return crop and heat as PNG data URIs; a map that did not earn its place is left out."""
    from engine.imaging import overlays, pictures  # OpenCV, which a document alone does not need

    heat = finding.heat_map
    shown = None
    if heat is not None and heat.verdict != "not shown":
        shown = pictures.to_data_uri(overlays.heat_overlay(finding.crop, heat.values, opacity))
    return {"image_preview": pictures.to_data_uri(finding.crop), "grad_cam_preview": shown}


def _percent(scores: Mapping[str, float]) -> Document:
    return {name: _number(100 * share, 2) for name, share in scores.items()}


def _number(value: float | None, digits: int) -> float | None:
    """Return a plain float, rounded; None for what is not a number (JSON has no NaN)."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), digits)
