"""The worker process by itself: its first word, hostile requests, and its end."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from engine.errors import BusyError, MemoryShortError, RequestError, VolumeError
from engine.inference.timings import Timings, folder_of
from engine.settings import Settings
from engine.spine import worker
from engine.spine.processes import WorkerFaultError, error_of
from engine.spine.worker import WorkerRequest, parse_request

ROOT = Path(__file__).parents[3]


def request_of(home: Path, /, **fields: object) -> dict:
    """A request that is right, but for the given fields."""
    right = WorkerRequest(
        job="detect", folder=home, settings=Settings(home=home).as_mapping(), example="lumbar"
    )
    return {**json.loads(right.to_json()), **fields}


def started() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "engine.spine.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    opened = started()
    yield opened
    opened.kill()
    opened.communicate()


def test_the_first_event_comes_before_the_request(process: subprocess.Popen[bytes]) -> None:
    """The process speaks up before it knows what to do, with nothing heavy loaded."""
    assert process.stdout is not None
    event = json.loads(process.stdout.readline())
    assert (event["event"], event["step"], event["done"]) == ("progress", "starting", 0.0)
    loaded = {Path(each.path).name for each in psutil.Process(process.pid).memory_maps()}
    assert not any("numpy" in name or "multiarray" in name for name in loaded)


def test_it_ends_when_its_input_does(process: subprocess.Popen[bytes]) -> None:
    """A parent that is gone before the request: an end, and no complaint to anybody."""
    out, err = process.communicate(timeout=20)
    assert json.loads(out.splitlines()[0])["event"] == "progress"
    assert err == b""
    assert process.returncode is not None


def test_it_draws_an_example_and_leaves_nobody_behind(
    process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """The file is there, the answer is ``done``, and its guard has ended with it."""
    assert process.stdin is not None
    assert process.stdout is not None
    line = json.dumps(request_of(tmp_path, job="draw")).encode() + b"\n"
    process.stdin.write(line)
    process.stdin.flush()
    events = [json.loads(line) for line in process.stdout]
    assert events[-1] == {"event": "done"}
    assert (tmp_path / "ct.nii.gz").stat().st_size > 100_000
    process.wait(20)
    time.sleep(0.2)
    assert not [one for one in psutil.process_iter() if _group(one) == process.pid]


def _group(process: psutil.Process) -> int | None:
    import os

    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return os.getpgid(process.pid)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", "one line of JSON"),
        (b"rm -rf /\n", "one line of JSON"),
        (b"[" * 100_000, "one line of JSON"),
        (b"[1, 2]\n", "JSON object"),
        (b'"detect"\n', "JSON object"),
        (b"\xff\xfe\n", "one line of JSON"),
        (b"{}\n", "job has to be a text"),
    ],
)
def test_a_line_that_is_no_request_is_refused(line: bytes, words: str) -> None:
    """Not JSON, not an object, nothing inside: a sentence."""
    with pytest.raises(RequestError, match=words):
        parse_request(line)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"job": "shutdown"}, "job has to be one of"),
        ({"job": None}, "job has to be a text"),
        ({"folder": 3}, "folder has to be a text"),
        ({"settings": ["LIGHTBOX_HOME"]}, "settings has to be an object"),
        ({"settings": {"LIGHTBOX_PORT": 80}}, "settings has to map names to texts"),
        ({"source": ["/etc/passwd"]}, "source has to be a text or null"),
        ({"source": "/etc/passwd"}, "either a source or an example"),
        ({"example": None}, "either a source or an example"),
        ({"transitional": "yes"}, "transitional has to be true or false"),
        ({"segmenter": "os:system"}, "no others"),
    ],
)
def test_a_request_with_a_wrong_field_is_refused(fields: dict, words: str, tmp_path: Path) -> None:
    """Each field has one type; fields that we do not know are refused."""
    with pytest.raises(RequestError, match=words):
        parse_request(json.dumps(request_of(tmp_path, **fields)).encode())


def test_a_request_survives_the_way(tmp_path: Path) -> None:
    """What is written is read again."""
    request = WorkerRequest(
        job="look",
        folder=tmp_path,
        settings={"LIGHTBOX_PORT": "1"},
        source=tmp_path / "a CT.nii",
        transitional=False,
    )
    assert parse_request(request.to_json().encode()) == request


def heard(work: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict]:
    """Run the worker's main function in this process with another piece of work."""
    channel = io.StringIO()
    channel.fileno = lambda: 1  # type: ignore[method-assign]
    monkeypatch.setattr(worker, "_work", work)
    monkeypatch.setattr(worker.os, "dup", lambda _: 1)
    monkeypatch.setattr(worker.os, "dup2", lambda *_: None)
    monkeypatch.setattr(worker.os, "fdopen", lambda *_, **__: channel)
    monkeypatch.setattr(worker, "_live_only_as_long_as_the_parent", lambda _: None)
    line = json.dumps(request_of(tmp_path)).encode()
    monkeypatch.setattr(worker, "_read_line", lambda _: line)
    monkeypatch.setattr(
        worker.sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)))
    )
    monkeypatch.setattr(worker.sys, "stdout", channel)
    monkeypatch.setattr(worker.sys, "stderr", channel)
    worker.main()
    return [json.loads(one) for one in channel.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("problem", "code", "words"),
    [
        (VolumeError("Expected a CT."), "bad_volume", "Expected a CT."),
        (MemoryError(), "memory_short", "did not fit in memory"),
        (OSError(28, "No space", "/secret/JOHN"), "memory_short", "room on the disk"),
        (OSError(13, "Denied", "/secret/JOHN"), "internal", "fault of ours"),
        (KeyError("JOHN"), "internal", "fault of ours"),
        (SystemExit("JOHN"), "internal", "fault of ours"),
    ],
)
def test_every_failure_becomes_one_last_event(
    problem: BaseException,
    code: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Errors of ours with their sentence, bugs by kind and place; never what a library quotes."""

    def fail(*_: object) -> None:
        raise problem

    events = heard(fail, monkeypatch, tmp_path)
    assert events[-1]["event"] == "failed"
    assert events[-1]["code"] == code
    assert words in events[-1]["message"]
    assert "JOHN" not in json.dumps(events)


def test_a_full_disk_is_said_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result's size is known; with less room than that nothing is begun."""
    usage = type("Usage", (), {"free": 50_000_000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(MemoryShortError, match="needs about 200 MB on the disk"):
        worker._require_disk(tmp_path, 200.0)


@pytest.mark.parametrize(
    ("failed", "exit_code", "kind"),
    [
        ({"code": "bad_volume", "message": "no CT"}, 0, VolumeError),
        ({"code": "busy", "message": "later"}, 0, BusyError),
        ({"code": "internal", "message": "ours"}, 0, WorkerFaultError),
        (None, -9, MemoryShortError),
        (None, -11, WorkerFaultError),
        (None, 1, WorkerFaultError),
    ],
)
def test_the_end_of_a_worker_becomes_an_error(
    failed: dict | None, exit_code: int, kind: type[Exception]
) -> None:
    """Its last event says which; killed means too little memory; a crash is a fault of ours."""
    assert type(error_of(failed, exit_code)) is kind


@pytest.mark.slow
def test_a_detection_leaves_its_times_for_the_server(tmp_path: Path) -> None:
    """After a real detection, the network's and the whole search's durations can be taken over."""
    line = json.dumps(request_of(tmp_path)).encode() + b"\n"
    with started() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line)
        process.stdin.flush()
        events = [json.loads(text) for text in process.stdout]
    assert events[-1]["event"] == "done"
    recorder = Timings()
    assert recorder.take(folder_of(Settings(home=tmp_path))) == 1
    times = {row.model: row.longest_s for row in recorder.figures()}
    network = next(name for name in times if name.startswith("Lightbox spine finder"))
    assert 0 < times[network] <= times["vertebrae (embedded)"]
