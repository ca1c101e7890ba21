"""What a run does when the library fails, hangs, or is killed; with a library that does so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from engine.errors import (
    DiskShortError,
    LightboxError,
    MemoryShortError,
    MissingBackendError,
    ModelError,
    SettingsError,
)
from engine.imaging.volumes import Volume
from engine.settings import Settings
from engine.spine.segmenters import Progress, RunWatch, Segmentation, Task
from engine.spine.totalsegmentator import TotalSegmentatorSegmenter, segmenter, workplace
from engine.spine.weights.catalogue import MODELS
from tests.engine.spine.totalsegmentator.stand_in import GOOD, write_stand_in
from tests.engine.spine.weights.releases import model_files
from tests.processes import started_here

VOLUME = Volume(voxels=np.zeros((6, 5, 4), np.float32), affine=np.diag([3.0, 3.0, 3.0, 1.0]))

Library = Callable[[str], Settings]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """Return a function that installs a library with some behaviour, and models; → settings."""

    def install(body: str) -> Settings:
        packages = write_stand_in(tmp_path / "packages", body)
        monkeypatch.setenv("PYTHONPATH", str(packages))
        settings = Settings(home=tmp_path / "home", threads=1)
        weights = tmp_path / "home" / "models" / "totalsegmentator" / "nnunet" / "results"
        for model in MODELS:
            for name, contents in model_files(model, size=1000).items():
                (weights / name).parent.mkdir(parents=True, exist_ok=True)
                (weights / name).write_bytes(contents)
        return settings

    return install


def segment(
    settings: Settings, task: Task = "total_fast", watch: RunWatch | None = None
) -> Segmentation:
    return TotalSegmentatorSegmenter(settings, task).segment(VOLUME, watch or RunWatch())


def left_over(settings: Settings) -> list[str]:
    """Return the names of what lies in the temporary folder."""
    folder = settings.temp_folder / "totalsegmentator"
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def ended(processes: set[psutil.Process]) -> bool:
    """Tell whether none of them runs; one whose new parent has not asked yet counts as ended."""
    return not any(
        process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes
    )


def test_a_run_that_goes_well(library: Library) -> None:
    """Codes are mapped by name, and each tile is told."""
    settings = library(GOOD)
    said: list[Progress] = []
    result = segment(settings, watch=RunWatch(on_progress=said.append))
    assert np.unique(result.labels).tolist() == [0, 24]
    assert result.confidences == {24: 1.0}
    assert next(p.text for p in said if p.step == "network") == "Patch 1 of 2"
    assert left_over(settings) == []


@pytest.mark.parametrize(
    ("body", "kind", "sentence"),
    [
        ("sys.exit('ERROR: no input')", ModelError, r"stopped itself \(ERROR: no input\)"),
        ("sys.exit(1)", ModelError, r"stopped itself \(1\)"),
        ("raise IndexError('list index out of range')", ModelError, "python_api.py:3 with Index"),
        ("raise MemoryError", MemoryShortError, "ran out of it"),
        ("raise RuntimeError('Background workers died')", MemoryShortError, "ran out of it"),
        ("import pickle\nraise pickle.UnpicklingError('?')", ModelError, "download them again"),
        ("import absent_library", MissingBackendError, "pip install"),
        ("os._exit(3)", ModelError, r"crashed \(exit code 3\)"),
        ("os.abort()", ModelError, r"crashed \(signal 6\)"),
        ("os.kill(os.getpid(), signal.SIGKILL)", MemoryShortError, "memory ran out"),
        ("return image.slicer[1:]", ModelError, r"labels of \(6, 5, 4\)"),
    ],
)
def test_each_failure_is_a_sentence(
    library: Library, body: str, kind: type[LightboxError], sentence: str
) -> None:
    """Whatever the library does, it ends in an error of ours, and nothing is left."""
    settings = library(body)
    with pytest.raises(kind, match=sentence):
        segment(settings)
    assert left_over(settings) == []


def test_a_failure_does_not_hurt_the_next_run(library: Library) -> None:
    """A killed worker is told, and the run after it works."""
    with pytest.raises(MemoryShortError, match="the system ended its process"):
        segment(library("os.kill(os.getpid(), signal.SIGKILL)"))
    assert segment(library(GOOD)).confidences == {24: 1.0}


def test_even_a_killed_watcher_is_told(library: Library) -> None:
    """When the watching process is killed, too, the kernel ends the worker with it."""
    settings = library("time.sleep(60)")
    seen: set[psutil.Process] = set()

    def kill(said: Progress) -> None:
        if said.step == "resampling" and not seen:
            seen.update(started_here())
            started_here()[0].kill()

    with pytest.raises(MemoryShortError, match="the system ended its process"):
        segment(settings, watch=RunWatch(on_progress=kill))
    assert len(seen) == 2
    time.sleep(0.2)
    assert ended(seen)
    assert left_over(settings) == []


CHILD = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\ntime.sleep(60)"


class Stopped(Exception):  # noqa: N818 – as somebody who does not want the result any more
    """Raised from the progress to cancel."""


def test_raising_from_the_progress_ends_everything(library: Library) -> None:
    """A silent library is cancelled within a second; its own children go with it."""
    settings = library(CHILD)
    seen: set[psutil.Process] = set()
    asked: list[float] = []

    def stop(said: Progress) -> None:
        children = started_here()
        if said.step == "resampling" and len(children) == 3:
            seen.update(children)
            asked.append(time.monotonic())
            raise Stopped

    with pytest.raises(Stopped):
        segment(settings, watch=RunWatch(on_progress=stop))
    assert time.monotonic() - asked[0] < 2
    assert len(seen) == 3
    assert ended(seen)
    assert left_over(settings) == []


PROGRAM = """
import sys
from pathlib import Path
from engine.settings import Settings
from tests.engine.spine.totalsegmentator.test_failing import VOLUME
from engine.spine.segmenters import RunWatch
from engine.spine.totalsegmentator import TotalSegmentatorSegmenter
settings = Settings(home=Path(sys.argv[1]), threads=1)
watch = RunWatch(on_progress=lambda said: print(said.step, flush=True))
TotalSegmentatorSegmenter(settings).segment(VOLUME, watch)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_everything_ends_with_whoever_wanted_it(library: Library, number: signal.Signals) -> None:
    """The caller is killed: no process and no file of the run outlives it."""
    settings = library(CHILD)
    root = Path(__file__).parents[4]
    path = f"{os.environ['PYTHONPATH']}{os.pathsep}{root}"
    caller = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(settings.home)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert caller.stdout is not None
    seen: set[psutil.Process] = set()
    for line in caller.stdout:
        children = psutil.Process(caller.pid).children(recursive=True)
        if line.strip() == "resampling" and len(children) == 3:
            seen.update(children)
            break
    caller.send_signal(number)
    caller.wait()
    caller.stdout.close()
    assert len(seen) == 3
    deadline = time.monotonic() + 5
    while not ended(seen) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert ended(seen)
    assert left_over(settings) == []


NETWORK = """
import socket
for ask in (
    lambda: socket.create_connection(("127.0.0.1", PORT), 1),
    lambda: socket.getaddrinfo("stats.totalsegmentator.com", 443),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", PORT)),
):
    try:
        ask()
    except PermissionError:
        continue
    raise RuntimeError("the network is open")
"""


def test_the_network_is_closed(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    """Connections, lookups and datagrams are refused, also to this machine, and counted."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        settings = library(NETWORK.replace("PORT", str(server.getsockname()[1])) + GOOD)
        with caplog.at_level("WARNING", logger=segmenter.__name__):
            segment(settings)
        with pytest.raises(TimeoutError, match="timed out"):
            server.accept()
    assert "asked for the network 3 times and was refused" in caplog.text


def test_what_the_library_prints_disturbs_nothing(library: Library) -> None:
    """Output of the library, also of its children and of C code, is no event of ours."""
    noise = "print('{\"event\": \"ended\"}')\nos.system('echo noise')\nos.write(1, b'more')\n"
    assert segment(library(noise + GOOD)).confidences == {24: 1.0}


def test_the_environment_is_that_of_the_run(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables for other work do not get in; statistics are off before the first import."""
    monkeypatch.setenv("nnUNet_results", "/elsewhere")
    monkeypatch.setenv("TOTALSEG_HOME_DIR", "/elsewhere")
    monkeypatch.setenv("SECRET_TOKEN", "secret")
    check = """
import json
assert "SECRET_TOKEN" not in os.environ
assert "elsewhere" not in os.environ["nnUNet_results"] + os.environ["TOTALSEG_HOME_DIR"]
config = json.load(open(os.environ["TOTALSEG_HOME_DIR"] + "/config.json"))
assert config["send_usage_stats"] is False
assert options["nr_thr_saving"] == options["nr_thr_resamp"] == 1
assert options["device"] == "cpu" and options["ml"] and options["fast"]
import multiprocessing
assert multiprocessing.cpu_count() == 1
"""
    segment(library(check + GOOD))


def test_only_the_needed_models_are_shown_to_the_library(library: Library) -> None:
    """It sees links to its models, so that it deletes nothing that lies beside them."""
    check = """
names = os.listdir(os.environ["TOTALSEG_WEIGHTS_PATH"])
assert len(names) == 2 and all(name.startswith(("Dataset292", "Dataset298")) for name in names)
assert "sacrum" in options["roi_subset"] and "vertebrae_C1" in options["roi_subset"]
assert "liver" not in options["roi_subset"] and "fast" not in options
"""
    settings = library(check + GOOD)
    said: list[Progress] = []
    segment(settings, "total", RunWatch(on_progress=said.append))
    assert "Rough model: patch 2 of 2" in [progress.text for progress in said]


def test_a_long_folder_name_leaves_room_for_sockets(library: Library, tmp_path: Path) -> None:
    """Processes of the library talk through a folder whose name is short enough."""
    check = """
import multiprocessing
with multiprocessing.Manager() as manager:
    assert manager.list([1])[0] == 1
"""
    settings = library(check + GOOD)
    deep = Settings(home=settings.home, threads=1, temp_dir=tmp_path / ("long" * 30))
    segment(deep)
    assert left_over(deep) == []


# --- before anything starts ----------------------------------------------------------------------


@pytest.fixture
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test when a process is started."""
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))


@pytest.mark.usefixtures("no_process")
def test_too_little_memory_refuses_before_the_start(library: Library) -> None:
    """What the guard raises comes out as it is; no process and no file is made."""
    settings = library(GOOD)

    def refuse(need_mb: float, what: str) -> None:
        raise MemoryShortError(f"{what} needs {need_mb:.0f} MB")

    with pytest.raises(MemoryShortError, match=r"6×5×4 voxels needs \d{4} MB"):
        segment(settings, watch=RunWatch(before=refuse))
    assert left_over(settings) == []


@pytest.mark.usefixtures("no_process")
def test_missing_weights_are_told_before_the_start(library: Library, tmp_path: Path) -> None:
    """The sentence says how to download them."""
    library(GOOD)
    empty = TotalSegmentatorSegmenter(Settings(home=tmp_path / "empty"), "total")
    assert "python -m engine.spine.weights total`" in str(empty.missing())
    with pytest.raises(ModelError, match="is not installed; download it"):
        empty.segment(VOLUME, RunWatch())


@pytest.mark.usefixtures("no_process")
def test_a_missing_library_is_told_before_the_start(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence has the line that installs it."""
    settings = library(GOOD)
    monkeypatch.setattr(segmenter, "find_spec", lambda _: None)
    assert "pip install" in str(TotalSegmentatorSegmenter(settings).missing())
    with pytest.raises(MissingBackendError, match="pip install 'TotalSegmentator"):
        segment(settings)


@pytest.mark.usefixtures("no_process")
def test_a_small_disk_is_told_before_the_start(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CT is not written where it would not fit."""
    settings = library(GOOD)
    usage = workplace.shutil.disk_usage(settings.home)
    monkeypatch.setattr(workplace.shutil, "disk_usage", lambda _: usage._replace(free=10**6))
    with pytest.raises(DiskShortError, match="LIGHTBOX_TEMP_DIR"):
        segment(settings)
    assert left_over(settings) == []


def test_a_gpu_that_is_not_there_is_told(library: Library) -> None:
    """``cuda`` is not silently replaced by the processor."""
    settings = library(GOOD)
    strict = Settings(home=settings.home, threads=1, device="cuda")
    with pytest.raises(SettingsError, match="torch finds none"):
        segment(strict)
