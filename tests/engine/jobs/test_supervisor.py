"""One worker beside the server: kept alive, restarted, stopped; and ``lightbox worker`` itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from engine.jobs.supervisor import Supervisor
from tests.engine.jobs.workplace import ROOT, Workplace

SMALL = (sys.executable, "-m", "tests.engine.jobs.small_tasks", "--supervised")


def soon(condition: Callable[[], object], *, seconds: float = 10.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def supervisor(workplace: Workplace) -> Iterator[Supervisor]:
    """A supervisor of workers that know the small tasks; stopped after the test."""
    one = Supervisor(workplace.settings, command=SMALL)
    yield one
    one.stop()


def test_its_worker_does_the_work(supervisor: Supervisor, workplace: Workplace) -> None:
    """Start returns at once, the worker comes up and completes a job; after stop it is gone."""
    began = time.monotonic()
    supervisor.start()
    assert time.monotonic() - began < 1
    assert workplace.wait(workplace.submit("quick")).state == "completed"
    process_id = supervisor.process_id
    assert process_id is not None
    supervisor.stop()
    assert supervisor.process_id is None
    assert not psutil.pid_exists(process_id)
    assert workplace.queue.workers() == ()


def test_a_killed_worker_is_replaced_and_goes_on(
    supervisor: Supervisor, workplace: Workplace
) -> None:
    """After kill -9 of the worker in the middle of a job, the next one resumes it by itself."""
    supervisor.start()
    job = workplace.submit("count", to=30, each_s=0.05)
    workplace.wait(job, lambda now: (now.fraction or 0) > 0.2)
    first = supervisor.process_id
    assert first is not None
    psutil.Process(first).kill()
    done = workplace.wait(job)
    assert (done.state, done.attempts) == ("completed", 2)
    assert supervisor.process_id not in (None, first)
    assert supervisor.restarts == 1


def test_a_job_in_the_middle_is_given_back_when_it_stops(
    supervisor: Supervisor, workplace: Workplace
) -> None:
    """Stopping the server lets the job save its state and wait; no attempt is lost."""
    supervisor.start()
    job = workplace.submit("tidy")
    workplace.wait_for_note(job, "busy")
    supervisor.stop()
    assert workplace.notes(job) == ["busy", "tidied"]
    back = workplace.queue.get(job.id)
    assert (back.state, back.max_attempts - back.attempts) == ("pending", 3)


def test_a_worker_that_cannot_start_is_tried_again_ever_more_slowly(workplace: Workplace) -> None:
    """A broken worker takes no whole core: within 2 s it is tried a few times, not hundreds."""
    broken = Supervisor(workplace.settings, command=(sys.executable, "-c", "raise SystemExit(3)"))
    broken.start()
    time.sleep(2)
    broken.stop()
    assert 1 <= broken.restarts <= 3


def test_it_can_be_switched_off(workplace: Workplace) -> None:
    """LIGHTBOX_WORKER=off: no process is started, and stopping is no error."""
    settings = Workplace.at(workplace.home, worker=False).settings
    one = Supervisor(settings, command=SMALL)
    one.start()
    assert one.process_id is None
    one.stop()


def test_the_command_works_until_nothing_is_left(workplace: Workplace) -> None:
    """``lightbox worker --until-empty`` does what waits and ends with 0."""
    from engine.jobs import Queue
    from engine.people.actors import VISITOR

    queue = Queue(workplace.store, workplace.settings)
    job = queue.submit("sample_data", {"pictures": 2, "side_px": 128}, actor=VISITOR)
    done = subprocess.run(
        [sys.executable, "-m", "engine.cli", "worker", "--until-empty"],
        cwd=ROOT,
        env={**os.environ, **workplace.settings.as_mapping()},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert queue.get(job.id).state == "completed"


def test_the_command_ends_in_good_order_on_a_signal(workplace: Workplace) -> None:
    """SIGTERM and Ctrl-C are no errors, and the end of input ends a supervised worker."""
    for how in ("terminate", "input"):
        words = ["--supervised"] if how == "input" else []
        worker = subprocess.Popen(
            [sys.executable, "-m", "engine.cli", "worker", *words],
            cwd=ROOT,
            env={**os.environ, **workplace.settings.as_mapping()},
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        soon(lambda: [one for one in workplace.queue.workers() if one.is_alive])
        assert worker.stdin is not None
        if how == "terminate":
            worker.terminate()
        worker.stdin.close()
        assert worker.wait(10) == 0
        assert workplace.queue.workers() == ()
