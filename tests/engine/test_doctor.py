"""What ``lightbox doctor`` says about what a home remembers."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import doctor
from engine.people.actors import SYSTEM
from engine.settings import Settings
from engine.workbench import Workbench


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(Settings(home=tmp_path / "home"))


def checked(settings: Settings, name: str) -> dict[str, object]:
    asks = {
        "records": doctor._records,
        "audit log": doctor._audit,
        "backups": doctor._backups,
        "files": doctor._files,
        "worker": doctor._worker,
        "disk": doctor._disk,
    }
    return doctor._check(name, lambda: asks[name](settings))


@pytest.mark.parametrize("name", ["records", "audit log", "backups", "worker"])
def test_an_empty_home_is_healthy_and_stays_empty(bench: Workbench, name: str) -> None:
    """Looking makes no folder: nothing is remembered yet, and that is fine."""
    assert checked(bench.settings, name)["ok"]
    assert not bench.settings.home.exists()


def test_a_used_home_is_healthy(bench: Workbench) -> None:
    """Records, files, log, backups and disk of a home at work are told with their counts."""
    bench.audit.write(SYSTEM, "backups.make", record="backups/1", text="Made.")
    bench.backups.make("by hand", actor=SYSTEM)
    answers = {
        name: checked(bench.settings, name)
        for name in ("records", "files", "audit log", "backups", "disk", "worker")
    }
    assert all(answer["ok"] for answer in answers.values()), answers
    assert "1 good" in str(answers["backups"]["detail"])


def test_a_damaged_collection_is_a_fault_with_a_way_out(bench: Workbench) -> None:
    """The doctor names the file that cannot be read."""
    bench.queue.submit("verify_files", actor=SYSTEM)
    path = bench.records_folder / "jobs.json"
    path.write_bytes(path.read_bytes()[:40])
    found = checked(bench.settings, "records")
    assert not found["ok"]
    assert "jobs" in str(found["detail"])


def test_a_changed_audit_log_is_a_fault(bench: Workbench) -> None:
    """One letter is enough."""
    bench.audit.write(SYSTEM, "backups.make", record="backups/1", text="Made.")
    (segment,) = (bench.records_folder / "audit").glob("*.jsonl")
    segment.write_bytes(segment.read_bytes().replace(b"Made.", b"Mode."))
    assert not checked(bench.settings, "audit log")["ok"]
