"""Backups as jobs: a real worker makes, checks and puts them back, also while others work."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import NotAllowedError, RequestError
from engine.jobs.queue import Queue
from engine.people.actors import SYSTEM, Actor
from engine.store.records import Dataset, Job
from tests.engine.backups.homes import ROOT, Home, home_at

_ENDED = ("completed", "failed", "cancelled")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with a picture; the clock asks for no backups of its own."""
    home = home_at(tmp_path / "home", backup_interval_h=0, memory_floor_mb=100, job_grace_s=1)
    home.add_picture(os.urandom(2_000_000))
    return home


@pytest.fixture
def queue(home: Home) -> Iterator[Queue]:
    """The home's queue, with a worker of ``lightbox worker`` at it."""
    log = (home.settings.home / "worker.log").open("wb")
    worker = subprocess.Popen(
        [sys.executable, "-m", "engine.cli", "worker"],
        cwd=ROOT,
        env={**os.environ, **home.settings.as_mapping()},
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
    )
    yield Queue(home.store, home.settings)
    worker.terminate()
    worker.communicate(timeout=20)
    log.close()


def wait(queue: Queue, job: Job, when: Callable[[Job], object] | None = None) -> Job:
    """Return a job as soon as it is as wanted; by default, when it has ended."""
    is_there = when or (lambda now: now.state in _ENDED)
    end = time.monotonic() + 30
    while not is_there(now := queue.get(job.id)):
        assert time.monotonic() < end, f"still {now}"
        time.sleep(0.05)
    return now


def test_made_checked_and_put_back_by_a_worker(home: Home, queue: Queue) -> None:
    """The three jobs end well, name the backup, and a job at work is stopped for the restore."""
    made = wait(queue, queue.submit("backup", {}, actor=SYSTEM))
    assert (made.state, made.error) == ("completed", "")
    (record,) = home.backups.list()
    assert [(ref.kind, ref.ref) for ref in made.results] == [("backup", record.id)]
    assert record.state == "good"
    checked = wait(queue, queue.submit("verify_backup", {"backup": record.id}, actor=SYSTEM))
    assert (checked.state, checked.error) == ("completed", "")

    with home.store.datasets.transaction() as datasets:
        datasets.put(Dataset(id="since", name="Since"))
    long = queue.submit("sample_data", {"pictures": 2000, "side_px": 1024}, actor=SYSTEM)
    wait(queue, long, lambda job: job.state == "processing" and (job.fraction or 0) > 0)
    back = wait(queue, queue.submit("restore", {"backup": record.id}, actor=SYSTEM))
    assert (back.state, back.error) == ("completed", "")
    assert "put that back to undo" in back.message
    assert "since" not in home.store.datasets.read()
    stopped = queue.get(long.id)
    assert (stopped.state, stopped.message) == (
        "cancelled",
        "A backup is being put back, so this job stops.",
    )


def test_a_cancelled_backup_leaves_nothing(home: Home, queue: Queue) -> None:
    """Cancelled in the middle of the writing, no archive and no half of one is there."""
    for _ in range(4):
        home.add_picture(os.urandom(30_000_000))
    job = queue.submit("backup", {}, actor=SYSTEM)
    wait(queue, job, lambda now: "writing" in now.stage)
    queue.cancel(job.id, SYSTEM)
    assert wait(queue, job).state == "cancelled"
    assert home.archives() == []
    assert [record.state for record in home.backups.list()] == ["bad"]
    assert home.backups.activity() is None


def test_only_who_may_can_ask(home: Home) -> None:
    """Without the action the queue takes no such job, whoever shows a button."""
    queue = Queue(home.store, home.settings)
    nurse = Actor(id="n", name="N", role="UPLOADER")
    for task, payload in [("backup", {}), ("restore", {"backup": "x"})]:
        with pytest.raises(NotAllowedError, match=r"\w"):
            queue.submit(task, payload, actor=nurse)


@pytest.mark.parametrize(
    ("task", "payload"),
    [
        ("backup", {"reason": "before restore"}),
        ("backup", {"path": "/etc"}),
        ("restore", {}),
        ("restore", {"backup": 5}),
        ("restore", {"backup": "x" * 100}),
        ("verify_backup", {"backup": "x", "more": 1}),
    ],
)
def test_payloads_are_checked(home: Home, task: str, payload: dict[str, object]) -> None:
    """What is missing, too much or of another type is refused when it is asked for."""
    with pytest.raises(RequestError, match=r"takes '(reason|backup)'"):
        Queue(home.store, home.settings).submit(task, payload, actor=SYSTEM)
