"""How jobs are put into words, by hand arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.people.actors import Actor
from engine.store.records import Job
from ui_streamlit.studio.jobs.choosing import Filter, chosen
from ui_streamlit.studio.jobs.words import elapsed_s, progress_line, remaining_s, state_word

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOON + timedelta(seconds=30)


def running(**fields: object) -> Job:
    return Job(**({"task": "t", "state": "processing", "started_at": NOON} | fields))


@pytest.mark.parametrize(
    ("fields", "left_s"),
    [
        ({"fraction": 0.25}, 90.0),  # 30 s for a quarter, 3 quarters to go
        ({"fraction": 0.01}, None),  # too early to tell
        ({"fraction": None}, None),
        ({"eta_s": 40.0, "heartbeat_at": NOON}, 10.0),  # said 30 s ago
        ({"eta_s": 5.0, "heartbeat_at": NOON}, 0.0),  # overdue, never negative
        ({"fraction": 0.25, "paused_because": "memory"}, None),
    ],
)
def test_time_left(fields: dict[str, object], left_s: float | None) -> None:
    """The task's own estimate counts down; without one the pace so far goes on."""
    assert remaining_s(running(**fields), now=LATER) == left_s


def test_time_at_work_stops_with_the_job() -> None:
    """A job that ended took what it took, however long ago; one not begun took nothing."""
    ended = running(state="completed", finished_at=NOON + timedelta(seconds=7))
    assert elapsed_s(ended, now=LATER) == 7
    assert elapsed_s(running(), now=LATER) == 30
    assert elapsed_s(Job(task="t"), now=LATER) is None


@pytest.mark.parametrize(
    ("job", "line"),
    [
        (Job(task="t"), "Begins when the worker is free"),
        (Job(task="t", attempts=1, max_attempts=3), "Attempt 2 of 3"),
        (Job(task="t", after=("a", "b")), "Waits for 2 other jobs to be done"),
        (Job(task="t", paused_because="Needs 900 MB"), "Needs 900 MB"),
        (running(), "Begins"),
        (running(cancel_requested=True, fraction=0.5), "Asked to stop"),
        (running(state="stuck", heartbeat_at=NOON), "No sign of life since 30 s ago"),
        (
            running(state="failed", finished_at=LATER, error="No disk."),
            "No disk · took 30 s",
        ),
    ],
)
def test_one_line_about_a_job(job: Job, line: str) -> None:
    """Where a job stands, in the words of the list."""
    assert progress_line(job, now=LATER) == line


def test_a_running_job_may_be_paused_or_stopping() -> None:
    """The state's word tells more than the state."""
    assert state_word(running()).label == "Running"
    assert state_word(running(paused_because="memory")).label == "Paused"
    assert state_word(running(cancel_requested=True)).label == "Stopping"


def test_filters_combine_and_the_newest_comes_first() -> None:
    """State, words, task and owner all must fit."""
    ann = Actor(id="ann", name="Ann", role="ANNOTATOR")
    jobs = [
        Job(task="a", title="Tissue one", created_by="ann", created_at=NOON),
        Job(task="a", title="Tissue two", created_by="ann", created_at=LATER),
        Job(task="b", title="Tissue", created_by="ann"),
        Job(task="a", title="Tissue", created_by="bo"),
        Job(task="a", title="Tissue", created_by="ann", state="failed"),
        Job(task="a", title="Cells", created_by="ann"),
    ]
    wanted = Filter(states=frozenset({"pending"}), words="TISSUE", task="a", mine_of=ann)
    assert [job.title for job in chosen(jobs, wanted)] == ["Tissue two", "Tissue one"]
