"""kill -9 of the job, the worker and the server: no job is lost, none goes on twice."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import psutil

from engine.jobs import transitions
from engine.jobs.folders import JobFolder
from engine.jobs.outcomes import Outcome, write_outcome
from engine.store import now
from engine.store.records import Job
from tests.engine.jobs.workplace import ROOT, Workplace


def in_the_middle(workplace: Workplace, *, to: int = 40) -> Job:
    """Return a counting job that has counted to ten or more."""
    job = workplace.submit("count", to=to, each_s=0.04)
    workplace.start_worker()
    return workplace.wait(job, lambda now: (now.fraction or 0) >= 10 / to)


def test_a_killed_job_goes_on_from_its_checkpoint(workplace: Workplace) -> None:
    """The second attempt begins where the first had saved, not at nought."""
    job = in_the_middle(workplace)
    assert job.process_id is not None
    os.kill(job.process_id, signal.SIGKILL)
    done = workplace.wait(job)
    assert (done.state, done.attempts, done.message) == ("completed", 2, "Counted to 40.")
    first, second, last = workplace.notes(job)
    assert (first, last) == ("from 0", "to 40")
    assert int(second.removeprefix("from ")) >= 10


def test_a_killed_worker_takes_its_jobs_along_and_the_next_goes_on(workplace: Workplace) -> None:
    """The job's process dies with its worker; another worker resumes it, without a human."""
    job = in_the_middle(workplace)
    workplace.workers[0].kill()
    workplace.workers[0].wait()
    workplace.wait_until_gone(job, seconds=3)
    assert workplace.queue.get(job.id).state == "processing"  # nobody was left to say otherwise
    workplace.start_worker()
    done = workplace.wait(job)
    assert (done.state, done.attempts) == ("completed", 2)
    assert int(workplace.notes(job)[1].removeprefix("from ")) >= 10


def test_a_killed_worker_leaves_no_grandchildren(workplace: Workplace) -> None:
    """What a job started ends too, at the latest when the next worker looks."""
    job = workplace.submit("stubborn")
    workplace.start_worker()
    workplace.wait_for_note(job, "deaf")
    workplace.workers[0].kill()
    workplace.workers[0].wait()
    workplace.queue.reap()
    workplace.wait_until_gone(job, seconds=3)


def test_a_killed_server_ends_its_worker_in_good_order(workplace: Workplace) -> None:
    """The worker sees that the server is gone, gives its job back and ends; the next resumes it."""
    job = workplace.submit("count", to=60, each_s=0.05)
    code = (
        "import sys, time\n"
        "from engine.jobs.supervisor import Supervisor\n"
        "from engine.settings import Settings\n"
        "command = (sys.executable, '-m', 'tests.engine.jobs.small_tasks', '--supervised')\n"
        "supervisor = Supervisor(Settings.from_env(), command=command)\n"
        "supervisor.start()\n"
        "time.sleep(60)\n"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **workplace.settings.as_mapping()},
    )
    workplace.wait(job, lambda now: (now.fraction or 0) >= 0.1)
    (worker,) = [seen.process_id for seen in workplace.queue.workers()]
    server.kill()
    server.wait()
    gone = psutil.Process(worker) if psutil.pid_exists(worker) else None
    if gone is not None:
        psutil.wait_procs([gone], timeout=10)
    assert workplace.queue.workers() == ()
    back = workplace.queue.get(job.id)
    assert (back.state, back.max_attempts - back.attempts) == ("pending", 3)
    workplace.start_worker()
    assert workplace.wait(job).state == "completed"
    assert int(workplace.notes(job)[1].removeprefix("from ")) >= 6


def test_an_end_that_nobody_heard_is_not_lost(workplace: Workplace) -> None:
    """A job whose process wrote its result before the worker was killed is not done again."""
    job = transitions.claimed(workplace.submit("quick"), worker=_dead_worker(), at=now())
    with workplace.store.jobs.transaction() as jobs:
        jobs.put(job)
    folder = JobFolder.of(workplace.settings, job.id)
    folder.prepare(job.attempts, keeps_checkpoint=False)
    write_outcome(folder, job.attempts, Outcome(ending="completed", message="Done before."))
    workplace.start_worker("--until-empty").wait(20)
    done = workplace.queue.get(job.id)
    assert (done.state, done.message, done.attempts) == ("completed", "Done before.", 1)
    assert workplace.notes(job) == []


def test_a_late_worker_cannot_end_a_job_that_is_another_ones(workplace: Workplace) -> None:
    """Who was taken for dead and comes back writes nothing: the attempt is no longer his."""
    workplace.submit("quick")
    mine = workplace.queue.claim("slow")
    assert mine is not None
    workplace.queue.settle(mine, lambda job: transitions.given_back(job, message="", counts=True))
    other = workplace.queue.claim("quick")
    assert other is not None
    assert workplace.queue.finish(mine, Outcome(ending="failed", error="late")) is None
    assert workplace.queue.get(mine.id).state == "processing"
    assert workplace.queue.finish(other, Outcome(ending="completed")) is not None


def test_killed_again_and_again_it_still_gets_there(workplace: Workplace) -> None:
    """Six kills at random moments, of job or worker: every number is counted, none is lost."""
    chance = random.Random(1)
    task = workplace.queue.task("count")
    job = workplace.submit("count", to=60, each_s=0.03)
    with workplace.store.jobs.transaction() as jobs:
        held = jobs.get(job.id)
        assert held is not None
        jobs.put(replace(held, max_attempts=20))
    assert task.resumable
    worker = workplace.start_worker()
    for _ in range(6):
        time.sleep(chance.uniform(0.1, 0.6))
        now_is = workplace.queue.get(job.id)
        if chance.random() < 0.5 and now_is.process_id and psutil.pid_exists(now_is.process_id):
            psutil.Process(now_is.process_id).kill()
        else:
            worker.kill()
            worker.wait()
            worker = workplace.start_worker()
    done = workplace.wait(job, seconds=30)
    assert (done.state, done.message) == ("completed", "Counted to 60.")
    starts = [int(note.removeprefix("from ")) for note in workplace.notes(job)[:-1]]
    assert starts == sorted(starts)
    assert workplace.notes(job)[-1] == "to 60"


def _dead_worker() -> str:
    """Return the name that a worker of this machine would have had."""
    host = "".join(letter if letter.isalnum() else "_" for letter in socket.gethostname())[:40]
    return f"{host}-1-dead"


def test_an_end_that_cannot_be_written_yet_is_written_later(workplace: Workplace) -> None:
    """While the records are unreadable a job ends; as soon as they are mended, it is completed."""
    job = workplace.submit("count", to=20, each_s=0.05)
    worker = workplace.start_worker()
    now_is = workplace.wait(job, lambda now: (now.fraction or 0) > 0.1)
    assert now_is.process_id is not None
    records = workplace.store.folder / "jobs.json"
    good = records.read_bytes()
    records.write_bytes(good[: len(good) // 2])
    psutil.wait_procs([psutil.Process(now_is.process_id)], timeout=10)
    time.sleep(0.5)
    assert worker.poll() is None
    records.write_bytes(good)
    done = workplace.wait(job)
    assert (done.state, done.attempts, done.message) == ("completed", 1, "Counted to 20.")
