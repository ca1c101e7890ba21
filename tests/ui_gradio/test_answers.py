"""The same answers through every door, on a real server with a stand-in for the models."""

from __future__ import annotations

import base64
from pathlib import Path

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file

from engine.imaging import pictures
from tests.ui_gradio.serving import COLOURS, EyeServer, png, uri

SIDES = ("left_eye", "right_eye")


def upload_plain(eyes: EyeServer, colour: str) -> dict:
    return httpx.post(f"{eyes.url}/upload", json={"image": uri(colour)}, timeout=30).json()


def upload_bare(eyes: EyeServer, colour: str) -> dict:
    return httpx.post(f"{eyes.url}/upload", json=uri(colour), timeout=30).json()


def upload_form(eyes: EyeServer, colour: str) -> dict:
    files = {"file": ("eye.png", png(colour))}
    return httpx.post(f"{eyes.url}/upload", files=files, timeout=30).json()


def upload_called(eyes: EyeServer, colour: str) -> dict:
    kind, data = eyes.call("upload", {"url": uri(colour)})
    assert kind == "complete"
    return data[0]


def predict_plain(eyes: EyeServer, colour: str) -> dict:
    frames = [{"image": uri(colour), "score": 0.95, "blur": 0.02, "box": dict.fromkeys("xywh", 1)}]
    answer = httpx.post(f"{eyes.url}/predict", json=frames, timeout=30).json()
    assert answer["status_code"] == 200
    return answer["body"]


def predict_named(eyes: EyeServer, colour: str) -> dict:
    body = {"frames": [{"image": uri(colour)}]}
    return httpx.post(f"{eyes.url}/predict", json=body, timeout=30).json()["body"]


def predict_called(eyes: EyeServer, colour: str) -> dict:
    kind, data = eyes.call("predict", [{"image": uri(colour)}])
    assert kind == "complete"
    assert data[0]["status_code"] == 200
    return data[0]["body"]


DOORS = (
    upload_plain,
    upload_bare,
    upload_form,
    upload_called,
    predict_plain,
    predict_named,
    predict_called,
)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
@pytest.mark.parametrize(
    ("colour", "best", "decision"),
    [
        ("red", "Conjunctivitis", "likely"),
        ("blue", "Cataract", "uncertain"),
        ("white", "Retake", "retake"),
        ("black", "Not Detected", "not_an_eye"),
    ],
)
def test_every_door_gives_the_answer_of_the_contract(
    eyes: EyeServer, door, colour: str, best: str, decision: str
) -> None:
    """Both eyes, the older service's fields, our decision; scores only where there is an answer."""
    answer = door(eyes, colour)
    for side in SIDES:
        eye = answer[side]
        assert (eye["best_prediction"], eye["decision"]) == (best, decision)
        assert ("average_scores" in eye) == (decision in {"likely", "uncertain"})
        assert eye["reasons"]
    assert "not a medical device" in answer["notice"]


def test_scores_are_percent_and_previews_are_pictures(eyes: EyeServer) -> None:
    """Four classes that sum to 100; crop, heat overlay and heat layer decode."""
    eye = upload_plain(eyes, "red")["left_eye"]
    assert set(eye["average_scores"]) == {"Cataract", "Conjunctivitis", "Healthy", "Stye"}
    assert sum(eye["average_scores"].values()) == pytest.approx(100, abs=0.1)
    assert pictures.decode_data_uri(eye["image_preview"]).shape == (128, 144, 3)
    assert pictures.decode_data_uri(eye["grad_cam_preview"]).shape == (128, 144, 3)
    assert eye["heat_map"]["layer"].startswith("data:image/png;base64,")
    assert eye["experimental"] == ["Stye"]


def test_pixels_arrive_without_loss(eyes: EyeServer) -> None:
    """Random noise through a data URI, a form and Gradio reaches the engine bit by bit."""
    noise = np.random.default_rng(7).integers(0, 256, (50, 60, 3), np.uint8)
    data = pictures.encode_png(noise)
    text = "data:image/png;base64," + base64.b64encode(data).decode()
    httpx.post(f"{eyes.url}/upload", json={"image": text}, timeout=30).raise_for_status()
    httpx.post(f"{eyes.url}/upload", files={"file": data}, timeout=30).raise_for_status()
    eyes.call("upload", text)
    for seen in eyes.screener.seen[-3:]:
        np.testing.assert_array_equal(seen, noise)


def test_gradio_client_uploads_a_file(eyes: EyeServer, tmp_path: Path) -> None:
    """handle_file works, by position and by name, with the report on request."""
    path = tmp_path / "eye.png"
    path.write_bytes(png("green"))
    client = Client(eyes.page, verbose=False)
    answer = client.predict(image=handle_file(path), api_name="/upload")
    assert answer["left_eye"]["best_prediction"] == "Healthy"
    assert "report" not in answer
    with_report = client.predict(handle_file(path), True, api_name="/upload")
    assert with_report["report"].startswith("<!doctype html>")


def test_gradio_client_predicts_from_frames(eyes: EyeServer) -> None:
    """A list of frames with all fields of the older service."""
    client = Client(eyes.page, verbose=False)
    frame = {
        "image": uri("red"),
        "score": 0.9,
        "blur": 0.1,
        "box": {"x": 1, "y": 2, "w": 3, "h": 4},
    }
    answer = client.predict(frames=[frame, frame], api_name="/predict")
    assert answer["body"]["right_eye"]["best_prediction"] == "Conjunctivitis"


def test_a_named_call_of_version_two(eyes: EyeServer) -> None:
    """Gradio's newer protocol takes parameters by name."""
    with httpx.Client(base_url=eyes.page, timeout=30) as client:
        joined = client.post("gradio_api/call/v2/upload", json={"image": uri("red")})
        text = client.get(f"gradio_api/call/upload/{joined.json()['event_id']}").text
    assert "event: complete" in text
    assert "Conjunctivitis" in text


def test_a_stream_of_frames_ends_with_the_result(eyes: EyeServer) -> None:
    """Five frames: boxes, a coach line and progress each time, and the result with the fifth."""
    session, answers = "", []
    for _ in range(5):
        kind, data = eyes.call("screen_frame", uri("green"), session)
        assert kind == "complete"
        answers.append(data[0])
        session = data[0]["session"]
    assert [answer["progress"]["left"] for answer in answers] == [1, 2, 3, 4, 5]
    assert all(answer["needed"] == 5 and answer["coach"] for answer in answers)
    assert set(answers[0]["eyes"]) == {"left", "right"}
    assert set(answers[0]["face"]) == {"x", "y", "w", "h"}
    assert ["result" in answer for answer in answers] == [False] * 4 + [True]
    assert answers[-1]["result"]["left_eye"]["best_prediction"] == "Healthy"


def test_a_finished_stream_is_gone(eyes: EyeServer) -> None:
    """Who asks for the result early gets it; afterwards the name opens nothing."""
    _, first = eyes.call("screen_frame", uri("green"))
    session = first[0]["session"]
    _, last = eyes.call("screen_frame", uri("green"), session, True)
    assert last[0]["result"]["left_eye"]["decision"] == "likely"
    kind, error = eyes.call("screen_frame", uri("green"), session)
    assert kind == "error"
    assert "names no open stream" in error["error"]


def test_health_is_the_same_at_both_doors(eyes: EyeServer) -> None:
    """Status, versions and models."""
    plain = httpx.get(f"{eyes.url}/health", timeout=30).json()
    _, data = eyes.call("health")
    assert plain["status"] == data[0]["status"] == "ok"
    assert {"version", "gradio", "models", "memory", "requests"} <= set(plain)


def test_callers_at_the_same_time_get_their_own_answer(eyes: EyeServer) -> None:
    """Sixteen callers with four colours: nothing is mixed up."""
    from concurrent.futures import ThreadPoolExecutor

    expected = {"red": "Conjunctivitis", "green": "Healthy", "blue": "Cataract", "white": "Retake"}
    colours = [colour for colour in COLOURS if colour in expected] * 4
    doors = (upload_called, upload_form)
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(
                lambda pair: doors[pair[0] % 2](eyes, pair[1]), list(enumerate(colours)), timeout=60
            )
        )
    found = [answer["left_eye"]["best_prediction"] for answer in answers]
    assert found == [expected[colour] for colour in colours]
