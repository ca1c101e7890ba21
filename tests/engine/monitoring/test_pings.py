"""Each part is asked for real: a stopped worker, a damaged file, a full floor turn it red."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from engine.monitoring.health import PartHealth
from engine.monitoring.pings import DISK_FAILED_MB, DISK_LOW_MB, _disk, _memory
from engine.people.actors import SYSTEM
from engine.settings import Settings
from engine.store.records import BackupRecord
from engine.workbench import Workbench
from tests.engine.monitoring.samples import a_sample


@pytest.fixture
def workbench(tmp_path: Path) -> Workbench:
    return Workbench(Settings(home=tmp_path / "home"))


def part(workbench: Workbench, name: str) -> PartHealth:
    """Ask anew: a fresh workbench has no answers from before."""
    fresh = Workbench(workbench.settings)
    return next(one for one in fresh.monitor.parts() if one.name == name)


def eventually(ask: Callable[[], PartHealth], state: str, *, within_s: float = 15.0) -> PartHealth:
    deadline = time.monotonic() + within_s
    while (found := ask()).state != state and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def test_a_new_home_is_in_good_health_but_for_worker_and_backups(workbench: Workbench) -> None:
    """Records, files, audit log and models work at once; no worker is alive, no backup made."""
    states = {one.name: one.state for one in workbench.monitor.parts()}
    assert list(states) == [
        *("store", "files", "worker", "memory", "disk", "backups", "audit", "models")
    ]
    assert {name for name, state in states.items() if state != "ok"} <= {
        *("worker", "backups", "memory", "disk")  # the last two are the machine's
    }
    assert (states["worker"], states["backups"]) == ("failed", "attention")


def test_a_stopped_worker_turns_its_part_red(workbench: Workbench) -> None:
    """A real worker process is seen within seconds; killed, it is seen to be gone at once."""
    environment = {**os.environ, **workbench.settings.as_mapping()}
    command = [sys.executable, "-m", "engine.cli", "worker"]
    worker = subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[3])
    try:
        alive = eventually(lambda: part(workbench, "worker"), "ok")
        assert (alive.state, "alive" in alive.text) == ("ok", True)
    finally:
        worker.kill()
        worker.wait()
    gone = part(workbench, "worker")
    assert (gone.state, gone.ok) == ("failed", False)
    assert "No worker is alive" in gone.text


def test_waiting_jobs_without_a_worker_are_told(workbench: Workbench) -> None:
    """Even where the server runs none on purpose, a job that waits is a failure."""
    quiet = Workbench(replace(workbench.settings, worker=False))
    assert part(quiet, "worker").state == "attention"
    quiet.queue.submit("verify_files", actor=SYSTEM)
    failed = part(quiet, "worker")
    assert failed.state == "failed"
    assert "One job waits" in failed.text


def test_a_damaged_collection_is_named(workbench: Workbench) -> None:
    """Records that cannot be read turn their part red, and the others stay as they are."""
    with workbench.store.backups.transaction() as backups:
        backups.put(BackupRecord(state="making", reason="by hand"))
    path = workbench.records_folder / "backups.json"
    path.write_bytes(path.read_bytes()[:-30])
    damaged = part(workbench, "store")
    assert damaged.state == "failed"
    assert "backups" in damaged.text
    assert part(workbench, "files").ok


def test_files_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    """A file in the way of the folder for files turns that part red."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "files").write_text("in the way")
    assert part(Workbench(Settings(home=home)), "files").state == "failed"


def test_a_changed_line_of_the_audit_log_is_told(workbench: Workbench) -> None:
    """One letter changed in the log turns its part red."""
    for number in range(3):
        workbench.audit.write(SYSTEM, "backups.make", record=f"backups/{number}", text="Made.")
    assert part(workbench, "audit").ok
    segment = max((workbench.records_folder / "audit").glob("*.jsonl"))
    segment.write_bytes(segment.read_bytes().replace(b"Made.", b"Mode.", 1))
    broken = part(workbench, "audit")
    assert broken.state == "failed"
    assert "Line 1" in broken.text or "line 1" in broken.text


def test_an_altered_model_is_told(workbench: Workbench, tmp_path: Path) -> None:
    """Weights that do not fit their card turn the part red."""
    import shutil

    from engine.shipped import shipped

    folder = tmp_path / "eyes"
    shutil.copytree(shipped("models", "eyes"), folder)
    mine = Workbench(replace(workbench.settings, eye_model=folder))
    assert part(mine, "models").state == "ok"
    with (folder / "model.bin").open("r+b") as file:
        file.write(b"!")
    assert part(mine, "models").state == "failed"


@pytest.mark.parametrize(
    ("free_mb", "state"), [(400.0, "failed"), (999.0, "attention"), (1_001.0, "ok")]
)
def test_memory_is_judged_by_its_floor(free_mb: float, state: str) -> None:
    """With a floor of 500 MB: below it failed, below twice of it look soon."""
    assert _memory(replace(a_sample(), memory_free_mb=free_mb)).state == state


@pytest.mark.parametrize(
    ("free_mb", "state"),
    [(DISK_FAILED_MB - 1, "failed"), (DISK_LOW_MB - 1, "attention"), (DISK_LOW_MB, "ok")],
)
def test_disk_is_judged_by_what_is_free(free_mb: float, state: str) -> None:
    """Under 500 MB failed, under 2 GB look soon."""
    assert _disk(replace(a_sample(), disk_free_mb=free_mb)).state == state


def test_a_floor_above_free_memory_turns_memory_red(workbench: Workbench) -> None:
    """The real figures against a floor that no machine meets."""
    high = Workbench(replace(workbench.settings, memory_floor_mb=999_999))
    assert part(high, "memory").state == "failed"


def backup_of(workbench: Workbench, *, age_h: float) -> Path:
    """Make a real backup and set its date back; return its archive."""
    made = workbench.backups.make("by hand", actor=SYSTEM)
    older = replace(made, created_at=made.created_at - timedelta(hours=age_h))
    with workbench.store.backups.transaction() as backups:
        backups.put(older)
    return workbench.backups.archive(made.id)


@pytest.mark.parametrize(("age_h", "expected"), [(1, "ok"), (47, "ok"), (49, "failed")])
def test_backups_are_judged_by_their_age(workbench: Workbench, age_h: int, expected: str) -> None:
    """One is due every 24 h: later than two days it is a failure."""
    backup_of(workbench, age_h=age_h)
    assert part(workbench, "backups").state == expected


def test_a_newest_backup_that_is_gone_is_told(workbench: Workbench) -> None:
    """An older good one does not make up for the newest one's archive."""
    backup_of(workbench, age_h=2)
    backup_of(workbench, age_h=1).unlink()
    told = part(workbench, "backups")
    assert told.state == "failed"
    assert "not usable" in told.text
