"""Jobs that hang: found by their silence, ended, and started again or left to a person."""

from __future__ import annotations

from dataclasses import replace

from engine.people.actors import VISITOR
from tests.engine.jobs.workplace import Workplace


def impatient(workplace: Workplace, *, job_reset: bool) -> None:
    """Let jobs count as stuck after a second of silence."""
    told = Workplace.at(workplace.home, job_stuck_s=2, job_reset=job_reset)
    workplace.settings, workplace.queue = told.settings, told.queue


def test_a_frozen_job_starts_again_by_itself(workplace: Workplace) -> None:
    """A stopped process gives no heartbeat: it is ended, and the next attempt completes."""
    impatient(workplace, job_reset=True)
    job = workplace.submit("freeze", until=2)
    workplace.start_worker()
    done = workplace.wait(job)
    assert (done.state, done.attempts) == ("completed", 2)
    assert workplace.notes(job) == ["frozen 1", "frozen 2"]


def test_a_job_that_always_freezes_stays_stuck(workplace: Workplace) -> None:
    """After its last attempt it waits for a person, who may reset or cancel it."""
    impatient(workplace, job_reset=True)
    job = workplace.submit("freeze", until=9)
    with workplace.store.jobs.transaction() as jobs:
        held = jobs.get(job.id)
        assert held is not None
        jobs.put(replace(held, max_attempts=1))
    workplace.start_worker()
    stuck = workplace.wait(job, lambda now: now.state == "stuck")
    assert stuck.attempts == 1
    workplace.wait_until_gone(job, seconds=3)
    assert workplace.queue.cancel(job.id, VISITOR).state == "cancelled"


def test_a_silent_job_is_left_to_a_person_where_that_is_set(workplace: Workplace) -> None:
    """A task that lives and says nothing is stuck too; reset by hand, it runs again."""
    impatient(workplace, job_reset=False)
    job = workplace.submit("mute")
    workplace.start_worker()
    workplace.wait(job, lambda now: now.state == "stuck")
    assert workplace.queue.counts()["stuck"] == 1
    assert workplace.queue.reset_stuck(job.id, VISITOR) == 1
    again = workplace.wait(job, lambda now: now.state == "processing")
    assert again.attempts == 2
    workplace.queue.cancel(job.id, VISITOR)
    assert workplace.wait(job).state == "cancelled"
