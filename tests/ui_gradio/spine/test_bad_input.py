"""Whatever is sent, the answer is a sentence with a 4xx, never a server error."""

from __future__ import annotations

import random
import string

import httpx
import pytest

from tests.ui_gradio.spine.serving import SpineServer, serving_spine

FORM = {"Content-Type": "multipart/form-data; boundary=e"}


def words(answer: httpx.Response, status: int | None = None) -> str:
    """Return the sentence of an error, after looking at its shape."""
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text)
    if status is not None:
        assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"code", "message"}
    assert error["message"].endswith(".")
    return error["message"]


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("spine/runs", {}, 422, "either an 'upload' or an 'example'"),
        ("spine/runs", {"upload": "upload:x", "example": "lumbar"}, 422, "either"),
        ("spine/runs", {"upload": "upload:guess"}, 404, "upload the files again"),
        ("spine/runs", {"upload": 5}, 422, "'upload' must be a text"),
        ("spine/runs", {"upload": ["upload:x"]}, 422, "'upload' must be a text"),
        ("spine/runs", {"example": "magic"}, 422, "no such example"),
        ("spine/runs", {"example": "lumbar", "backend": "magic"}, 422, "backend has to be"),
        ("spine/runs", {"example": "lumbar", "task": 7}, 422, "task has to be"),
        ("spine/runs", {"example": "lumbar", "transitional": 1}, 422, "true or false"),
        ("spine/runs", {"example": "lumbar", "colour": "red"}, 422, "not a parameter"),
        ("api/detect-vertebrae", {}, 422, "'file_path' is missing"),
        ("api/detect-vertebrae", {"file_path": "x", "y": 1}, 422, "not a parameter"),
        ("spine/runs/guess/shift", {"steps": 1}, 404, "no such run"),
        ("spine/gradio_api/call/detect_vertebrae", {"data": []}, 422, "'files' is missing"),
        ("spine/gradio_api/call/detect_vertebrae", {"data": [[]]}, 422, "is empty"),
        ("spine/gradio_api/call/detect_vertebrae", {"data": ["/etc/passwd"]}, 422, "not read"),
        (
            "spine/gradio_api/call/detect_vertebrae",
            {"data": [[{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]]},
            422,
            "Paths and addresses are not read",
        ),
        (
            "spine/gradio_api/call/detect_vertebrae",
            {"data": [{"url": "http://127.0.0.1/a.nii", "path": "http://127.0.0.1/a.nii"}]},
            422,
            "Paths and addresses are not read",
        ),
        (
            "spine/gradio_api/call/detect_vertebrae",
            {"data": ["data:application/octet-stream;base64,AAAA"]},
            422,
            "takes no data URI",
        ),
        (
            "spine/gradio_api/call/detect_vertebrae",
            {"data": ["upload:x", "magic"]},
            422,
            "backend has to be",
        ),
        ("spine/gradio_api/call/v2/detect_vertebrae", {"filez": []}, 422, "'filez' is not"),
        ("spine/gradio_api/call/download_model", {"data": [5]}, 422, "'name' must be a text"),
        ("spine/gradio_api/call/health", {"data": [1]}, 422, "takes no parameters"),
        ("spine/gradio_api/call/magic", {"data": []}, 422, "There is no endpoint"),
    ],
)
def test_a_wrong_request_gets_a_sentence(
    spine: SpineServer, path: str, body: dict, status: int, sentence: str
) -> None:
    """Names, types, paths, addresses and guesses are told apart in words."""
    answer = spine.http.post(f"{spine.url}/{path}", json=body)
    assert sentence in words(answer, status)


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 60_000, b"null", b'"x"'])
@pytest.mark.parametrize("path", ["spine/runs", "api/detect-vertebrae"])
def test_a_body_that_is_no_object_gets_a_sentence(
    spine: SpineServer, path: str, body: bytes
) -> None:
    """Empty, cut off, not text, too deep, or something else."""
    assert "JSON" in words(spine.http.post(f"{spine.url}/{path}", content=body), 422)


@pytest.mark.parametrize("path", ["spine/runs", "api/detect-vertebrae"])
def test_a_long_json_body_is_refused(spine: SpineServer, path: str) -> None:
    """JSON only names things; a megabyte of it is a mistake."""
    answer = spine.http.post(f"{spine.url}/{path}", content=b"x" * 1_000_000)
    assert "longer than the limit" in words(answer, 413)


@pytest.mark.parametrize(
    ("headers", "body", "sentence"),
    [
        ({"Content-Type": "text/plain"}, b"x", "form"),
        ({"Content-Type": "multipart/form-data"}, b"x", "no boundary"),
        (FORM, b"", "cut off"),
        (FORM, b"garbage", "cannot be read"),
        (FORM, b"--e--\r\n", "no file in it"),
        (
            FORM,
            b'--e\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\nx',
            "cut off",
        ),
        (FORM, b"--e\r\n" + b"X: y\r\n" * 50 + b"\r\n", "cannot be read"),
        (FORM, b"--e\r\nX: " + b"y" * 9000, "cannot be read"),
    ],
)
@pytest.mark.parametrize("path", ["spine/uploads", "spine/gradio_api/upload"])
def test_a_bad_form_gets_a_sentence(
    spine: SpineServer, path: str, headers: dict, body: bytes, sentence: str
) -> None:
    """At the page's door and at Gradio's; no file stays."""
    before = len(spine.service.uploads)
    answer = spine.http.post(f"{spine.url}/{path}", content=body, headers=headers)
    assert sentence in words(answer, 422)
    assert len(spine.service.uploads) == before


def test_too_much_is_refused_while_it_arrives() -> None:
    """Bytes above the limit are a 413 at each door, with or without a declared length."""
    with serving_spine(max_volume_mb=1) as spine:
        long = b"x" * 1_500_000
        head = b'--e\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n'

        def chunks():
            yield head
            for _ in range(8):
                yield long[:200_000]

        for path in ("spine/uploads", "spine/gradio_api/upload", "api/detect-vertebrae"):
            url = f"{spine.url}/{path}"
            answer = spine.http.post(url, content=chunks(), headers=FORM)
            assert "larger than the limit" in words(answer, 413)
            answer = spine.http.post(url, files={"files": long})
            assert "larger than the limit" in words(answer, 413)
        assert [path for path in spine.folder.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "path",
    [
        "spine/runs/guess",
        "spine/runs/guess/events",
        "spine/runs/guess/shift",
        "spine/runs/guess/slices/axial/1.png",
        "spine/runs/guess/labels/axial/1.png",
        "spine/runs/guess/files/result.json",
        "spine/runs/guess/spine.png",
        "spine/runs/..%2f..%2fetc%2fpasswd",
        "spine/runs/guess/files/..%2f..%2fetc%2fpasswd",
        "spine/uploads/guess/more",
        "spine/examples/magic",
        "spine/examples/magic/ct.nii.gz",
        "spine/models/magic/download",
        "spine/models",
        "spine/gradio_api/file=/etc/passwd",
        "spine/gradio_api/proxy=http://127.0.0.1/",
        "spine/gradio_api/run/detect_vertebrae",
        "spine/monitoring/summary",
        "spine/web/..%2fpage.py",
    ],
)
def test_guesses_lead_nowhere(spine: SpineServer, path: str) -> None:
    """Unknown ids, other methods, paths and Gradio's side doors: a 4xx, in our shape."""
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
        answer = spine.http.request(method, f"{spine.url}/{path}")
        assert 400 <= answer.status_code < 500
        if method != "HEAD" and "web/" not in path:
            assert answer.json()["error"]["code"] in {"not_found", "bad_request"}


def test_slices_and_files_that_are_not_there(spine: SpineServer) -> None:
    """Wrong planes, indices, windows, angles, sizes and names of a real run."""
    run = spine.http.post(f"{spine.page}runs", json={"example": "lumbar"}).json()["run"]
    spine.http.get(f"{spine.page}runs/{run}/events")
    base = f"{spine.page}runs/{run}"
    for path, status in (
        ("slices/diagonal/1.png", 404),
        ("labels/diagonal/1.png", 404),
        ("slices/axial/-1.png", 404),
        ("slices/axial/x.png", 404),
        ("slices/axial/1.5.png", 404),
        ("slices/axial/٣.png", 404),
        ("slices/axial/99999999999.png", 404),
        ("slices/axial/9999.png", 422),
        ("labels/axial/9999.png", 422),
        ("slices/axial/1.png?window=magic", 422),
        ("slices/axial/1.png?window=400,0", 422),
        ("slices/axial/1.png?window=nan,nan", 422),
        ("spine.png?azimuth=x", 422),
        ("spine.png?azimuth=nan", 422),
        ("spine.png?azimuth=inf", 422),
        ("spine.png?width=99999", 422),
        ("spine.png?height=-4", 422),
        ("files/magic", 404),
        ("files/record.json", 404),
        ("nothing", 404),
    ):
        words(spine.http.get(f"{base}/{path}"), status)
    for steps in (0, 2, 1.5, "1", None, True, [1], 10**30):
        words(spine.http.post(f"{base}/shift", json={"steps": steps}), 422)
    words(spine.http.post(f"{base}/shift", json={}), 422)


def test_noise_never_becomes_a_server_error(spine: SpineServer) -> None:
    """Random methods, paths, queries, headers and bodies at all doors: no answer is a 5xx."""
    dice = random.Random(3)
    parts = ["spine", "runs", "uploads", "api", "examples", "models", "gradio_api", "call", "x",
             "detect_vertebrae", "detect-vertebrae", "upload", "queue", "join", "..", "%00", "é",
             "slices", "axial", "1.png", "status", "download", "events", "config"]  # fmt: skip
    kinds = ["application/json", "multipart/form-data; boundary=e", "text/plain", "", "a/b;=;"]
    bodies = [
        b"",
        b"{}",
        b"[]",
        b'{"data":[]}',
        b'{"data":[{}]}',
        b"--e\r\n\r\n--e--\r\n",
        b"\0" * 99,
    ]
    with httpx.Client(base_url=spine.url) as client:
        for _ in range(200):
            path = "/".join(dice.choices(parts, k=dice.randint(1, 5)))
            noise = "".join(dice.choices(string.printable, k=dice.randint(0, 30))).encode()
            answer = client.request(
                dice.choice(["GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"]),
                f"/{dice.choice(['spine/', 'api/', ''])}{path}",
                content=dice.choice([*bodies, noise]),
                headers={"Content-Type": dice.choice(kinds)},
                params=dice.choice([None, {"window": noise}, {"session_hash": "x"}]),
            )
            assert answer.status_code < 500, (answer.request, answer.text)
