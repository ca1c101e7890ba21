"""Bad input gets a sentence and a 4xx, and nothing is left anywhere."""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path

import httpx
import pytest
from gradio_client import Client

from engine import errors
from tests.ui_gradio.serving import EyeServer, png, serving, uri
from tests.ui_gradio.stand_ins import StandInScreener

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def as_uri(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64," + base64.b64encode(data).decode()


UPLOADS = [
    ({}, 422, "'image' is missing"),
    ({"imaje": uri()}, 422, "'imaje' is not a parameter of upload"),
    ({"image": 5}, 422, "'image' must be a data URI"),
    ({"image": None}, 422, "missing or null"),
    ({"image": ""}, 422, "is empty"),
    ({"image": []}, 422, "is empty"),
    ({"image": {"name": "x"}}, 422, "'url' with a data URI"),
    ({"image": uri(), "report": "yes"}, 422, "'report' must be true or false, but is a text"),
    ({"image": "http://127.0.0.1/x.png"}, 422, "Addresses are not fetched"),
    ({"image": "/etc/passwd"}, 422, "image: Expected a picture as text"),
    ({"image": "upload:guess"}, 422, "upload the file again"),
    ({"image": as_uri(SVG)}, 400, "image: "),
    ({"image": as_uri(b"<html>")}, 400, "image: "),
    ({"image": as_uri(b"PK\x03\x04zip", "image/jpeg")}, 400, "image: "),
    ({"image": as_uri(png()[:-20])}, 400, "image: "),
    ({"image": "data:image/png;base64,!!!"}, 422, "image: "),
]
FRAMES = [
    ([], 422, "'frames' must be a list with at least one frame"),
    ("x", 422, "'frames' must be a list"),
    ([1], 422, r"'frames\[0\]' must be an object"),
    ([{"score": 1}], 422, r"'frames\[0\].image' must be a data URI"),
    ([{"image": uri(), "colour": 1}], 422, r"'frames\[0\].colour' is not known"),
    ([{"image": uri(), "score": "high"}], 422, r"'frames\[0\].score' must be a number"),
    ([{"image": uri(), "box": [1, 2]}], 422, r"'frames\[0\].box' must be {x, y, w, h}"),
    ([{"image": uri(), "box": {"x": 1}}], 422, r"'frames\[0\].box.y' must be a number"),
    ([{"image": uri()}] * 33, 422, "33 frames but at most 32"),
    ([{"image": uri()}, {"image": as_uri(SVG)}], 400, r"frames\[1\].image: "),
]


def words(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"]
    assert error["message"].endswith(".")
    return error["message"]


@pytest.mark.parametrize(("body", "status", "sentence"), UPLOADS)
def test_a_bad_upload_gets_a_sentence(
    eyes: EyeServer, body: dict, status: int, sentence: str
) -> None:
    """Names, types and bytes at the plain route."""
    answer = httpx.post(f"{eyes.url}/upload", json=body, timeout=30)
    assert sentence in words(answer, status)


@pytest.mark.parametrize(("frames", "status", "sentence"), FRAMES)
def test_bad_frames_get_a_sentence(
    eyes: EyeServer, frames: object, status: int, sentence: str
) -> None:
    """Names, types and bytes of frames; the sentence names the frame and the field."""
    answer = httpx.post(f"{eyes.url}/predict", json=frames, timeout=30)
    assert sentence.replace("\\", "") in words(answer, status)


@pytest.mark.parametrize(("body", "status", "sentence"), UPLOADS)
def test_gradio_s_endpoint_says_the_same(
    eyes: EyeServer, body: dict, status: int, sentence: str
) -> None:
    """Wrong names and types are a 422 there too, not a 500; bad bytes come as an error event."""
    with httpx.Client(base_url=eyes.page, timeout=30) as client:
        joined = client.post("gradio_api/call/v2/upload", json=body)
        if joined.status_code != 200:
            assert sentence in words(joined, status)
            return
        text = client.get(f"gradio_api/call/upload/{joined.json()['event_id']}").text
    error = json.loads(text.rpartition("event: error\ndata: ")[2])
    assert sentence in error["error"]
    assert error["title"] in {"bad_picture", "bad_request"}
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("call/upload", {}, "'data' must be a list"),
        ("call/upload", {"data": []}, "'image' is missing"),
        ("call/upload", {"data": [uri(), True, 1]}, "has 3 values, but upload takes image, report"),
        (
            "call/upload",
            {"data": [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]},
            "names a file that was not uploaded here",
        ),
        ("call/upload", {"data": [{"url": "http://127.0.0.1/x.png"}]}, "Addresses are not fetched"),
        ("call/nothing", {"data": []}, "There is no endpoint 'nothing'"),
        ("call/predict", {"data": [[{"image": uri(), "path": "/etc/passwd"}]]}, "is not known"),
        ("call/health", {"data": [1]}, "health takes no parameters"),
        ("queue/join", {"data": [], "fn_index": 99, "session_hash": "a"}, "no endpoint 99"),
        ("queue/join", {"data": [5], "fn_index": 1, "session_hash": "a"}, "'image' must be"),
    ],
)
def test_gradio_s_protocol_is_checked_before_the_queue(
    eyes: EyeServer, path: str, body: dict, sentence: str
) -> None:
    """Counts, types, file paths and unknown endpoints end with 422."""
    answer = httpx.post(f"{eyes.page}gradio_api/{path}", json=body, timeout=30)
    assert sentence in words(answer, 422)


@pytest.mark.parametrize("body", [b"", b"{", b"[1", b"\xff\xfe", b"[" * 100_000])
@pytest.mark.parametrize("path", ["upload", "predict", "eyes/gradio_api/call/upload"])
def test_a_body_that_is_no_json_gets_a_sentence(eyes: EyeServer, path: str, body: bytes) -> None:
    """Empty, cut off, not text, too deep."""
    answer = httpx.post(f"{eyes.url}/{path}", content=body, timeout=30)
    assert "The body must be JSON" in words(answer, 422)


def test_a_form_without_a_file_gets_a_sentence(eyes: EyeServer) -> None:
    """A form field is not a file."""
    answer = httpx.post(
        f"{eyes.url}/upload",
        content=b'--e\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--e--\r\n',
        headers={"Content-Type": "multipart/form-data; boundary=e"},
        timeout=30,
    )
    assert "no file in it" in words(answer, 422)


def test_gradio_client_shows_our_sentence(eyes: EyeServer) -> None:
    """The library raises with the words of the engine."""
    client = Client(eyes.page, verbose=False)
    with pytest.raises(Exception, match=r"image: .*picture"):
        client.predict(image=as_uri(SVG), api_name="/upload")
    with pytest.raises(Exception, match=r"'image' must be a data URI"):
        client.predict(image=5, api_name="/upload")


def test_too_long_is_refused_while_reading() -> None:
    """A body over the limit is a 413 at each door, with or without a declared length."""
    with serving(max_upload_mb=1) as eyes:
        long = b"x" * 4_000_000

        def chunks():
            yield from (long[:1_000_000] for _ in range(4))

        for path in ("upload", "predict", "eyes/gradio_api/call/upload"):
            for content in (long, chunks()):
                answer = httpx.post(f"{eyes.url}/{path}", content=content, timeout=30)
                assert "longer than the limit" in words(answer, 413)
        for path in ("upload", "eyes/gradio_api/upload"):
            answer = httpx.post(f"{eyes.url}/{path}", files={"files": long}, timeout=30)
            assert "longer than the limit" in words(answer, 413)


def test_too_many_pixels_are_refused() -> None:
    """A picture over the pixel limit is a 413, also when several frames add up to it."""
    with serving(max_megapixels=1) as eyes:
        big = uri(width=1200, height=1000)
        answer = httpx.post(f"{eyes.url}/upload", json={"image": big}, timeout=30)
        assert "1.2 megapixels" in words(answer, 413)
        half = {"image": uri(width=1000, height=600)}
        answer = httpx.post(f"{eyes.url}/predict", json=[half, half], timeout=30)
        assert "frames up to number 2" in words(answer, 413)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.MemoryShortError("Checking needs 90 MB, but 20 MB are free."), 507, "memory_short"),
        (ZeroDivisionError("private detail"), 500, "server_error"),
    ],
)
def test_our_own_faults_say_so_without_details(error: Exception, status: int, code: str) -> None:
    """Too little memory is a 507, a bug a 500 with one general sentence."""

    def fail() -> None:
        raise error

    with serving(StandInScreener(before=fail)) as eyes:
        answer = httpx.post(f"{eyes.url}/upload", json={"image": uri()}, timeout=30)
        kind, event = eyes.call("upload", uri())
    assert answer.json()["error"]["code"] == code
    assert "private detail" not in words(answer, status) + str(event)
    assert (kind, event["title"]) == ("error", code)


def test_nothing_is_left_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Good, bad, large and broken requests through every door leave no file behind."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    (tmp_path / "gradio").mkdir()
    before = set(Path("/tmp").iterdir())
    with serving() as eyes, httpx.Client(base_url=eyes.page, timeout=30) as client:
        for data in (png(width=900, height=900), SVG, b"", png()[:-9]):
            httpx.post(f"{eyes.url}/upload", files={"file": data}, timeout=30)
            httpx.post(f"{eyes.url}/upload", json={"image": as_uri(data)}, timeout=30)
            eyes.call("upload", as_uri(data))
            client.post("gradio_api/upload", files={"files": data})
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    new = {path for path in set(Path("/tmp").iterdir()) - before if "gradio" in path.name.lower()}
    assert new == set()
