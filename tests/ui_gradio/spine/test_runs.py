"""The page's own routes: upload, run, events, pictures, files."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.ui_gradio.spine.serving import SpineServer, serving_spine
from tests.ui_gradio.spine.stand_ins import StandInRunner


def send(spine: SpineServer, *datas: bytes) -> str:
    """Upload files and return the name of the upload."""
    files = [("files", ("IM.dcm", data)) for data in datas or (b"ct",)]
    answer = spine.http.post(f"{spine.page}uploads", files=files)
    assert answer.status_code == 200, answer.text
    return answer.json()["upload"]


def begin(spine: SpineServer, **request: object) -> str:
    """Start a run and return its id."""
    request = request or {"upload": send(spine)}
    answer = spine.http.post(f"{spine.page}runs", json=request)
    assert answer.status_code == 202, answer.text
    return answer.json()["run"]


def events(spine: SpineServer, run: str) -> Iterator[dict]:
    """Yield the events of a run as a browser sees them."""
    with spine.http.stream("GET", f"{spine.page}runs/{run}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line:
                assert line.startswith("data: ")
                yield json.loads(line.removeprefix("data: "))


def finished(spine: SpineServer, **request: object) -> str:
    """Start a run and wait for its end."""
    run = begin(spine, **request)
    assert [event["state"] for event in events(spine, run)][-1] == "done"
    return run


def test_an_upload_is_looked_at(spine: SpineServer) -> None:
    """The answer has a name, facts, and a forecast for each backend and task."""
    files = [("files", ("a.dcm", b"1")), ("files", ("b.dcm", b"2"))]
    found = spine.http.post(f"{spine.page}uploads", files=files).json()
    assert set(found) == {"upload", "input", "forecasts"}
    assert found["input"]["series"]["slices"] == 2
    assert set(found["forecasts"]) == {"embedded", "nnunet", "totalsegmentator"}
    assert found["forecasts"]["embedded"]["ready"] is True


def test_what_is_no_ct_is_forgotten_at_once(spine: SpineServer) -> None:
    """The engine's sentence is the answer, and no file stays."""
    before = len(spine.service.uploads)
    answer = spine.http.post(f"{spine.page}uploads", files={"files": b"bad news"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_volume"
    assert len(spine.service.uploads) == before


def test_a_run_tells_how_far_it_is_and_ends_with_a_result(spine: SpineServer) -> None:
    """Progress never falls; the result has vertebrae, views, windows, colours and files."""
    run = begin(spine)
    seen = list(events(spine, run))
    assert seen[-1]["state"] == "done"
    assert [event["progress"] for event in seen] == sorted(event["progress"] for event in seen)
    fields = {"state", "step", "progress", "text", "elapsed_s", "remaining_s", "ahead"}
    assert all(set(event) == fields for event in seen)
    result = spine.http.get(f"{spine.page}runs/{run}")
    assert result.headers["cache-control"] == "no-store"
    found = result.json()
    assert found["success"] is True
    assert [one["label"] for one in found["vertebrae"]][-1] == "L5"
    assert set(found["views"]) == {"sagittal", "coronal", "axial"}
    assert {"bone", "lung"} <= {window["name"] for window in found["windows"]}
    assert found["palette"]["24"].startswith("#")
    assert found["run"] == run
    for one in found["downloads"]:
        assert set(one) == {"name", "title", "why", "url"}
        assert (one["url"] is None) == (one["why"] is not None)


def test_pictures_have_the_size_that_the_views_say(spine: SpineServer) -> None:
    """CT and label slices fit on each other; label values are codes; browsers may keep them."""
    run = finished(spine)
    found = spine.http.get(f"{spine.page}runs/{run}").json()
    codes = {one["code"] for one in found["vertebrae"]} | {0, 26}
    for plane, view in found["views"].items():
        index = view["count"] // 2
        ct, labels = (
            spine.http.get(f"{spine.page}runs/{run}/{kind}/{plane}/{index}.png")
            for kind in ("slices", "labels")
        )
        for answer in (ct, labels):
            assert answer.headers["content-type"] == "image/png"
            assert answer.headers["cache-control"] == "private, max-age=3600"
            assert Image.open(io.BytesIO(answer.content)).size == (view["width"], view["height"])
        values = np.asarray(Image.open(io.BytesIO(labels.content)))
        assert set(np.unique(values).tolist()) <= codes
    bone, lung = (
        spine.http.get(f"{spine.page}runs/{run}/slices/axial/9.png?window={name}").content
        for name in ("bone", "lung")
    )
    assert bone != lung


def test_the_spine_is_drawn_where_a_browser_cannot(spine: SpineServer) -> None:
    """A picture of the size that was asked for."""
    run = finished(spine)
    url = f"{spine.page}runs/{run}/spine.png?azimuth=30&width=80&height=100"
    answer = spine.http.get(url)
    assert Image.open(io.BytesIO(answer.content)).size == (80, 100)


def test_every_file_that_is_offered_can_be_fetched(spine: SpineServer) -> None:
    """Each download has its name and type; no script runs in it; those that are not say why."""
    run = finished(spine)
    found = spine.http.get(f"{spine.page}runs/{run}").json()
    assert found["downloads"]
    for one in found["downloads"]:
        url = one["url"] or f"runs/{run}/files/{one['name']}"
        answer = spine.http.get(f"{spine.page}{url}")
        if one["url"] is None:
            assert answer.status_code == 422
            assert answer.json()["error"]["message"] == one["why"]
            continue
        assert answer.status_code == 200, one
        assert answer.content
        assert answer.headers["content-disposition"].startswith("attachment; filename=")
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert found["files"][one["name"]] == f"/spine/{one['url']}"


def test_all_names_move_with_one_click(spine: SpineServer) -> None:
    """The result follows, and so do label pictures and files; back again is as before."""
    run = finished(spine)
    before = spine.http.get(f"{spine.page}runs/{run}").json()
    url = f"{spine.page}runs/{run}/shift"
    up = spine.http.post(url, json={"steps": -1}).json()
    assert [one["label"] for one in up["vertebrae"]][-1] == "L4"
    assert spine.http.get(f"{spine.page}runs/{run}").json()["shift"] == up["shift"] == -1
    back = spine.http.post(url, json={"steps": 1}).json()
    assert back["vertebrae"] == before["vertebrae"]


def test_a_name_that_cannot_be_is_refused(spine: SpineServer) -> None:
    """Above the sacrum that is in view, L5 does not become S1."""
    run = finished(spine)
    answer = spine.http.post(f"{spine.page}runs/{run}/shift", json={"steps": 1})
    assert answer.status_code in (200, 422)
    if answer.status_code == 422:
        assert "S1" in answer.json()["error"]["message"]


def test_a_run_that_fails_says_why(spine: SpineServer) -> None:
    """The last event and the result have the same code and sentence."""
    run = begin(spine, upload=send(spine, b"fail"))
    last = list(events(spine, run))[-1]
    answer = spine.http.get(f"{spine.page}runs/{run}")
    assert (last["state"], answer.status_code) == ("failed", 400)
    assert last["error"] == answer.json()["error"]
    assert last["error"]["code"] == "bad_volume"
    for path in ("slices/axial/1.png", "files/result.json", "spine.png"):
        assert spine.http.get(f"{spine.page}runs/{run}/{path}").status_code == 400


def test_before_its_end_a_run_has_no_result(tmp_path: Path) -> None:
    """The result is a 202 with the state; pictures say that there is nothing yet."""
    with serving_spine(StandInRunner(tmp_path, steps=50, step_s=0.1)) as spine:
        run = begin(spine)
        answer = spine.http.get(f"{spine.page}runs/{run}")
        assert (answer.status_code, answer.json()["state"]) in ((202, "queued"), (202, "running"))
        for path in ("slices/axial/1.png", "files/result.json", "spine.png"):
            answer = spine.http.get(f"{spine.page}runs/{run}/{path}")
            assert "no result yet" in answer.json()["error"]["message"]
        answer = spine.http.post(f"{spine.page}runs/{run}/shift", json={"steps": 1})
        assert "no result yet" in answer.json()["error"]["message"]


def test_deleting_cancels_and_forgets(tmp_path: Path) -> None:
    """Running or done: nothing of it is left, and the id leads nowhere."""
    with serving_spine(StandInRunner(tmp_path, steps=100, step_s=0.05)) as spine:
        run = begin(spine)
        last: list[dict] = []
        reader = threading.Thread(target=lambda: last.extend(events(spine, run)))
        reader.start()
        time.sleep(0.3)
        assert spine.http.delete(f"{spine.page}runs/{run}").status_code == 204
        reader.join(5)
        assert last[-1]["state"] == "cancelled"
        assert spine.http.get(f"{spine.page}runs/{run}").status_code == 404
        assert spine.http.delete(f"{spine.page}runs/{run}").status_code == 404
        assert spine.runner.all_runs[0].cancelled.is_set()
        assert not spine.runner.all_runs[0].folder.exists()
        deadline = time.monotonic() + 5
        while list((spine.folder / "uploads").iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert list((spine.folder / "uploads").iterdir()) == []


def test_a_run_takes_its_upload(spine: SpineServer) -> None:
    """An upload works for one run; afterwards the name is unknown and the files are gone."""
    upload = send(spine, b"1", b"2")
    finished(spine, upload=upload)
    answer = spine.http.post(f"{spine.page}runs", json={"upload": upload})
    assert answer.status_code == 404
    assert "upload the files again" in answer.json()["error"]["message"]
    source = spine.runner.all_runs[-1].request.source
    assert not source.exists()


def test_an_upload_can_be_taken_back(spine: SpineServer) -> None:
    """Its files are gone; an unknown name is fine."""
    upload = send(spine)
    for _ in range(2):
        assert spine.http.delete(f"{spine.page}uploads/{upload}").status_code == 204
    assert spine.http.post(f"{spine.page}runs", json={"upload": upload}).status_code == 404


def test_examples_are_runs_without_an_upload(spine: SpineServer) -> None:
    """They are listed with words, looked at like a file, fetched, and run."""
    listed = spine.http.get(f"{spine.page}examples").json()
    assert all(set(one) == {"name", "title", "text"} for one in listed)
    name = listed[0]["name"]
    looked = spine.http.get(f"{spine.page}examples/{name}").json()
    assert set(looked) == {"example", "input", "forecasts"}
    fetched = spine.http.get(f"{spine.page}examples/{name}/ct.nii.gz")
    assert fetched.content == b"drawn"
    finished(spine, example=name)


def test_a_full_line_keeps_the_upload(tmp_path: Path) -> None:
    """429 says when to come back, and the same upload is taken then."""
    runner = StandInRunner(tmp_path, steps=100, step_s=0.05, most=1)
    with serving_spine(runner) as spine:
        first, upload = begin(spine), send(spine)
        answer = spine.http.post(f"{spine.page}runs", json={"upload": upload})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
        assert answer.json()["error"]["code"] == "busy"
        spine.http.delete(f"{spine.page}runs/{first}")
        begin(spine, upload=upload)


def test_a_page_that_vanished_does_not_keep_a_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A run that nobody asks about for a minute is cancelled; one that is watched is not."""
    from ui_gradio.spine import service

    monkeypatch.setattr(service, "UNWATCHED_S", 0.4)
    runner = StandInRunner(tmp_path, steps=30, step_s=0.05)
    with serving_spine(runner) as spine:
        watched = begin(spine)
        states = [event["state"] for event in events(spine, watched)]
        assert states[-1] == "done"
        left = begin(spine)
        deadline = time.monotonic() + 5
        while left in spine.runner.runs and time.monotonic() < deadline:
            time.sleep(0.05)
        assert runner.all_runs[-1].state.state == "cancelled"
        answer = spine.http.get(f"{spine.page}runs/{left}")
        assert answer.status_code == 404
        assert "nobody watches" in answer.json()["error"]["message"]


def test_two_users_do_not_see_each_other(spine: SpineServer) -> None:
    """Ids are long and random; each leads to its own run only; lists of runs do not exist."""
    first, second = begin(spine), begin(spine)
    assert first != second
    assert min(len(first), len(second)) >= 32
    for run in (first, second):
        assert list(events(spine, run))[-1]["state"] == "done"
    spine.http.delete(f"{spine.page}runs/{first}")
    assert spine.http.get(f"{spine.page}runs/{second}").json()["run"] == second
    for path in ("runs", "runs/", "uploads", "uploads/"):
        answer = spine.http.get(f"{spine.page}{path}")
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "not_found"
