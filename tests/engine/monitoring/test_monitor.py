"""The monitor as a whole: it samples, remembers, takes over, and costs next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.inference import timings
from engine.monitoring import Monitor
from engine.people.actors import SYSTEM
from engine.settings import Settings
from engine.workbench import Workbench

ROOT = Path(__file__).parents[3]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def monitors(settings: Settings) -> Iterator[Callable[[], Monitor]]:
    """Make quick monitors of one home, stopped at the end."""
    made = []

    def make() -> Monitor:
        bench = Workbench(settings)
        monitor = Monitor(
            settings,
            store=lambda: bench.store,
            files=lambda: bench.files,
            queue=lambda: bench.queue,
            backups=lambda: bench.backups,
            audit=lambda: bench.audit,
            every_s=0.1,
        )
        made.append(monitor)
        return monitor

    yield make
    for monitor in made:
        monitor.stop()


def wait_for(ask: Callable[[], bool], within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while not ask() and time.monotonic() < deadline:
        time.sleep(0.05)
    return ask()


def test_samples_come_by_themselves_and_survive_a_restart(monitors) -> None:
    """A second monitor of the same home begins with what the first one saw."""
    first = monitors()
    first.start()
    first.start()
    assert wait_for(lambda: len(first.history()) >= 3)
    first.stop()
    seen = first.history()
    second = monitors()
    assert {one.at for one in seen} - {one.at for one in second.history()} <= {seen[-1].at}
    second.start()
    assert wait_for(lambda: len(second.history()) > len(seen))
    assert second.history()[0].at == pytest.approx(seen[0].at, abs=0.01)


def test_one_process_samples_and_another_takes_over(monitors) -> None:
    """Two monitors of one home do not both write; when the first goes, the second one does."""
    first, second = monitors(), monitors()
    first.start()
    assert wait_for(lambda: first.is_sampling)
    second.start()
    time.sleep(0.4)
    assert not second.is_sampling
    assert len(second.history()) > 0
    first.stop()
    assert wait_for(lambda: second.is_sampling)


def test_a_killed_server_leaves_its_history(settings: Settings) -> None:
    """A kill -9 in the middle of sampling: what was kept is there, and the lock is free."""
    code = (
        "import sys, time; from pathlib import Path; from engine.settings import Settings; "
        "from engine.workbench import Workbench; "
        "bench = Workbench(Settings(home=Path(sys.argv[1])));"
        "bench.monitor._every_s = 0.05; bench.monitor.start(); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(settings.home)], cwd=ROOT)
    path = settings.home / "logs" / "monitoring.jsonl"
    assert wait_for(lambda: path.exists() and len(path.read_text().splitlines()) > 5)
    process.kill()
    process.wait()
    bench = Workbench(settings)
    assert len(bench.monitor.history()) >= 5
    bench.monitor.start()
    assert wait_for(lambda: bench.monitor.is_sampling)
    bench.close()


def test_a_sample_costs_at_most_five_milliseconds(settings: Settings) -> None:
    """The CPU time of a sample, in the middle of twenty, with a thousand jobs in the records."""
    bench = Workbench(settings)
    job = bench.queue.submit("verify_files", actor=SYSTEM)
    with bench.store.jobs.transaction() as jobs:
        from dataclasses import replace

        for number in range(1_000):
            jobs.put(replace(job, id=f"job-{number}", state="completed"))
    bench.monitor._sampler.sample()
    costs = []
    for _ in range(20):
        time.sleep(0.06)
        began = time.thread_time()
        bench.monitor._sampler.sample()
        costs.append(time.thread_time() - began)
    assert sorted(costs)[len(costs) // 2] < 0.005


def test_a_damaged_queue_leaves_the_other_figures(settings: Settings) -> None:
    """Records that cannot be read give no counts; CPU, memory and disk are still told."""
    bench = Workbench(settings)
    bench.queue.submit("verify_files", actor=SYSTEM)
    path = bench.records_folder / "jobs.json"
    path.write_bytes(b"torn")
    sample = Workbench(settings).monitor.now()
    assert sample.jobs is None
    assert sample.memory_total_mb > 0
    assert sample.disk_total_mb > 0


def test_the_queue_is_counted(settings: Settings) -> None:
    """Two waiting jobs are two, and the oldest one's age is told."""
    bench = Workbench(settings)
    assert bench.monitor._sampler.sample().oldest_pending_s is None
    for number in range(2):
        bench.queue.submit("verify_files", actor=SYSTEM, title=f"{number}")
    sample = bench.monitor._sampler.sample()
    assert (sample.waiting, sample.running) == (2, 0)
    assert 0 <= (sample.oldest_pending_s or -1) < 30


def test_documents_are_plain_json(settings: Settings) -> None:
    """Both documents can be sent as they are, with units in their names."""
    bench = Workbench(settings)
    status, resources = bench.monitor.status(), bench.monitor.resources()
    assert json.loads(json.dumps(status, allow_nan=False)) == status
    assert json.loads(json.dumps(resources, allow_nan=False)) == resources
    assert status["status"] in {"ok", "attention", "failed"}
    assert {"timestamp", "version", "uptime_s", "parts", "queue", "models"} <= set(status)
    assert {"cpu", "memory", "disk", "gpu", "process", "queue"} <= set(resources)
    memory = resources["memory"]
    assert memory["floor_mb"] == settings.memory_floor_mb
    assert memory["available_mb"] + memory["used_mb"] == pytest.approx(memory["total_mb"], abs=1)
    assert "history" not in resources


def test_the_history_can_be_asked_for(monitors) -> None:
    """With minutes, the samples of so long come along; nonsense gives none."""
    monitor = monitors()
    monitor.start()
    assert wait_for(lambda: len(monitor.history()) >= 2)
    assert len(monitor.resources(minutes=1)["history"]) >= 2
    assert "history" not in monitor.resources(minutes=-5)


def test_figures_of_ended_processes_are_taken_over(settings: Settings) -> None:
    """What a job's process measured is in the server's table and text."""
    timings.TIMINGS.forget()
    left = timings.Timings()
    left.record("vertebrae (embedded)", 4.0)
    left.leave(timings.folder_of(settings))
    bench = Workbench(settings)
    (row,) = bench.monitor.latencies()
    assert (row.model, row.p50_s) == ("vertebrae (embedded)", 4.0)
    assert 'model="vertebrae (embedded)"' in bench.monitor.prometheus()
    timings.TIMINGS.forget()


def test_a_home_that_cannot_be_written_still_has_figures(tmp_path: Path) -> None:
    """Where a file lies in the place of the home, CPU and memory are told all the same."""
    (tmp_path / "home").write_text("in the way")
    bench = Workbench(Settings(home=tmp_path / "home"))
    assert bench.monitor.now().memory_total_mb > 0
    bench.monitor.start()
    states = {one.name: one.state for one in bench.monitor.parts()}
    bench.close()
    assert states["store"] == "failed"
