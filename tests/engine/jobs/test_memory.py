"""Memory of jobs: waiting for it, a limit that holds, pausing at the floor; with real eaters."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from engine.memory_guard import free_memory_mb
from engine.people.actors import VISITOR
from tests.engine.jobs.workplace import ROOT, Workplace
from tests.engine.memory_guard.limited_group import LimitedGroup, limited_group

EATER = """
import sys, time
held = bytearray(int(sys.argv[1]) * 1_000_000)
held[::4096] = b"x" * len(held[::4096])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def eater(group: LimitedGroup, mb: int) -> Iterator[None]:
    """Run a program in the group that has really taken so much."""
    command = ["sh", "-c", f'{group.enter}; exec "$@"', "sh", sys.executable, "-c", EATER, str(mb)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == b"held\n"
            yield
        finally:
            child.kill()


def test_a_job_above_its_limit_is_ended_with_the_figures(workplace: Workplace) -> None:
    """A task that eats ten times what it may is ended; its worker and its neighbour live on."""
    workplace.settings = Workplace.at(workplace.home, job_memory_mb=150).settings
    greedy = workplace.submit("fill_memory", mb=1500)
    steady = workplace.submit("count", to=20, each_s=0.05)
    worker = workplace.start_worker()
    done = workplace.wait(greedy)
    assert (done.state, done.error_code) == ("failed", "memory_short")
    assert "but may take at most 150 MB" in done.error
    assert workplace.wait(steady).state == "completed"
    assert worker.poll() is None


def test_one_gulp_above_the_limit_fails_at_once(workplace: Workplace) -> None:
    """An allocation far above the limit is refused by the system and told as a lack of memory."""
    workplace.settings = Workplace.at(workplace.home, job_memory_mb=150).settings
    job = workplace.submit("one_gulp", mb=30_000)
    workplace.start_worker()
    done = workplace.wait(job)
    assert (done.state, done.error_code) == ("failed", "memory_short")
    assert "more memory than it may have" in done.error


def test_a_long_step_pauses_at_the_floor_then_stops_with_its_state_saved(
    workplace: Workplace,
) -> None:
    """In a real control group another program eats: pause, then stop; the retry goes on there."""
    told = Workplace.at(workplace.home, memory_floor_mb=200, memory_wait_s=1)
    workplace.settings = told.settings
    with limited_group(600) as group:
        job = workplace.submit("count", to=60, each_s=0.05)
        workplace.start_worker(before=group.enter)
        workplace.wait(job, lambda now: (now.fraction or 0) > 0.1)
        with eater(group, 420):
            paused = workplace.wait(
                job, lambda now: now.paused_because or now.state != "processing"
            )
            assert "Paused for memory:" in paused.paused_because
            assert "counting goes on when there are 200 MB" in paused.paused_because
            done = workplace.wait(job)
        assert (done.state, done.error_code, done.attempts) == ("failed", "memory_short", 1)
        assert "Stopped counting because memory ran short" in done.error
        assert "of 600 MB are free (cgroup" in done.error
        again = workplace.queue.retry(job.id, VISITOR)
        assert workplace.wait(again).message == "Counted to 60."
        begun = int(workplace.notes(again)[0].removeprefix("from "))
        assert begun >= 6


def test_a_pause_ends_when_memory_comes_back(workplace: Workplace) -> None:
    """The other program ends in time: the same attempt goes on to its end."""
    told = Workplace.at(workplace.home, memory_floor_mb=200, memory_wait_s=30)
    workplace.settings = told.settings
    with limited_group(600) as group:
        job = workplace.submit("count", to=40, each_s=0.05)
        workplace.start_worker(before=group.enter)
        workplace.wait(job, lambda now: (now.fraction or 0) > 0.1)
        with eater(group, 420):
            workplace.wait(job, lambda now: now.paused_because or now.state != "processing")
        done = workplace.wait(job)
        assert (done.state, done.attempts, done.paused_because) == ("completed", 1, "")


def test_a_job_does_not_start_before_there_is_memory_for_it(workplace: Workplace) -> None:
    """Forecast 300 MB, 600 in the group, 330 eaten: it waits with the figures, then runs."""
    told = Workplace.at(workplace.home, memory_floor_mb=100)
    workplace.settings = told.settings
    with limited_group(600) as group:
        with eater(group, 330):
            workplace.start_worker(before=group.enter)
            job = workplace.submit("quick", need_mb=300)
            waiting = workplace.wait(job, lambda now: now.paused_because)
            assert waiting.state == "pending"
            assert "Waits for memory: it needs about 300 MB" in waiting.paused_because
            time.sleep(0.5)
            assert workplace.queue.get(job.id).state == "pending"
        assert workplace.wait(job).state == "completed"


def test_a_job_that_cannot_ask_is_stopped_before_the_group_is_full(workplace: Workplace) -> None:
    """A task in one long step that eats a real group up is stopped by its worker, or the kernel.

    Either way the worker lives, the job ends and says that it was memory.
    """
    told = Workplace.at(workplace.home, memory_floor_mb=200, job_memory_mb=5000)
    workplace.settings = told.settings
    with limited_group(700) as group:
        job = workplace.submit("fill_memory", mb=2000, need_mb=100)
        worker = workplace.start_worker(before=group.enter)
        done = workplace.wait(
            job, lambda now: now.state == "failed" or now.attempts > 1, seconds=30
        )
        assert "memory ran" in (done.error or done.message)
        assert worker.poll() is None
    assert free_memory_mb().available_mb > 0


def test_nothing_is_left_in_the_test_s_own_group() -> None:
    """The groups above are gone, so that the next test run finds a clean machine."""
    from tests.engine.memory_guard import limited_group as made

    for mount in made._mounts(made.ROOT):
        own = made._own_paths(made.ROOT).get(mount.source)
        if own is not None:
            folder = next(made._upwards(mount, own))
            assert list(folder.glob("lightbox-test-*")) == []
    assert ROOT.is_dir()
