"""Findings as JSON: the one place that turns the frozen records of the spine into documents.

Every number is a plain Python number, rounded to what it is worth; none is NaN or infinite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from engine.imaging.volume_files.results import SeriesNote
from engine.spine.audit import Alternative, Correction, NumberingAudit
from engine.spine.results import Detection, Findings, FoundVertebra, Grid, ReadFacts
from engine.spine.vertebrae import Point

__all__ = [
    "CONFIDENCE_MEANING",
    "DISCLAIMER",
    "Document",
    "detection_json",
    "findings_json",
    "series_json",
]

Document = dict[str, Any]

CONFIDENCE_MEANING = (
    "Estimated probability that this object is one vertebra and carries its right name: the "
    "probability of its level given all that is in view (landmarks, sizes, distances), times the "
    "model's own confidence in the object and its agreement over repetitions where it was tried."
)
"""What ``confidence`` means; the JSON, the page and the README say it in these words."""

DISCLAIMER = (
    "Not a medical device: for research and demonstration. A vertebra that is not listed may "
    "still be there, and a level has to be counted by a person before anything is done to it."
)


def detection_json(detection: Detection) -> Document:
    """Return a detection as ``/detect_vertebrae`` answers it; see :func:`findings_json`."""
    return findings_json(detection, detection.grid)


def findings_json(findings: Findings, grid: Grid) -> Document:
    """Return findings as a document.

    ``center`` and ``bounds`` are voxels of the uploaded array (x, y, z along its axes i, j, k;
    the maxima inclusive), ``center_mm`` and ``bounds_mm`` RAS+ patient millimetres.
    """
    return {
        "success": True,
        "vertebrae": [_vertebra(found) for found in findings.found],
        "audit": _audit(findings.audit, findings.found),
        "landmarks": _landmarks(findings),
        "backend": findings.backend,
        "model": findings.model,
        "task": findings.task,
        "shift": findings.shift,
        "input": _input(findings.facts, grid),
        "processing_time_ms": round(sum(findings.timings_ms.values())),
        "timings_ms": {name: round(ms, 1) for name, ms in findings.timings_ms.items()},
        "confidence_meaning": CONFIDENCE_MEANING,
        "notes": list(findings.notes),
        "disclaimer": DISCLAIMER,
    }


def series_json(note: SeriesNote) -> Document:
    """Return a series as a document."""
    return {
        "description": note.description,
        "slices": note.slices,
        "reason": note.reason,
        "is_usable": note.is_usable,
    }


def _vertebra(found: FoundVertebra) -> Document:
    vertebra = found.vertebra
    bounds = vertebra.bounds_mm or (vertebra.centre_mm, vertebra.centre_mm)
    return {
        "label": vertebra.label,
        "code": found.code,
        "center": _xyz(found.centre_voxel, 2),
        "bounds": {
            "min": dict(zip("xyz", found.bounds_voxel[0], strict=True)),
            "max": dict(zip("xyz", found.bounds_voxel[1], strict=True)),
        },
        "center_mm": _xyz(vertebra.centre_mm, 2),
        "bounds_mm": {"min": _xyz(bounds[0], 2), "max": _xyz(bounds[1], 2)},
        "volume_ml": _rounded(vertebra.volume_ml, 2),
        "height_mm": _rounded(vertebra.height_mm, 1),
        "mean_hu": _rounded(vertebra.mean_hu, 1),
        "confidence": _rounded(vertebra.confidence, 3),
        "truncated": vertebra.truncated,
        "flags": list(vertebra.flags),
    }


def _audit(audit: NumberingAudit, found: Sequence[FoundVertebra]) -> Document:
    names = [one.label for one in found]
    return {
        "verdict": audit.verdict,
        "probability": _rounded(audit.probability, 3),
        "sentences": list(audit.sentences),
        "issues": [
            {
                "kind": issue.kind,
                "severity": issue.severity,
                "vertebrae": [names[index] for index in issue.indices],
                "indices": list(issue.indices),
                "sentence": issue.sentence,
            }
            for issue in audit.issues
        ],
        "alternatives": [_alternative(one) for one in audit.alternatives],
        "anchors": [
            {"name": one.name, "agrees": one.agrees, "sentence": one.sentence}
            for one in audit.anchors
        ],
        "correction": _correction(audit.correction),
    }


def _alternative(alternative: Alternative) -> Document:
    return {
        "labels": list(alternative.labels),
        "probability": _rounded(alternative.probability, 3),
        "shift": alternative.shift,
        "variant": alternative.variant,
        "sentence": alternative.sentence,
    }


def _correction(correction: Correction | None) -> Document | None:
    if correction is None:
        return None
    return {
        "labels": list(correction.labels),
        "axes": list(correction.axes),
        "remove": list(correction.remove),
        "merged": list(correction.merged),
        "split": [list(group) for group in correction.split],
        "missing": list(correction.missing),
        "sentence": correction.sentence,
    }


def _landmarks(findings: Findings) -> Document:
    anchors = findings.anchors
    points = {
        "sacrum": anchors.sacrum_mm,
        "dens": anchors.dens_mm,
        "skull": anchors.skull_mm,
        "liver": anchors.liver_mm,
    }
    return {
        **{name: None if point is None else _xyz(point, 2) for name, point in points.items()},
        "rib_heads": [_xyz(point, 2) for point in anchors.rib_heads_mm],
        "ribs_looked_for": anchors.ribs_looked_for,
    }


def _input(facts: ReadFacts, grid: Grid) -> Document:
    return {
        "kind": facts.kind,
        "shape": list(grid.shape),
        "spacing_mm": [_rounded(step, 4) for step in grid.spacing_mm],
        "axis_codes": "".join(grid.axis_codes),
        "frame": facts.frame,
        "series": series_json(facts.series),
        "other_series": [series_json(other) for other in facts.others],
        "removed_headers": list(facts.removed),
        "warnings": list(facts.warnings),
    }


def _xyz(point: Point, digits: int) -> Document:
    return {axis: _rounded(value, digits) for axis, value in zip("xyz", point, strict=True)}


def _rounded(value: float | None, digits: int) -> float | None:
    """Return a plain float for JSON; None for what was not measured or is no number.

    >>> _rounded(-0.0001, 2), _rounded(None, 2), _rounded(float("nan"), 2)
    (0.0, None, None)
    """
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), digits) + 0.0  # -0.0 becomes 0.0
