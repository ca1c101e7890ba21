"""The older service's routes: names and shapes of CONTRACTS, forms, paths, leaving."""

from __future__ import annotations

import io
import json
import socket
import time
import zipfile
from pathlib import Path

import pytest

from tests.ui_gradio.spine.serving import SpineServer, serving_spine
from tests.ui_gradio.spine.stand_ins import StandInRunner


def test_health_says_that_it_can_be_used(spine: SpineServer) -> None:
    """Status, versions, models, memory, and the line."""
    found = spine.http.get(f"{spine.url}/api/health").json()
    assert found["status"] == "ok"
    assert {"version", "gradio", "models", "memory", "runs", "uploads", "requests"} <= set(found)


def test_models_have_the_older_service_s_name(spine: SpineServer) -> None:
    """``vertebrae`` is there with the three fields that its clients read."""
    found = spine.http.get(f"{spine.url}/api/models/status").json()
    assert {"downloaded", "size_mb", "path"} <= set(found["vertebrae"])


@pytest.mark.parametrize("path", ["api/models/download", "spine/models"])
def test_a_download_is_a_stream_of_events(spine: SpineServer, path: str) -> None:
    """Each ``data:`` line has status and progress; the last one is complete."""
    url = f"{spine.url}/{path}/vertebrae" + ("/download" if path == "spine/models" else "")
    with spine.http.stream("POST", url) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line]
    reports = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert reports[0].items() >= {"status": "downloading", "progress": 0.0}.items()
    assert {"downloaded_mb", "total_mb"} <= set(reports[0])
    assert reports[-1].items() >= {"status": "complete", "progress": 1.0}.items()


def test_a_download_that_fails_ends_with_the_reason(spine: SpineServer) -> None:
    """The last event has the status ``failed`` and the error."""
    text = spine.http.post(f"{spine.url}/api/models/download/broken").text
    last = json.loads(text.strip().rpartition("data: ")[2])
    assert last["status"] == "failed"
    assert last["error"]["message"].startswith("The server stopped")


def test_an_unknown_model_is_not_downloaded(spine: SpineServer) -> None:
    """A 404 in words, not a stream."""
    answer = spine.http.post(f"{spine.url}/api/models/download/magic")
    assert answer.status_code == 404
    assert "there are total_fast" in answer.json()["error"]["message"]


def test_a_reader_who_leaves_stops_the_download(spine: SpineServer) -> None:
    """Nobody listens any more, so nothing is fetched any more."""
    before = len(spine.models.stopped)
    with spine.http.stream("POST", f"{spine.url}/api/models/download/total_fast") as answer:
        lines = answer.iter_lines()
        next(lines)
    deadline = time.monotonic() + 10
    while len(spine.models.stopped) == before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert spine.models.stopped[before:] == ["total_fast"]


def test_a_form_is_answered_with_vertebrae(spine: SpineServer) -> None:
    """One file, options as fields; the older service's fields are there."""
    answer = spine.http.post(
        f"{spine.url}/api/detect-vertebrae",
        files={"files": ("ct.nii.gz", b"ct")},
        data={"backend": "embedded", "transitional": "false"},
    )
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["success"] is True
    assert isinstance(found["processing_time_ms"], int | float)
    one = found["vertebrae"][0]
    assert {"label", "center", "confidence", "bounds"} <= set(one)
    assert set(one["center"]) == set(one["bounds"]["min"]) == {"x", "y", "z"}
    request = spine.runner.all_runs[-1].request
    assert (request.backend, request.transitional) == ("embedded", False)


def test_a_folder_may_be_sent_whole(spine: SpineServer) -> None:
    """Many files in one form become one source."""
    files = [("files", (f"IM{n}", b"%d" % n)) for n in range(300)]
    answer = spine.http.post(f"{spine.url}/api/detect-vertebrae", files=files)
    assert answer.status_code == 200


def test_a_run_that_fails_is_told_with_its_status(spine: SpineServer) -> None:
    """The error has the stable shape."""
    answer = spine.http.post(f"{spine.url}/api/detect-vertebrae", files={"f": b"fail"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_volume"


def test_a_path_is_read_only_in_the_import_folder(tmp_path: Path) -> None:
    """Inside: 200, and the file stays; outside: 403; nowhere set: 403; a mistake: 422."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ct.nii.gz").write_bytes(b"ct")
    (tmp_path / "out.nii.gz").write_bytes(b"ct")
    with serving_spine(import_dir=tmp_path / "in") as spine:
        url = f"{spine.url}/api/detect-vertebrae"
        for path in ("ct.nii.gz", str(tmp_path / "in" / "ct.nii.gz")):
            answer = spine.http.post(url, json={"file_path": path})
            assert answer.status_code == 200, answer.text
        assert (tmp_path / "in" / "ct.nii.gz").exists()
        for path, status in (
            ("../out.nii.gz", 403),
            (str(tmp_path / "out.nii.gz"), 403),
            ("nothing.nii.gz", 404),
            (5, 422),
        ):
            answer = spine.http.post(url, json={"file_path": path})
            assert answer.status_code == status
            assert answer.json()["error"]["message"].endswith(".")
        body = {"file_path": "ct.nii.gz", "backend": "magic"}
        assert spine.http.post(url, json=body).status_code == 422


def test_without_an_import_folder_a_path_is_refused(spine: SpineServer) -> None:
    """The stable shape of errors, and the way out."""
    url = f"{spine.url}/api/detect-vertebrae"
    answer = spine.http.post(url, json={"file_path": "/etc/passwd"})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "not_allowed"
    assert "multipart/form-data" in answer.json()["error"]["message"]


def test_a_client_who_leaves_ends_the_run(tmp_path: Path) -> None:
    """Closing the connection while waiting for the answer cancels, and no file stays."""
    runner = StandInRunner(tmp_path / "runs", steps=600, step_s=0.1)
    with serving_spine(runner) as spine:
        body = (
            b'--edge\r\nContent-Disposition: form-data; name="f"; filename="a.nii"\r\n\r\nct\r\n'
            b"--edge--\r\n"
        )
        host, port = spine.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                b"POST /api/detect-vertebrae HTTP/1.1\r\nHost: x\r\n"
                b"Content-Type: multipart/form-data; boundary=edge\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            _until(lambda: runner.busy)
        _until(lambda: runner.all_runs[0].cancelled.is_set())
        _until(lambda: not list((spine.folder / "uploads").iterdir()))
        assert spine.service.admission.inside == 0


def _until(condition, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_a_full_line_is_told_and_keeps_no_file(tmp_path: Path) -> None:
    """429 with Retry-After; the files of who was refused are removed."""
    runner = StandInRunner(tmp_path / "runs", steps=600, step_s=0.1, most=1)
    with serving_spine(runner) as spine:
        spine.http.post(f"{spine.page}runs", json={"example": "lumbar"}).raise_for_status()
        url = f"{spine.url}/api/detect-vertebrae"
        answer = spine.http.post(url, files={"f": b"ct"})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
        assert len(spine.service.uploads) == 0


def test_a_full_house_is_told_at_every_door(tmp_path: Path) -> None:
    """With all places taken, uploads and detections are refused at once; health is not."""
    runner = StandInRunner(tmp_path / "runs", steps=600, step_s=0.1)
    with serving_spine(runner, queue_size=1) as spine, spine.service.admission.visit():
        answers = [
            spine.http.post(f"{spine.url}/api/detect-vertebrae", files={"f": b"ct"}),
            spine.http.post(f"{spine.page}uploads", files={"f": b"ct"}),
            spine.http.post(f"{spine.page}gradio_api/upload", files={"f": b"ct"}),
            spine.http.post(f"{spine.page}gradio_api/call/health", json={"data": []}),
        ]
        for answer in answers:
            assert answer.status_code == 429
            assert int(answer.headers["retry-after"]) > 0
        assert spine.http.get(f"{spine.url}/api/health").status_code == 200


def test_plain_routes_are_documented(spine: SpineServer) -> None:
    """OpenAPI names the routes, the bodies that they take, and what they answer."""
    paths = spine.http.get(f"{spine.url}/openapi.json").json()["paths"]
    assert set(paths) == {
        "/api/health",
        "/api/models/status",
        "/api/models/download/{name}",
        "/api/detect-vertebrae",
    }
    detect = paths["/api/detect-vertebrae"]["post"]
    assert set(detect["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
    assert {"200", "400", "403", "404", "413", "422", "429", "507"} <= set(detect["responses"])
    answer = detect["responses"]["200"]["content"]["application/json"]["schema"]
    assert {"success", "vertebrae", "audit", "processing_time_ms"} <= set(answer["properties"])
    download = paths["/api/models/download/{name}"]["post"]["responses"]["200"]
    assert set(download["content"]) == {"text/event-stream"}


def test_what_is_documented_is_what_comes(spine: SpineServer) -> None:
    """Every vertebra has the documented fields; the documented ones that must be there are."""
    paths = spine.http.get(f"{spine.url}/openapi.json").json()["paths"]
    responses = paths["/api/detect-vertebrae"]["post"]["responses"]
    schema = responses["200"]["content"]["application/json"]["schema"]
    answer = spine.http.post(f"{spine.url}/api/detect-vertebrae", files={"f": b"ct"}).json()
    assert set(schema["properties"]) <= set(answer)
    documented = set(schema["properties"]["vertebrae"]["items"]["properties"])
    for vertebra in answer["vertebrae"]:
        assert documented <= set(vertebra)


def test_a_zip_stays_one_file(spine: SpineServer) -> None:
    """Archives are handed on as they are; nothing is unpacked here."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("../escape", b"x")
    files = {"files": ("ct.zip", data.getvalue())}
    assert spine.http.post(f"{spine.page}uploads", files=files).status_code == 200
    found = [path.name for path in (spine.folder / "uploads").rglob("*") if path.is_file()]
    assert "00001.zip" in found
    assert not any("escape" in name for name in found)
