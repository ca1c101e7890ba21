"""The JSON of a detection: exact fields, plain numbers, nothing that JSON cannot say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.imaging.volume_files.results import SeriesNote
from engine.spine.detecting import detect
from engine.spine.documents import CONFIDENCE_MEANING, detection_json
from engine.spine.results import Detection
from tests.engine.spine.oracle import OracleSegmenter, coded_volume, lumbar_phantom, read_of

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def detection() -> Detection:
    """The lumbar phantom through the oracle, from a file with a story."""
    other = SeriesNote(description="scout", slices=2, reason="no volume", is_usable=False)
    read = replace(
        read_of(coded_volume(lumbar_phantom())),
        others=(other,),
        removed=("Patient's Name",),
        warnings=("Uneven.",),
    )
    return detect(read, OracleSegmenter())


def test_a_vertebra_has_the_fields_of_the_older_service_and_more(detection: Detection) -> None:
    """``label``, ``center``, ``confidence`` and ``bounds`` in voxels as before; mm and measures."""
    vertebra = detection_json(detection)["vertebrae"][3]
    assert set(vertebra) == {
        "label", "code", "center", "bounds", "center_mm", "bounds_mm", "volume_ml", "height_mm",
        "mean_hu", "confidence", "truncated", "flags",
    }  # fmt: skip
    for point in (vertebra["center"], vertebra["center_mm"], *vertebra["bounds"].values()):
        assert set(point) == {"x", "y", "z"}
    assert all(isinstance(value, int) for value in vertebra["bounds"]["min"].values())
    assert 0.0 <= vertebra["confidence"] <= 1.0


def test_the_document_says_all_that_a_reader_needs(detection: Detection) -> None:
    """Audit, landmarks, input, times, meaning, disclaimer: the fields that callers rely on."""
    document = detection_json(detection)
    assert set(document) == {
        "success", "vertebrae", "audit", "landmarks", "backend", "model", "task", "shift", "input",
        "processing_time_ms", "timings_ms", "confidence_meaning", "notes", "disclaimer",
    }  # fmt: skip
    assert document["success"] is True
    assert set(document["audit"]) == {
        "verdict", "probability", "sentences", "issues", "alternatives", "anchors", "correction",
    }  # fmt: skip
    assert set(document["landmarks"]) == {
        "sacrum", "dens", "skull", "liver", "rib_heads", "ribs_looked_for",
    }  # fmt: skip
    assert document["input"] == {
        "kind": "nifti",
        "shape": [45, 45, 64],
        "spacing_mm": [4.0, 4.0, 4.0],
        "axis_codes": "RAS",
        "frame": "array indices (i, j, k) of the NIfTI file, from 0",
        "series": {"description": "a phantom", "slices": 64, "reason": "", "is_usable": True},
        "other_series": [
            {"description": "scout", "slices": 2, "reason": "no volume", "is_usable": False}
        ],
        "removed_headers": ["Patient's Name"],
        "warnings": ["Uneven."],
    }
    assert document["confidence_meaning"] == CONFIDENCE_MEANING


def test_json_can_say_it_all(detection: Detection) -> None:
    """No NumPy number, no NaN: the strict encoder takes it and gives it back."""
    document = detection_json(detection)
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_what_is_no_number_becomes_null(detection: Detection) -> None:
    """A mean of NaN HU, or none, is null."""
    first = detection.found[0]
    odd = replace(first.vertebra, mean_hu=float("nan"), height_mm=None)
    found = (replace(first, vertebra=odd), *detection.found[1:])
    document = detection_json(replace(detection, found=found))
    vertebra = document["vertebrae"][0]
    assert vertebra["mean_hu"] is None
    assert vertebra["height_mm"] is None
    json.dumps(document, allow_nan=False)


def test_numpy_numbers_become_plain_ones(detection: Detection) -> None:
    """Whatever a backend hands over, the document holds Python's own numbers."""
    first = detection.found[0]
    odd = replace(first.vertebra, mean_hu=np.float32(12.5), confidence=np.float64(0.5))
    found = (replace(first, vertebra=odd), *detection.found[1:])
    document = detection_json(replace(detection, found=found))
    vertebra = document["vertebrae"][0]
    assert type(vertebra["mean_hu"]) is float
    assert type(vertebra["confidence"]) is float


def test_issues_name_the_vertebrae_they_are_about(detection: Detection) -> None:
    """Indices point into ``vertebrae``; names stand beside them."""
    document = detection_json(detection)
    for issue in document["audit"]["issues"]:
        names = [document["vertebrae"][index]["label"] for index in issue["indices"]]
        assert issue["vertebrae"] == names
    assert any(issue["kind"] == "border" for issue in document["audit"]["issues"])


def test_the_readme_says_what_confidence_means() -> None:
    """In the very words of the JSON."""
    words = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert CONFIDENCE_MEANING in words
