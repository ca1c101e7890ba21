"""Trainings that start by themselves: each once for each cause, whoever asks and however often."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from engine.errors import NotAllowedError, NotFoundError, RequestError
from engine.jobs.queue import Queue
from engine.jobs.training_schedules import submit_due_trainings
from engine.people.actors import SYSTEM
from engine.store import Store, now
from engine.store.records import Job
from engine.store.records.jobs import ResultRef
from tests.engine.catalogue.training_house import ANN, BOSS, ULI, WISHES, House, discs


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A home with four pictures, all with masks."""
    made = House.at(tmp_path / "home", count=4)
    yield made
    made.bench.close()


def due(house: House, **when: object) -> list[Job]:
    """What the clock of one worker starts."""
    return submit_due_trainings(house.bench.queue, house.bench.store, **when)  # type: ignore[arg-type]


def trainings(house: House) -> list[Job]:
    """All trainings there are."""
    return list(house.bench.trainings.list(ULI))


def test_at_a_time_it_starts_once_and_the_schedule_goes(house: House) -> None:
    """Not before, once after, as whoever scheduled it wished."""
    at = now() + timedelta(hours=1)
    made = house.bench.trainings.schedule(
        ANN, house.dataset.id, WISHES, when={"at": at.isoformat()}, name="Tonight"
    )
    assert due(house) == []
    assert house.bench.trainings.schedules(ULI) == (made,)
    (job,) = due(house, at=at + timedelta(seconds=1))
    assert job.payload["name"] == "Tonight"
    assert job.payload["wishes"]["epochs"] == WISHES["epochs"]
    assert due(house, at=at + timedelta(seconds=2)) == []
    assert house.bench.trainings.schedules(ULI) == ()
    assert [one.id for one in trainings(house)] == [job.id]


def test_after_new_masks_each_time_as_many_have_come(house: House) -> None:
    """Two more pictures with masks that are no drafts; then two more again."""
    bench = house.bench
    bench.trainings.schedule(ANN, house.dataset.id, WISHES, when={"after_new_masks": 2})
    house.put(*discs(10), name="10.png")
    house.put(*discs(11), state="draft", name="11.png")
    assert due(house) == []
    drawn = house.put(*discs(12), name="12.png")
    (first,) = due(house)
    assert due(house) == []
    house.draw(drawn, discs(13)[1])  # another revision is no other picture
    house.put(*discs(14), name="14.png")
    assert due(house) == []
    house.put(*discs(15), name="15.png")
    (second,) = due(house)
    assert first.id != second.id
    (schedule,) = bench.trainings.schedules(ULI)
    assert (schedule.started, schedule.last_job_id, schedule.seen_masks) == (2, second.id, 8)


def imported(house: House, **fields: object) -> None:
    """An import into the dataset that has just ended."""
    job = Job(
        task="import_dataset",
        state="completed",
        finished_at=now(),
        results=(ResultRef(kind="dataset", ref=house.dataset.id),),
    )
    with house.bench.store.jobs.transaction() as jobs:
        jobs.put(replace(job, **fields))  # type: ignore[arg-type]


def test_after_an_import_that_completed_later(house: House) -> None:
    """Not for an earlier one, a failed one or another dataset's; each import once."""
    imported(house, finished_at=now() - timedelta(days=1))
    house.bench.trainings.schedule(ANN, house.dataset.id, WISHES, when={"after_import": True})
    imported(house, state="failed")
    imported(house, results=(ResultRef(kind="dataset", ref="other"),))
    assert due(house) == []
    imported(house)
    assert len(due(house)) == 1
    assert due(house) == []
    imported(house, finished_at=now() + timedelta(seconds=1))
    assert len(due(house)) == 1
    assert len(trainings(house)) == 2


def test_many_workers_start_one_training_even_while_masks_arrive(house: House) -> None:
    """Eight clocks at once, each in a store of its own, and people who go on drawing."""
    bench = house.bench
    bench.trainings.schedule(ANN, house.dataset.id, WISHES, when={"after_new_masks": 1})
    house.put(*discs(10), name="10.png")
    start = threading.Barrier(9)

    def clock() -> None:
        store = Store(bench.records_folder)
        queue = Queue(store, bench.settings)
        start.wait()
        submit_due_trainings(queue, store)

    clocks = [threading.Thread(target=clock) for _ in range(8)]
    for one in clocks:
        one.start()
    start.wait()
    for number in range(3):
        house.put(*discs(20 + number), name=f"{20 + number}.png")
    for one in clocks:
        one.join()
    (schedule,) = bench.trainings.schedules(ULI)
    # What came after the first start may be a cause of its own, but no cause counts twice.
    assert len(trainings(house)) == schedule.started <= 4


def test_a_worker_that_was_killed_after_submitting_starts_no_second(house: House) -> None:
    """The job is there and the schedule does not know yet: the next look finds the same job."""
    made = house.bench.trainings.schedule(
        ANN, house.dataset.id, WISHES, when={"after_new_masks": 1}
    )
    house.put(*discs(10), name="10.png")
    (job,) = due(house)
    with house.bench.store.training_schedules.transaction() as schedules:
        schedules.put(made)  # as if nothing had been noted
    assert [one.id for one in due(house)] == [job.id]
    assert len(trainings(house)) == 1


def test_a_dataset_that_is_gone_or_not_ready(house: House) -> None:
    """One at work is waited for; one that was deleted takes its schedule along."""
    bench = house.bench
    bench.trainings.schedule(ANN, house.dataset.id, WISHES, when={"after_new_masks": 1})
    house.put(*discs(10), name="10.png")
    with bench.store.datasets.transaction() as datasets:
        datasets.put(replace(house.dataset, status="importing"))
    assert due(house) == []
    with bench.store.datasets.transaction() as datasets:
        datasets.remove(house.dataset.id)
    assert due(house) == []
    assert bench.trainings.schedules(ULI) == ()


@pytest.mark.parametrize(
    "when",
    [
        None,
        {},
        {"at": "tomorrow"},
        {"at": "2000-01-01T00:00+00:00"},
        {"at": "2999-01-01T00:00+00:00"},
        {"at": "2027-01-01T00:00"},
        {"after_new_masks": 0},
        {"after_new_masks": True},
        {"after_new_masks": 1.5},
        {"after_import": False},
        {"at": "2027-01-01T00:00+00:00", "after_import": True},
        {"daily": True},
    ],
)
def test_a_time_that_cannot_be_used_is_refused(house: House, when: object) -> None:
    """With a sentence; no schedule is made."""
    with pytest.raises(RequestError):
        house.bench.trainings.schedule(ANN, house.dataset.id, when=when)
    assert house.bench.trainings.schedules(ULI) == ()


def test_a_schedule_is_taken_back(house: House) -> None:
    """By those who train, once; afterwards nothing starts."""
    planned = house.bench.trainings
    made = planned.schedule(ANN, house.dataset.id, when={"after_new_masks": 1})
    with pytest.raises(NotAllowedError):
        planned.unschedule(ULI, made.id)
    with pytest.raises(NotAllowedError):
        planned.schedule(ULI, house.dataset.id, when={"after_import": True})
    with pytest.raises(RequestError, match="epochs"):
        planned.schedule(ANN, house.dataset.id, {"epochs": -1}, when={"after_import": True})
    planned.unschedule(BOSS, made.id)
    with pytest.raises(NotFoundError, match="gone"):
        planned.unschedule(BOSS, made.id)
    house.put(discs(10)[0], np.ones((64, 80), np.uint8), name="10.png")
    assert due(house) == []
    assert (
        house.bench.queue.submit("train_model", {"dataset": "x"}, actor=SYSTEM).state == "pending"
    )
