"""Runs in real worker processes: a line, results for a while, and nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import psutil
import pytest

from engine.errors import BusyError, MemoryShortError, RequestError, TooLargeError, VolumeError
from engine.settings import Settings
from engine.spine.examples import find_example
from engine.spine.runner import KEPT_S, Request, Run, RunState, SpineRunner
from tests.engine.spine.oracle import coded_volume, lumbar_phantom, write_nifti
from tests.processes import started_here

ROOT = Path(__file__).parents[3]
COMMAND = (sys.executable, "-m", "tests.engine.spine.oracle_worker")


class Clock:
    """Seconds that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture(scope="module")
def ct_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lumbar CT that the oracle can read."""
    folder = tmp_path_factory.mktemp("cts")
    return write_nifti(coded_volume(lumbar_phantom()), folder / "ct.nii.gz")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def runner(tmp_path: Path, clock: Clock) -> Iterator[SpineRunner]:
    settings = Settings(home=tmp_path, spine_queue=4, memory_floor_mb=0)
    with SpineRunner(settings, clock=clock, command=COMMAND) as opened:
        yield opened


@final
@dataclass(frozen=True, kw_only=True)
class Served:
    """A run that is done, with all that was heard of it."""

    run: Run
    runner: SpineRunner
    states: tuple[RunState, ...]
    first_s: float


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, ct_file: Path) -> Iterator[Served]:
    """One run of the oracle on a NIfTI file, for tests that only look at it."""
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    with SpineRunner(settings, command=COMMAND) as opened:
        began = time.monotonic()
        run = opened.start(Request(source=ct_file))
        states = []
        first_s = None
        for state in run.events():
            states.append(state)
            if first_s is None and state.step != "waiting":
                first_s = time.monotonic() - began
        yield Served(run=run, runner=opened, states=tuple(states), first_s=first_s or 0.0)


def wait_until(happens: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not happens():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def endless_run(runner: SpineRunner, source: Path) -> tuple[Run, int]:
    """Start a run that never ends, and return it with the id of its worker's child."""
    run = runner.start(Request(source=source, backend="nnunet"))
    for state in run.events():
        if state.text.startswith("Child"):
            return run, int(state.text.split()[1])
    raise AssertionError(f"the run ended: {run.state}")


def processes_below(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def test_a_run_gives_every_vertebra_where_it_is(served: Served, ct_file: Path) -> None:
    """A NIfTI file through a real process: names and places of the phantom's truth."""
    truth = {one.label: one for one in lumbar_phantom().vertebrae if one.body_in_view == 1.0}
    found = {one["label"]: one for one in served.run.document()["vertebrae"]}
    assert set(truth) <= set(found)
    for label, one in truth.items():
        told = [found[label]["center_mm"][axis] for axis in "xyz"]
        assert told == pytest.approx(one.centre_mm, abs=6.0)  # voxels of 4 mm
    assert list(found)[-1] == "L5"
    assert ct_file.exists()


def test_progress_grows_from_the_line_to_the_end(served: Served) -> None:
    """Events never go back, pass through the steps, and end with ``done`` at 1."""
    assert served.states[-1].state == "done"
    assert served.states[-1].progress == 1.0
    progress = [state.progress for state in served.states]
    assert progress == sorted(progress)
    assert {"starting", "reading", "done"} <= {state.step for state in served.states}
    assert json.dumps(served.states[-1].document(), allow_nan=False)


def test_the_first_progress_comes_within_a_second(served: Served) -> None:
    """A person sees that something happens, before any library is loaded."""
    assert 0.0 < served.first_s < 1.0


def test_a_late_listener_gets_the_end_at_once(served: Served) -> None:
    """Who comes after the end hears it; several listeners hear the same."""
    for _ in range(2):
        assert [state.state for state in served.run.events()] == ["done"]


def test_a_result_is_found_by_its_id_alone(served: Served) -> None:
    """No part of an id, no path and no other text leads to a result; ids cannot be guessed."""
    run, runner = served.run, served.runner
    assert runner.find(run.id) is run
    for text in ("", ".", "..", f"../{run.id}", run.id[:-1], str(run.folder), "x" * 100_000):
        assert runner.find(text) is None
    assert len(run.id) >= 32
    assert run.folder.stat().st_mode & 0o077 == 0
    assert runner.folder.stat().st_mode & 0o077 == 0


def test_two_users_at_once_wait_in_line(runner: SpineRunner, ct_file: Path) -> None:
    """One at a time: the second says how many are before it, and both get their answer."""
    first, second = (runner.start(Request(source=ct_file)) for _ in range(2))
    heard = next(iter(second.events()))
    assert heard.state == "queued"
    assert heard.ahead >= 1
    at_the_end = [(first.wait(180).state, second.state.state), second.wait(180).state]
    assert at_the_end[0][0] == at_the_end[1] == "done"
    assert at_the_end[0][1] in ("queued", "running")
    assert first.folder != second.folder


def test_workers_that_fail_do_not_stop_the_next(
    runner: SpineRunner, ct_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Killed by the system, a bug, ``sys.exit``: told without patient data; the next one runs."""
    expected = {
        "total_fast": ("memory_short", "memory ran out"),
        "total": ("internal", "by a fault of ours"),
        "vertebrae_pp": ("internal", "by a fault of ours"),
    }
    runs = {
        task: runner.start(Request(source=ct_file, backend="totalsegmentator", task=task))
        for task in expected
    }
    following = runner.start(Request(source=ct_file))
    for task, run in runs.items():
        state = run.wait(180)
        assert state.state == "failed"
        assert state.error is not None
        assert state.error[0] == expected[task][0]
        assert expected[task][1] in state.error[1]
        assert "JOHN" not in state.error[1]
    assert following.wait(180).state == "done"
    assert "KeyError at" in caplog.text
    assert "JOHN" not in caplog.text
    assert not any(run.folder.exists() for run in runs.values())


def test_a_listener_is_told_that_the_run_goes_on(runner: SpineRunner, ct_file: Path) -> None:
    """With a heartbeat the state is repeated, with the time that has passed.

    The worker has a process group of its own, so that Ctrl-C in a shell is the server's to handle.
    """
    run, child = endless_run(runner, ct_file)
    assert os.getpgid(child) != os.getpgid(os.getpid())
    states = run.events(heartbeat_s=0.05)
    first, second = next(states), next(states)
    assert second.text == first.text
    assert second.elapsed_s > first.elapsed_s


def test_a_full_line_refuses_the_next(runner: SpineRunner, ct_file: Path) -> None:
    """More than the setting allows is told to come back; who waits keeps the place."""
    endless_run(runner, ct_file)
    for _ in range(4):
        runner.start(Request(source=ct_file))
    with pytest.raises(BusyError, match="4 CTs are waiting") as caught:
        runner.start(Request(source=ct_file))
    assert caught.value.retry_after_s > 0
    assert runner.waiting == 4


def test_cancelling_leaves_no_process_and_no_file(
    runner: SpineRunner, ct_file: Path, tmp_path: Path
) -> None:
    """In mid-run: worker, its guard and its child end; folder and upload are gone."""
    upload = tmp_path / "upload"
    upload.mkdir()
    shutil.copy(ct_file, upload)
    run = runner.start(Request(source=upload, backend="nnunet", delete_source=True))
    child = next(int(s.text.split()[1]) for s in run.events() if s.text.startswith("Child"))
    family = started_here()
    assert child in {process.pid for process in family}
    run.cancel()
    assert run.state.state == "cancelled"
    wait_until(lambda: not any(_is_alive(process) for process in family))
    wait_until(lambda: not runner.busy)
    assert not run.folder.exists()
    assert not upload.exists()
    assert runner.find(run.id) is None


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_cancelling_while_waiting_keeps_the_others(runner: SpineRunner, ct_file: Path) -> None:
    """One leaves the line; the ones behind it move up."""
    running, _ = endless_run(runner, ct_file)
    leaving, staying = (runner.start(Request(source=ct_file)) for _ in range(2))
    assert staying.state.ahead == 2
    leaving.cancel()
    assert [state.state for state in leaving.events()] == ["cancelled"]
    assert staying.state.ahead == 1
    running.cancel()
    assert staying.wait(180).state == "done"


def test_killing_the_worker_fails_its_run_only(runner: SpineRunner, ct_file: Path) -> None:
    """As the kernel does when memory runs out: failed, its child ended, the next one runs."""
    run, child = endless_run(runner, ct_file)
    worker = psutil.Process(child).parent()
    assert worker is not None
    worker.kill()
    assert run.wait(20).state == "failed"
    assert runner.start(Request(source=ct_file)).wait(180).state == "done"
    wait_until(lambda: not _pid_alive(child))


def _pid_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and _is_alive(psutil.Process(pid))


def test_a_worker_dies_with_its_parent(tmp_path: Path, ct_file: Path) -> None:
    """When the server is killed, worker, guard and child end; the next start removes the files."""
    code = f"""
        import sys, time
        from pathlib import Path
        from engine.settings import Settings
        from engine.spine.runner import Request, SpineRunner
        runner = SpineRunner(Settings(home=Path({str(tmp_path)!r})), command={COMMAND!r})
        run = runner.start(Request(source=Path({str(ct_file)!r}), backend="nnunet"))
        for state in run.events():
            if state.text.startswith("Child"):
                print(state.text.split()[1], runner.folder, flush=True)
    """
    server = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert server.stdout is not None
    with server.stdout:
        child, folder = server.stdout.readline().split()
    family = processes_below(server.pid)
    assert int(child) in {process.pid for process in family}
    server.kill()
    server.wait()
    wait_until(lambda: not any(_is_alive(process) for process in family))
    assert Path(folder).exists()
    with SpineRunner(Settings(home=tmp_path)) as following:
        assert following.folder.is_dir()
        assert not Path(folder).exists()


def test_the_upload_is_deleted_as_soon_as_it_was_read(
    runner: SpineRunner, ct_file: Path, tmp_path: Path
) -> None:
    """The CT itself is gone while the detection still runs; a file works as a folder does."""
    upload = tmp_path / "one.nii.gz"
    shutil.copy(ct_file, upload)
    run = runner.start(Request(source=upload, backend="nnunet", delete_source=True))
    next(state for state in run.events() if state.text.startswith("Child"))
    wait_until(lambda: not upload.exists())
    assert run.state.state == "running"


@pytest.mark.parametrize("content", [b"", b"nothing like a CT", b"PK\x03\x04 broken"])
def test_a_bad_upload_fails_with_a_sentence_and_is_deleted(
    runner: SpineRunner, tmp_path: Path, content: bytes
) -> None:
    """What cannot be read is told as reading tells it."""
    upload = tmp_path / "upload"
    upload.mkdir()
    (upload / "ct.zip").write_bytes(content)
    state = runner.start(Request(source=upload, delete_source=True)).wait(180)
    assert state.state == "failed"
    assert state.error is not None
    assert state.error[0] == "bad_volume"
    wait_until(lambda: not upload.exists())


def test_results_are_forgotten_after_a_quarter_of_an_hour(
    runner: SpineRunner, ct_file: Path, clock: Clock
) -> None:
    """Counted from the last use; then the id leads nowhere and the folder is gone."""
    run = runner.start(Request(source=ct_file))
    run.wait(180)
    clock.now = KEPT_S - 1
    assert runner.find(run.id) is run
    clock.now = 2 * KEPT_S - 2
    assert runner.find(run.id) is run
    clock.now = 3 * KEPT_S
    assert runner.find(run.id) is None
    assert not run.folder.exists()


def test_the_oldest_results_make_room(
    runner: SpineRunner, ct_file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most so many are kept, and at most so many bytes; those last used stay."""
    runs = [runner.start(Request(source=ct_file)) for _ in range(3)]
    assert [run.wait(180).state for run in runs] == ["done"] * 3
    wait_until(lambda: not runner.busy)
    for number, run in enumerate(runs):
        run.last_used = clock.now = float(number)
    monkeypatch.setattr("engine.spine.runner.MOST_RESULTS", 2)
    runner.sweep()
    assert [run.folder.exists() for run in runs] == [False, True, True]
    monkeypatch.setattr("engine.spine.runner.MOST_RESULT_BYTES", runs[2].size_bytes + 1)
    runner.sweep()
    assert [run.folder.exists() for run in runs] == [False, False, True]


def test_names_move_for_good(runner: SpineRunner, ct_file: Path) -> None:
    """One step up and down again: document, records and label map follow each time."""
    run = runner.start(Request(source=ct_file))
    run.wait(180)
    before = run.document()
    run.shift(-1)
    moved = run.document()
    assert [one["label"] for one in moved["vertebrae"]][-2:] == ["L3", "L4"]
    assert moved["shift"] == -1
    assert set(np.unique(run.saved.labels)) >= {22, 23, 26}
    assert 24 not in run.saved.labels
    run.shift(1)
    assert run.document() == before
    with pytest.raises(RequestError, match="S1"):
        run.shift(1)
    assert run.document() == before
    run.cancel()  # who deletes a run that is done takes its result away
    assert not run.folder.exists()
    with pytest.raises(RequestError, match="this one is cancelled"):
        run.document()


def test_closing_ends_everything(ct_file: Path, tmp_path: Path) -> None:
    """Waiting and running ones are cancelled, processes end, no file stays, nobody may start."""
    runner = SpineRunner(Settings(home=tmp_path), command=COMMAND)
    running, child = endless_run(runner, ct_file)
    waiting = runner.start(Request(source=ct_file))
    folder = runner.folder
    runner.close()
    assert running.state.state == waiting.state.state == "cancelled"
    wait_until(lambda: not _pid_alive(child))
    assert not folder.exists()
    with pytest.raises(BusyError, match="shutting down"):
        runner.start(Request(source=ct_file))


def test_looking_tells_size_and_forecasts_from_headers(runner: SpineRunner, ct_file: Path) -> None:
    """Shape and spacing of the file; time, memory and readiness of every backend and task."""
    look = runner.look(ct_file)
    volume = lumbar_phantom().volume
    assert tuple(look.facts["shape"]) == volume.shape
    assert look.facts["spacing_mm"] == pytest.approx(volume.spacing_mm)
    assert look.facts["kind"] == "nifti"
    embedded = look.forecasts["embedded"]
    assert embedded == {
        "ready": True, "why": None, "download": [], "seconds": 0.5, "memory_mb": 50, "fits": True,
    }  # fmt: skip
    assert set(look.forecasts["nnunet"]) == {"total_fast", "total", "vertebrae_pp"}
    assert list(runner.folder.iterdir()) == []


def test_looking_at_an_example_needs_no_drawing(runner: SpineRunner) -> None:
    """Its size is known before."""
    look = runner.look(find_example("lumbar"))
    assert look.facts["shape"] == [190, 150, 131]


def test_looking_refuses_what_reading_would(runner: SpineRunner, tmp_path: Path) -> None:
    """No CT: the reader's own error, with its sentence."""
    (tmp_path / "notes.txt").write_text("no CT at all")
    with pytest.raises(VolumeError, match="Expected a CT"):
        runner.look(tmp_path / "notes.txt")


def test_looking_has_the_limit_of_the_settings(tmp_path: Path) -> None:
    """More bytes than allowed are refused before any is read."""
    big = tmp_path / "big.nii"
    with big.open("wb") as file:
        file.truncate(2_000_000)
    settings = Settings(home=tmp_path, max_volume_mb=1)
    with (
        SpineRunner(settings, command=COMMAND) as runner,
        pytest.raises(TooLargeError, match="at most 1 MB"),
    ):
        runner.look(big)


def test_looking_at_something_endless_is_ended(
    runner: SpineRunner, ct_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file whose headers take for ever is told so, and its process is gone."""
    monkeypatch.setattr("engine.spine.runner.LOOK_TIMEOUT_S", 0.01)
    with pytest.raises(VolumeError, match="took longer"):
        runner.look(ct_file)
    assert started_here() == []


def test_a_crowd_of_lookers_is_told_to_come_back(
    runner: SpineRunner, ct_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers are read a few at a time."""
    monkeypatch.setattr("engine.spine.runner.MOST_LOOKS", 0)
    with pytest.raises(BusyError, match="being looked at"):
        runner.look(ct_file)


def test_an_example_is_drawn_once(runner: SpineRunner) -> None:
    """The file is a CT of the stated shape, and the second caller gets the same file."""
    import nibabel

    example = find_example("lumbar")
    path = runner.example_file(example)
    assert nibabel.load(path).shape == example.shape
    made = path.stat().st_mtime_ns
    assert runner.example_file(example).stat().st_mtime_ns == made


def test_too_little_memory_is_said_before_reading(tmp_path: Path, ct_file: Path) -> None:
    """With a floor above what the machine has, nothing is read and the sentence says why."""
    settings = Settings(home=tmp_path, memory_floor_mb=1_000_000)
    with SpineRunner(settings, command=COMMAND) as runner:
        state = runner.start(Request(source=ct_file)).wait(180)
    assert state.error is not None
    assert state.error[0] == MemoryShortError.code
    assert "reading a CT" in state.error[1]


@pytest.mark.parametrize(
    "fields", [{"backend": "magic"}, {"task": "total_slow"}, {"source": "ct.nii"}]
)
def test_a_request_with_an_unknown_word_is_refused(fields: dict[str, str]) -> None:
    """Backend, task and source are checked where the request is made."""
    with pytest.raises(RequestError, match=next(iter(fields))):
        Request(**{"source": Path("ct.nii"), **fields})


def test_a_state_is_a_document_with_its_error() -> None:
    """What server-sent events carry."""
    state = RunState(state="failed", error=("bad_volume", "No CT."))
    assert state.document()["error"] == {"code": "bad_volume", "message": "No CT."}
    assert "error" not in RunState(state="running").document()
