"""CPU use as the container sees it: real load, a real control group, and groups made by hand."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.monitoring.processor_use import ProcessorMeter

BURN = "import time; end = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"


def burning(seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", BURN.format(seconds=seconds)])


def test_a_process_that_eats_cpu_moves_the_figure() -> None:
    """With a process at work on every core, most of the machine is busy."""
    meter = ProcessorMeter()
    meter.use()
    cores = os.cpu_count() or 1
    burners = [burning(1.2) for _ in range(cores)]
    try:
        time.sleep(0.3)
        meter.use()
        time.sleep(0.6)
        busy = meter.use()
    finally:
        for burner in burners:
            burner.wait()
    assert busy.cores <= cores
    assert busy.percent > 70


def test_the_first_answer_is_a_measurement() -> None:
    """The first call takes two readings itself and is in 0..100."""
    began = time.monotonic()
    use = ProcessorMeter().use()
    assert time.monotonic() - began >= 0.1
    assert 0 <= use.percent <= 100


def test_asking_again_at_once_repeats_the_answer() -> None:
    """Counters move in steps: two questions within 50 ms get one measurement."""
    meter = ProcessorMeter()
    first = meter.use()
    assert meter.use() == first


def group_tree(root: Path, *, quota: str, used_usec: int) -> None:
    """Write a version 2 group ``/box`` with a quota and its counter."""
    folder = root / "sys/fs/cgroup/box"
    folder.mkdir(parents=True, exist_ok=True)
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/cgroup").write_text("0::/box\n")
    (folder / "cpu.max").write_text(quota)
    (folder / "cpu.stat").write_text(f"usage_usec {used_usec}\nuser_usec 1\nsystem_usec 1\n")


def test_a_quota_is_the_whole(tmp_path: Path) -> None:
    """A group of half a core that used 0.1 s CPU in 0.4 s is half busy."""
    group_tree(tmp_path, quota="50000 100000", used_usec=1_000_000)
    meter = ProcessorMeter(root=tmp_path)
    meter.use()
    began = time.monotonic()
    time.sleep(0.4)
    group_tree(tmp_path, quota="50000 100000", used_usec=1_100_000)
    use = meter.use()
    expected = 100 * 0.1 / (time.monotonic() - began) / 0.5
    assert (use.cores, use.source) == (0.5, "cgroup quota")
    assert use.percent == pytest.approx(expected, rel=0.25)


def test_more_than_the_quota_is_a_hundred(tmp_path: Path) -> None:
    """A burst beyond the quota is not shown as more than all."""
    group_tree(tmp_path, quota="10000 100000", used_usec=0)
    meter = ProcessorMeter(root=tmp_path)
    meter.use()
    time.sleep(0.1)
    group_tree(tmp_path, quota="10000 100000", used_usec=9_000_000)
    assert meter.use().percent == 100.0


@pytest.mark.parametrize("quota", ["max 100000", "", "nonsense", "0 100000"])
def test_no_quota_means_the_machine(tmp_path: Path, quota: str) -> None:
    """Without a limit the machine's cores are the whole."""
    group_tree(tmp_path, quota=quota, used_usec=5)
    use = ProcessorMeter(root=tmp_path).use()
    assert (use.cores, use.source) == (float(os.cpu_count() or 1), "machine")


@contextlib.contextmanager
def real_quota(*, share_of_a_core: float) -> Iterator[str]:
    """A real control group with a quota; skips where this user may make none."""
    name = f"lightbox-test-{os.getpid()}"
    first = Path("/sys/fs/cgroup/cpu")
    folders = [first / name, Path("/sys/fs/cgroup/cpuacct") / name]
    if not first.is_dir():
        folders = [Path("/sys/fs/cgroup") / name]
    made = []
    try:
        for folder in folders:
            folder.mkdir(exist_ok=True)
            made.append(folder)
        if first.is_dir():
            (folders[0] / "cpu.cfs_quota_us").write_text(str(round(100_000 * share_of_a_core)))
        else:
            (folders[0] / "cpu.max").write_text(f"{round(100_000 * share_of_a_core)} 100000")
    except OSError as error:
        for folder in made:
            folder.rmdir()
        pytest.skip(f"no control group can be made here ({error.strerror})")
    try:
        yield "\n".join(str(folder / "cgroup.procs") for folder in folders)
    finally:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()


def test_a_real_control_group_with_a_quota() -> None:
    """A process that burns inside a quota of 0.3 cores sees these as fully busy."""
    code = (
        "import json, os, sys, time, threading\n"
        "for name in sys.argv[1].splitlines(): open(name, 'w').write(str(os.getpid()))\n"
        "from engine.monitoring.processor_use import ProcessorMeter\n"
        "meter = ProcessorMeter(); meter.use(); end = time.monotonic() + 1.2\n"
        "while time.monotonic() < end: pass\n"
        "use = meter.use(); print(json.dumps([use.percent, use.cores, use.source]))\n"
    )
    with real_quota(share_of_a_core=0.3) as places:
        done = subprocess.run(
            [sys.executable, "-c", code, places], capture_output=True, text=True, check=False
        )
    if "PermissionError" in done.stderr or "OSError" in done.stderr:
        pytest.skip("no process can be moved into a control group here")
    percent, cores, source = json.loads(done.stdout)
    assert (cores, source) == (0.3, "cgroup quota")
    assert percent > 60
