"""Gradio's endpoints: pinned names and types, progress while it works, and leaving cancels."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file

from tests.ui_gradio.spine.serving import SpineServer, serving_spine
from tests.ui_gradio.spine.stand_ins import StandInRunner

TEXT, SWITCH = {"type": "string"}, {"type": "boolean"}
FILE = {"type": "object", "properties": {"path": TEXT, "orig_name": TEXT}}
FILES = {"anyOf": [{"type": "array", "items": {"anyOf": [FILE, TEXT]}}, FILE, TEXT]}
ENDPOINTS = {
    "/detect_vertebrae": {
        "files": FILES,
        "backend": {"enum": ["embedded", "nnunet", "totalsegmentator"]},
        "task": {"enum": ["total_fast", "total", "vertebrae_pp"]},
        "transitional": SWITCH,
    },
    "/models_status": {},
    "/download_model": {"name": TEXT},
    "/health": {},
}
DEFAULTS = {"backend": "embedded", "task": "total_fast", "transitional": True}


def info_of(spine: SpineServer) -> dict:
    """Return what Gradio says about its endpoints."""
    return spine.http.get(f"{spine.page}gradio_api/info").json()


def upload(spine: SpineServer, data: bytes = b"ct") -> dict:
    """Upload as Gradio's clients do, and return the file object that they send then."""
    answer = spine.http.post(f"{spine.page}gradio_api/upload", files={"files": data})
    return {"path": answer.json()[0], "meta": {"_type": "gradio.FileData"}}


def test_endpoints_parameters_and_types_are_these(spine: SpineServer) -> None:
    """Names, order and types of all parameters; nothing else is offered."""
    info = info_of(spine)
    found = {
        name: {one["parameter_name"]: one["type"] for one in endpoint["parameters"]}
        for name, endpoint in info["named_endpoints"].items()
    }
    assert found == ENDPOINTS
    assert info["unnamed_endpoints"] == {}


def test_all_but_files_and_names_may_be_left_out(spine: SpineServer) -> None:
    """Optional parameters have the defaults of the functions."""
    for endpoint in info_of(spine)["named_endpoints"].values():
        for one in endpoint["parameters"]:
            name = one["parameter_name"]
            assert one["parameter_has_default"] == (name in DEFAULTS)
            assert one["parameter_default"] == DEFAULTS.get(name)


def test_every_endpoint_says_what_it_does(spine: SpineServer) -> None:
    """Descriptions come from the docstrings; each answer is one JSON object."""
    for endpoint in info_of(spine)["named_endpoints"].values():
        assert len(endpoint["description"]) > 40
        assert [one["type"]["type"] for one in endpoint["returns"]] == ["object"]


def test_curl_sees_progress_and_then_the_result(spine: SpineServer) -> None:
    """Events tell how far it is, the last one is the result with addresses of its files."""
    events = spine.call("detect_vertebrae", [upload(spine)])
    assert {kind for kind, _ in events[:-1]} == {"generating"}
    first, (last_kind, (result,)) = events[0][1][0], events[-1]
    assert first["status"] in ("queued", "running")
    assert {"run", "step", "progress", "text", "elapsed_s", "remaining_s"} <= set(first)
    assert last_kind == "complete"
    assert result["success"] is True
    assert result["vertebrae"][-1]["label"] == "L5"
    url = spine.url + result["files"]["result.json"]
    assert spine.http.get(url).json()["vertebrae"] == result["vertebrae"]


@pytest.mark.parametrize("door", ["one name", "one object", "several"])
def test_files_may_be_given_in_several_ways(spine: SpineServer, door: str) -> None:
    """A name, a file object, or all files of a series that were uploaded one by one."""
    one, other = upload(spine, b"1"), upload(spine, b"2")
    files = {"one name": one["path"], "one object": one, "several": [one, other["path"]]}[door]
    assert spine.call("detect_vertebrae", files)[-1][0] == "complete"
    assert not spine.runner.all_runs[-1].request.source.exists()


def test_an_upload_works_once(spine: SpineServer) -> None:
    """The name leads nowhere afterwards, and is never an address."""
    file = upload(spine)
    assert spine.http.get(f"{spine.page}gradio_api/file={file['path']}").status_code == 404
    assert spine.call("detect_vertebrae", [file])[-1][0] == "complete"
    kind, error = spine.call("detect_vertebrae", [file])[-1]
    assert (kind, error["title"]) == ("error", "not_found")
    assert "upload the files again" in error["error"]


def test_a_run_that_fails_ends_with_our_sentence(spine: SpineServer) -> None:
    """The error event has the code as its title."""
    kind, error = spine.call("detect_vertebrae", [upload(spine, b"fail")])[-1]
    assert (kind, error["title"]) == ("error", "bad_volume")
    assert error["error"].startswith("Expected a CT")


def test_gradio_client_finds_vertebrae(spine: SpineServer, tmp_path: Path) -> None:
    """handle_file works alone and in a list, by position and by name."""
    paths = [tmp_path / "a.dcm", tmp_path / "b.dcm"]
    for path in paths:
        path.write_bytes(b"ct")
    client = Client(spine.page, verbose=False)
    files = [handle_file(path) for path in paths]
    found = client.predict(files=files, api_name="/detect_vertebrae")
    assert found["vertebrae"][-1]["label"] == "L5"
    found = client.predict(handle_file(paths[0]), "embedded", api_name="/detect_vertebrae")
    assert found["success"] is True
    health = client.predict(api_name="/health")
    assert (health["status"], health["runs"]["running"]) == ("ok", 0)
    models = client.predict(api_name="/models_status")
    assert models["vertebrae"] == {"downloaded": False, "size_mb": 140.0, "path": "/models/x"}


def test_gradio_client_sees_progress(tmp_path: Path) -> None:
    """Iterating over a job gives progress that rises, and the result last."""
    path = tmp_path / "ct.nii.gz"
    path.write_bytes(b"ct")
    with serving_spine(StandInRunner(tmp_path / "runs", steps=6, step_s=0.15)) as spine:
        client = Client(spine.page, verbose=False)
        job = client.submit(files=handle_file(path), api_name="/detect_vertebrae")
        seen = list(job)
    shares = [one["progress"] for one in seen if "progress" in one and "vertebrae" not in one]
    assert len(shares) >= 4
    assert shares == sorted(shares)
    assert seen[-1]["vertebrae"]


def wait_for(condition, seconds: float = 15.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_a_job_that_is_cancelled_ends_its_run(tmp_path: Path) -> None:
    """gradio_client's job.cancel() stops the work, and no file stays."""
    path = tmp_path / "ct.nii.gz"
    path.write_bytes(b"ct")
    runner = StandInRunner(tmp_path / "runs", steps=600, step_s=0.1)
    with serving_spine(runner) as spine:
        client = Client(spine.page, verbose=False)
        job = client.submit(files=handle_file(path), api_name="/detect_vertebrae")
        wait_for(lambda: runner.busy)
        job.cancel()
        wait_for(lambda: runner.all_runs[0].cancelled.is_set())
        wait_for(lambda: not list((spine.folder / "uploads").iterdir()))


def test_a_caller_who_leaves_ends_the_run(tmp_path: Path) -> None:
    """Closing the stream of events, as Ctrl-C on curl does, cancels."""
    runner = StandInRunner(tmp_path / "runs", steps=600, step_s=0.1)
    with serving_spine(runner) as spine, httpx.Client(base_url=spine.page) as client:
        body = {"data": [[upload(spine)]]}
        event = client.post("gradio_api/call/detect_vertebrae", json=body).json()["event_id"]
        with client.stream("GET", f"gradio_api/call/detect_vertebrae/{event}") as answer:
            lines = answer.iter_lines()  # kept: the stream closes with its iterator
            assert next(lines) == "event: generating"
            wait_for(lambda: runner.busy)
        wait_for(lambda: runner.all_runs[0].cancelled.is_set(), 30)


def test_a_model_is_downloaded_with_progress(spine: SpineServer) -> None:
    """Reports until the model is there; the older service's name means the same."""
    for name in ("total_fast", "vertebrae"):
        events = spine.call("download_model", name)
        reports = [data[0] for _, data in events]
        assert reports[-1]["status"] == "complete"
        assert {"status", "progress", "downloaded_mb", "total_mb"} <= set(reports[0])


@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [
        ("broken", "missing_backend", "The server stopped sending"),
        ("nothing", "not_found", "There is no model 'nothing'"),
    ],
)
def test_a_download_that_fails_says_why(
    spine: SpineServer, name: str, code: str, sentence: str
) -> None:
    """The error event has the code and the sentence."""
    kind, error = spine.call("download_model", name)[-1]
    assert (kind, error["title"]) == ("error", code)
    assert sentence in error["error"]
