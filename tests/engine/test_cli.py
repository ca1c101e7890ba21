"""The command line: one JSON document on standard output, and exit codes that scripts rely on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from engine.cli import main

EYE_KEYS = {"best_prediction", "decision", "reasons", "prediction_set", "quality"}


@pytest.fixture(scope="module")
def face_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A portrait with two visible eyes, from an installed package, as near as a webcam's."""
    path = tmp_path_factory.mktemp("faces") / "portrait.png"
    Image.fromarray(data.astronaut()[20:260, 90:410]).resize((960, 720)).save(path)
    return path


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict]:
    code = main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_portrait_gives_both_eyes(face_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON document with an answer for each eye of a face, and exit code 0."""
    code, document = run_json(capsys, "eyes", str(face_file))
    (result,) = document["results"]
    assert code == 0
    assert result["file"] == str(face_file)
    for key in ("left_eye", "right_eye"):
        assert set(result[key]) >= EYE_KEYS
        assert result[key]["decision"] in {"likely", "uncertain", "retake"}
        assert "image_preview" not in result[key]


def test_scores_are_percent_that_sum_to_one_hundred(
    face_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``average_scores`` holds the contract's four classes in percent."""
    _, document = run_json(capsys, "eyes", str(face_file))
    scores = document["results"][0]["left_eye"]["average_scores"]
    assert set(scores) == {"Cataract", "Conjunctivitis", "Healthy", "Stye"}
    assert sum(scores.values()) == pytest.approx(100, abs=0.3)


def test_left_and_right_are_the_persons_own(
    face_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a photograph the person's right eye lies further left; mirrored, it is the other way."""

    def middles(*more: str) -> tuple[float, float]:
        _, document = run_json(capsys, "eyes", str(face_file), *more)
        result = document["results"][0]
        boxes = [result[key]["box"] for key in ("left_eye", "right_eye")]
        return boxes[0]["x"] + boxes[0]["w"] / 2, boxes[1]["x"] + boxes[1]["w"] / 2

    left, right = middles()
    assert right < left
    left, right = middles("--mirrored")
    assert left < right


def test_previews_are_written_beside_each_other(
    face_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--previews DIR`` writes the crop of each eye as a PNG that opens."""
    code = main(["eyes", str(face_file), "--previews", str(tmp_path / "out"), "--json"])
    capsys.readouterr()
    assert code == 0
    for side in ("left", "right"):
        with Image.open(tmp_path / "out" / f"portrait_{side}_eye.png") as crop:
            assert crop.mode == "RGB"


def test_the_text_form_names_decision_and_reasons(
    face_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without ``--json`` a person reads file, eye, decision."""
    assert main(["eyes", str(face_file)]) == 0
    said = capsys.readouterr().out
    assert "portrait.png" in said
    assert "left eye:" in said
    assert "right eye:" in said


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("empty.png", b"", "bad_picture"),
        ("text.jpg", b"not a picture at all", "bad_picture"),
        ("page.png", b"<html><body>hello</body></html>", "bad_picture"),
    ],
)
def test_a_bad_file_has_exit_code_two_and_a_sentence(
    name: str, content: bytes, code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bad input is told in the document; it does not stop the others."""
    (tmp_path / name).write_bytes(content)
    exit_code, document = run_json(capsys, "eyes", str(tmp_path / name))
    assert exit_code == 2
    assert document["results"][0]["error"]["code"] == code
    assert len(document["results"][0]["error"]["message"]) > 20


def test_a_missing_file_does_not_stop_the_others(
    face_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two files, one of them missing: one answer, one error, exit code 2."""
    code, document = run_json(capsys, "eyes", str(tmp_path / "gone.png"), str(face_file))
    assert code == 2
    assert "error" in document["results"][0]
    assert "left_eye" in document["results"][1]


def test_a_picture_without_an_eye_is_not_a_disease(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Grey noise is "Not Detected", and that is an answer: exit code 0."""
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    code, document = run_json(capsys, "eyes", str(tmp_path / "noise.png"))
    assert code == 0
    for key in ("left_eye", "right_eye"):
        assert document["results"][0][key]["best_prediction"] == "Not Detected"


def test_a_bad_setting_is_our_users_to_mend(
    face_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong setting ends with a sentence on standard error, never a traceback."""
    monkeypatch.setenv("LIGHTBOX_PORT", "many")
    assert main(["eyes", str(face_file)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "LIGHTBOX_PORT" in captured.err


def test_doctor_runs_what_it_reports_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every check of ``lightbox doctor`` passes here and names what it saw."""
    monkeypatch.setenv("LIGHTBOX_HOME", str(tmp_path))
    code, report = run_json(capsys, "doctor")
    assert code == 0, report
    assert report["healthy"] is True
    assert {check["name"] for check in report["checks"]} >= {"libraries", "memory", "eye check"}


def test_doctor_fails_when_the_eye_model_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model folder that is not there is found by the doctor, not by the first visitor."""
    monkeypatch.setenv("LIGHTBOX_HOME", str(tmp_path))
    monkeypatch.setenv("LIGHTBOX_EYE_MODEL", str(tmp_path / "no-model"))
    code, report = run_json(capsys, "doctor")
    assert code == 1
    (check,) = [check for check in report["checks"] if check["name"] == "eye check"]
    assert check["ok"] is False
    assert "no-model" in check["detail"]


def test_serve_stops_at_once_when_the_model_is_not_the_one_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong model folder ends the start with a sentence and exit code 1, not with a server."""
    monkeypatch.setenv("LIGHTBOX_HOME", str(tmp_path))
    monkeypatch.setenv("LIGHTBOX_EYE_MODEL", str(tmp_path / "no-model"))
    assert main(["serve", "--port", "1"]) == 1
    assert "no-model" in capsys.readouterr().err
