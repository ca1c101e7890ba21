"""The states of a job, driven at random: no way leads out of an end, no attempt counts twice."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.jobs import transitions
from engine.jobs.outcomes import Outcome
from engine.store.records import Job

AT = datetime(2026, 1, 1, tzinfo=UTC)
STEPS = ("claim", "complete", "fail", "kill", "shut down", "hang", "reset", "restart", "cancel")


def after(job: Job, step: str) -> Job:
    """Return the job after one thing that may happen to it in its state."""
    if job.state in transitions.ENDED:
        return job
    if step == "cancel" and job.state != "processing":
        return transitions.cancelled(job, message="", at=AT)
    if job.state == "pending" and step == "claim":
        return transitions.claimed(job, worker="w", at=AT)
    if job.state == "stuck":
        if step == "reset":
            return transitions.reset(job, message="", attempts=3)
        if step == "restart" and job.attempts < job.max_attempts:
            return transitions.given_back(job, message="", counts=True)
    if job.state == "processing":
        if step == "complete":
            return transitions.finished(job, Outcome(ending="completed"), None, at=AT)
        if step == "fail":
            return transitions.failed(job, code="c", error="e", at=AT)
        if step == "kill":
            return transitions.interrupted(job, reason="Killed", resumes=True, at=AT)
        if step == "shut down":
            return transitions.given_back(job, message="", counts=False)
        if step == "hang":
            return transitions.hung(job, message="")
    return job


@given(st.lists(st.sampled_from(STEPS), max_size=40))
def test_whatever_happens_the_job_stays_in_order(steps: list[str]) -> None:
    """Attempts never fall and never exceed their limit; an end has a time; a wait has no worker."""
    job = Job(task="t")
    for step in steps:
        before, job = job, after(job, step)
        assert before.attempts <= job.attempts <= job.max_attempts or job.state == "stuck"
        assert (job.finished_at is not None) == (job.state in transitions.ENDED)
        assert job.state != "pending" or job.worker == ""
        assert before.state not in transitions.ENDED or job == before


@pytest.mark.parametrize(("attempts", "state"), [(1, "pending"), (2, "pending"), (3, "failed")])
def test_a_killed_job_starts_again_as_often_as_it_may(attempts: int, state: str) -> None:
    """Of three attempts the third kill is the last, and the reason stays on the job."""
    job = Job(task="t", state="processing", attempts=attempts, max_attempts=3)
    after = transitions.interrupted(job, reason="Killed", resumes=False, at=AT)
    assert after.state == state
    assert "Killed" in (after.error or after.message)


def test_a_killed_job_that_was_to_be_cancelled_is_cancelled() -> None:
    """Nobody wants it back."""
    job = Job(task="t", state="processing", attempts=1, cancel_requested=True)
    after = transitions.interrupted(job, reason="Killed", resumes=True, at=AT)
    assert after.state == "cancelled"


def test_a_shutdown_costs_no_attempt() -> None:
    """A server that is restarted often does not use up a job's attempts."""
    job = Job(task="t", state="processing", attempts=3, max_attempts=3)
    back = transitions.given_back(job, message="", counts=False)
    assert back.attempts < back.max_attempts
