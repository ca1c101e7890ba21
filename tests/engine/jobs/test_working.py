"""Real workers, each job in a real process: work, results, progress, errors, cancelling."""

from __future__ import annotations

import time
from itertools import pairwise

import psutil

from engine.jobs.orphans import processes_of
from engine.people.actors import VISITOR
from tests.engine.jobs.workplace import ENDED, Workplace


def test_a_job_runs_and_leaves_all_it_made(workplace: Workplace) -> None:
    """Message, result, log for people; what libraries print stays out of it."""
    job = workplace.submit("quick")
    workplace.start_worker()
    done = workplace.wait(job)
    assert (done.state, done.message, done.fraction) == ("completed", "All is well.", 1.0)
    (result,) = done.results
    assert (result.kind, result.ref, result.title) == ("image", "abc", "A picture")
    log = "\n".join(workplace.queue.log_tail(job.id))
    assert "a line for people" in log
    assert "what a library prints" not in log
    printed = workplace.home / "jobs" / job.id / "output.txt"
    assert "what a library prints" in printed.read_text()
    assert done.started_at is not None
    assert done.finished_at is not None
    assert job.created_at <= done.started_at <= done.finished_at


def test_progress_is_seen_while_it_runs_without_rewriting_the_record(workplace: Workplace) -> None:
    """Fraction, stage, detail, remaining time and a heartbeat move; the store's file does not."""
    job = workplace.submit("count", to=30, each_s=0.06)
    workplace.start_worker()
    early = workplace.wait(job, lambda now: (now.fraction or 0) > 0.2)
    version = workplace.store.jobs.read().version
    late = workplace.wait(job, lambda now: (now.fraction or 0) > 0.6 and now.eta_s is not None)
    assert workplace.store.jobs.read().version == version
    assert late.stage == "Counting"
    assert late.message.endswith("of 30")
    assert late.eta_s is not None
    assert 0 < late.eta_s < 5
    assert early.heartbeat_at is not None
    assert late.heartbeat_at is not None
    assert early.heartbeat_at < late.heartbeat_at
    assert late.process_id is not None
    assert psutil.pid_exists(late.process_id)


def test_an_error_for_people_is_shown_as_it_is(workplace: Workplace) -> None:
    """A LightboxError fails the job at once, with its code and sentence."""
    job = workplace.submit("refuse")
    workplace.start_worker()
    done = workplace.wait(job)
    assert (done.state, done.error_code, done.attempts) == ("failed", "bad_request", 1)
    assert done.error == "Expected a picture, but it is a poem; send a picture."


def test_a_bug_is_told_by_one_general_sentence(workplace: Workplace) -> None:
    """No trace and no value of a variable reaches people; the operator finds the place."""
    job = workplace.submit("bug")
    workplace.start_worker()
    done = workplace.wait(job)
    assert (done.state, done.error_code) == ("failed", "internal")
    shown = done.error + done.message + "".join(workplace.queue.log_tail(job.id))
    assert "fault of ours" in shown
    for word in ("hunter2", "KeyError", "Traceback", ".py"):
        assert word not in shown
    printed = (workplace.home / "jobs" / job.id / "output.txt").read_text()
    assert "KeyError" in printed
    assert "small_tasks.py" in printed
    assert "hunter2" not in printed


def test_one_job_that_dies_takes_nobody_with_it(workplace: Workplace) -> None:
    """Beside a job that is killed, another goes on to its end under the same worker."""
    steady = workplace.submit("count", to=20, each_s=0.05)
    dying = workplace.submit("die")
    worker = workplace.start_worker()
    assert workplace.wait(dying).state == "failed"
    done = workplace.wait(steady)
    assert (done.state, done.attempts) == ("completed", 1)
    assert worker.poll() is None


def test_a_job_that_always_dies_fails_with_the_reason(workplace: Workplace) -> None:
    """Its two attempts are used, then it says what happened and how often."""
    job = workplace.submit("die")
    workplace.start_worker()
    done = workplace.wait(job)
    assert (done.state, done.error_code, done.attempts) == ("failed", "interrupted", 2)
    assert "Its process was killed" in done.error
    assert "2 times" in done.error
    assert workplace.notes(job) == ["dies", "dies"]


def test_no_more_jobs_than_cores(workplace: Workplace) -> None:
    """With one core, the second job begins after the first has ended."""
    workplace.settings = Workplace.at(workplace.home, worker_cores=1).settings
    first, second = (workplace.submit("count", to=5, each_s=0.05) for _ in range(2))
    workplace.start_worker("--until-empty").wait(20)
    ended, began = workplace.queue.get(first.id).finished_at, workplace.queue.get(second.id)
    assert ended is not None
    assert began.started_at is not None
    assert ended <= began.started_at
    assert began.state == "completed"


def test_a_cancelled_job_puts_things_in_order(workplace: Workplace) -> None:
    """It hears that it is to stop at its next report, and is cancelled within moments."""
    job = workplace.submit("tidy")
    workplace.start_worker()
    workplace.wait_for_note(job, "busy")
    asked = time.monotonic()
    assert workplace.queue.cancel(job.id, VISITOR).cancel_requested
    done = workplace.wait(job)
    assert time.monotonic() - asked < 5
    assert (done.state, done.message) == ("cancelled", "Cancelled.")
    assert workplace.notes(job) == ["busy", "tidied"]


def test_a_job_that_does_not_listen_is_ended_with_all_it_started(workplace: Workplace) -> None:
    """Deaf to the first signal, with a child and a grandchild in a session of its own: all go."""
    job = workplace.submit("stubborn")
    workplace.start_worker()
    workplace.wait_for_note(job, "deaf")
    assert len(processes_of(job.id)) >= 4  # the job, its guard, child, grandchild
    workplace.queue.cancel(job.id, VISITOR)
    assert workplace.wait(job).state == "cancelled"
    workplace.wait_until_gone(job, seconds=3)


def test_what_a_job_leaves_running_ends_with_it(workplace: Workplace) -> None:
    """A worker that is told to stop ends children of children as well, and loses no job."""
    job = workplace.submit("stubborn")
    worker = workplace.start_worker()
    workplace.wait_for_note(job, "deaf")
    worker.terminate()
    assert worker.wait(10) == 0
    workplace.wait_until_gone(job, seconds=3)
    back = workplace.queue.get(job.id)
    assert (back.state, back.max_attempts - back.attempts) == ("pending", 3)
    assert "The server was stopped" in back.message


def test_a_worker_is_seen_while_it_lives(workplace: Workplace) -> None:
    """Its heartbeat names process, cores and jobs; afterwards it is gone."""
    job = workplace.submit("tidy")
    worker = workplace.start_worker()
    workplace.wait_for_note(job, "busy")
    end = time.monotonic() + 8
    while not (seen := workplace.queue.workers()) or seen[0].jobs != (job.id,):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert (seen[0].process_id, seen[0].is_alive) == (worker.pid, True)
    worker.terminate()
    worker.wait(10)
    assert workplace.queue.workers() == ()


def test_dependencies_run_in_order(workplace: Workplace) -> None:
    """A chain of jobs, submitted at once, runs link by link."""
    jobs = [workplace.submit("quick")]
    for _ in range(3):
        jobs.append(workplace.queue.submit("quick", actor=VISITOR, after=[jobs[-1].id]))
    workplace.start_worker("--until-empty").wait(30)
    ends = [workplace.queue.get(job.id) for job in jobs]
    assert all(job.state == "completed" for job in ends)
    for before, after in pairwise(ends):
        assert before.finished_at is not None
        assert after.started_at is not None
        assert before.finished_at <= after.started_at
    assert {job.state for job in workplace.queue.all()} <= set(ENDED)
