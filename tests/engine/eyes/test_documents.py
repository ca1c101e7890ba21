"""The JSON of a screening: shapes of the older service, percent, no NaN."""

from __future__ import annotations

import json

import numpy as np
import pytest

from engine.eyes import documents
from engine.imaging import overlays, pictures
from tests.engine.eyes.findings import CROP, finding, screening


def through_json(document: documents.Document) -> documents.Document:
    """Return the document as a client reads it; NaN and foreign types fail here."""
    return json.loads(json.dumps(document, allow_nan=False))


def test_scores_are_percent() -> None:
    """0.8142 is 81.42 percent, in the order of the classes."""
    eye = through_json(documents.screening_json(screening(finding())))["left_eye"]
    assert eye["average_scores"] == {
        "Cataract": 5.0,
        "Conjunctivitis": 81.42,
        "Healthy": 10.58,
        "Stye": 3.0,
    }
    assert list(eye["average_scores"]) == ["Cataract", "Conjunctivitis", "Healthy", "Stye"]
    assert set(eye["raw_scores"].values()) == {25.0}


def test_a_judged_eye_has_all_fields() -> None:
    """Every promised field is there, with the values of the finding."""
    eye = through_json(documents.screening_json(screening(finding())))["left_eye"]
    assert eye["best_prediction"] == "Conjunctivitis"
    assert eye["decision"] == "likely"
    assert eye["prediction_set"] == ["Conjunctivitis"]
    assert eye["coverage"] == 0.9
    assert eye["side"] == "left"
    assert eye["box"] == {"x": 10.0, "y": 20.0, "w": 100.3, "h": 80.0}
    assert eye["reasons"] == ["The white of the eye is redder than usual."]
    assert eye["heat_map"] == {
        "verdict": "supported",
        "reason": "Hiding it changes the score",
        "inside": 0.84,
    }
    assert eye["cues"] == {"sclera_redness": 0.25}
    assert eye["experimental"] == ["Stye"]
    assert (eye["frames_used"], eye["frames_rejected"]) == (5, 2)
    assert eye["quality"]["score"] == 0.8125
    assert eye["quality"]["passed"] is True
    assert eye["quality"]["measures"][0] == {
        "name": "size",
        "title": "Size of the eye",
        "value": 123.456,
        "unit": "px",
        "minimum": 40.0,
        "maximum": None,
        "passed": True,
        "blocking": True,
        "advice": "",
    }
    assert "image_preview" not in eye


def test_what_holds_for_both_eyes() -> None:
    """Model, notice, scene, face and timings stand beside the eyes."""
    document = through_json(documents.screening_json(screening(finding())))
    assert document["model"] == "eyes-test 1.2.3"
    assert "not a medical device" in document["notice"]
    assert document["scene"] == "face"
    assert document["face"] == {"x": 0.0, "y": 0.0, "w": 200.0, "h": 200.0}
    assert document["timings_ms"] == {"faces": 3.14}


def test_previews_are_pictures() -> None:
    """The previews are the crop itself and the crop under its heat, without loss."""
    found = finding()
    eye = documents.eye_json(found, side="left", previews=True, opacity=0.6)
    np.testing.assert_array_equal(CROP, pictures.decode_data_uri(eye["image_preview"]))
    laid = overlays.heat_overlay(CROP, found.heat_map.values, 0.6)
    np.testing.assert_array_equal(laid, pictures.decode_data_uri(eye["grad_cam_preview"]))


@pytest.mark.parametrize("verdict", ["not shown", None])
def test_a_map_that_did_not_earn_its_place_is_no_preview(verdict: str | None) -> None:
    """Without a believable map the field is there and empty."""
    eye = documents.eye_json(finding(verdict=verdict), side="left", previews=True)
    assert eye["grad_cam_preview"] is None
    assert eye["image_preview"].startswith("data:image/png;base64,")


def test_weak_maps_are_shown_with_their_verdict() -> None:
    """A weak map is shown; the verdict stands beside it."""
    eye = documents.eye_json(finding(verdict="weak"), side="left", previews=True)
    assert eye["heat_map"]["verdict"] == "weak"
    assert eye["grad_cam_preview"] is not None


def test_retake_has_no_scores() -> None:
    """An eye that could not be judged has advice instead of scores."""
    eye = through_json(documents.eye_json(finding("retake"), side="left"))
    assert eye["best_prediction"] == "Retake"
    assert eye["next_steps"] == ["Come closer."]
    assert not {"average_scores", "raw_scores", "prediction_set"} & set(eye)
    assert eye["quality"]["passed"] is False


@pytest.mark.parametrize("previews", [False, True])
def test_no_eye_has_words_only(previews: bool) -> None:
    """What is no eye gets neither scores, quality nor pictures."""
    found = finding("not_an_eye", side="unknown", reasons=("It looks like a drawing.",))
    eye = through_json(documents.eye_json(found, side="left", previews=previews))
    assert eye["best_prediction"] == "Not Detected"
    assert eye["decision"] == "not_an_eye"
    assert eye["reasons"] == ["It looks like a drawing."]
    assert set(eye) == {
        "best_prediction",
        "decision",
        "side",
        "reasons",
        "title",
        "explanation",
        "next_steps",
    }


def test_an_absent_eye_is_not_detected() -> None:
    """A close-up has no second eye: its place says so."""
    document = documents.screening_json(screening(finding(side="unknown"), scene="close_up"))
    right = through_json(document)["right_eye"]
    assert right["best_prediction"] == "Not Detected"
    assert right["decision"] == "not_an_eye"
    assert right["reasons"] == ["No right eye was found in the picture."]
    assert document["left_eye"]["side"] == "unknown"


def test_nothing_found_gives_the_reasons_of_the_whole() -> None:
    """When no eye was found, both places say why."""
    empty = screening(None, None, scene="nothing", reasons=("The picture is black.",))
    document = through_json(documents.screening_json(empty))
    assert document["left_eye"]["reasons"] == ["The picture is black."]
    assert document["right_eye"]["reasons"] == ["The picture is black."]
    assert document["face"] is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_do_not_exist_are_null(value: float) -> None:
    """JSON has no NaN and no infinity: they become null."""
    eye = through_json(documents.eye_json(finding(cue=value), side="left"))
    assert eye["cues"] == {"sclera_redness": None}


def test_numpy_numbers_become_plain() -> None:
    """Values that numpy computed do not break json.dumps."""
    eye = documents.eye_json(finding(cue=np.float32(0.5)), side="left")
    assert through_json(eye)["cues"] == {"sclera_redness": 0.5}
