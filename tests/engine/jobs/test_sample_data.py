"""The sample dataset: pictures, masks, records and files that fit together, whatever interrupts."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from engine.errors import JobCancelledError, RequestError
from engine.imaging import masks, pictures
from engine.jobs import Queue
from engine.jobs.context import JobContext
from engine.jobs.tasks.sample_data import SAMPLE_DATA, add_sample_data
from engine.people.actors import VISITOR, Actor
from engine.settings import Settings
from engine.store import Store
from engine.store.files import open_files
from engine.store.records import Job
from tests.engine.jobs.small_tasks import SMALL_TASKS
from tests.engine.jobs.workplace import Workplace

SMALL = {"pictures": 6, "side_px": 128, "seed": 3}


def context_of(home: Path, job: Job | None = None) -> JobContext:
    """Return an attempt at drawing a small dataset."""
    job = job or Job(
        task="sample_data", payload=SAMPLE_DATA.check(SMALL), created_by="visitor", attempts=1
    )
    return JobContext(job, Settings(home=home), store=Store(home / "records"))


def check_whole(home: Path, pictures_wanted: int) -> None:
    """Every picture has a mask of its size, all files are whole, and counts agree."""
    store, files = Store(home / "records"), open_files(Settings(home=home))
    (dataset,) = store.datasets.read().values()
    images = store.images.read().where(dataset_id=dataset.id)
    assert (dataset.status, dataset.file_count) == ("ready", pictures_wanted)
    assert len(images) == len(store.images.read()) == len(store.masks.read()) == pictures_wanted
    assert dataset.total_bytes == sum(image.size_bytes for image in images)
    for image in images:
        (mask_record,) = store.masks.read().where(image_id=image.id)
        picture = pictures.decode(files.read(image.sha256))
        mask = masks.decode(files.read(mask_record.sha256))
        assert picture.shape[:2] == mask.shape == (image.height_px, image.width_px)
        assert masks.counts(mask) == dict(mask_record.counts)
    assert len({image.sha256 for image in images}) == pictures_wanted


def test_records_and_files_fit_together(tmp_path: Path) -> None:
    """Six pictures of two drawn patients, masks of four states, one dataset that says so."""
    context = context_of(tmp_path)
    assert add_sample_data(context) == "“Sample tissue” has 6 pictures with masks."
    check_whole(tmp_path, 6)
    store = Store(tmp_path / "records")
    groups = Counter(image.group for image in store.images.read())
    assert groups == {"drawn patient 1": 4, "drawn patient 2": 2}
    assert context.results[0].ref == store.datasets.read().values()[0].id
    assert store.datasets.read().values()[0].is_sample


def test_a_stop_in_the_middle_costs_nothing(tmp_path: Path) -> None:
    """Told to stop after some pictures, the next attempt draws only the rest, once each."""
    context = context_of(tmp_path)

    class StopsAfterThree:
        told = 0

    report = context.report

    def counted(fraction: float | None, stage: str = "", message: str = "") -> None:
        StopsAfterThree.told += 1
        if StopsAfterThree.told == 4:
            context.stop()
        report(fraction, stage, message)

    context.report = counted  # type: ignore[method-assign]
    with pytest.raises(JobCancelledError, match="told to stop"):
        add_sample_data(context)
    store = Store(tmp_path / "records")
    drawn = {image.id: image.created_at for image in store.images.read()}
    assert 0 < len(drawn) < 6
    assert store.datasets.read().values()[0].status == "importing"
    add_sample_data(context_of(tmp_path, context.job))
    check_whole(tmp_path, 6)
    later = {image.id: image.created_at for image in Store(tmp_path / "records").images.read()}
    assert {name: later[name] for name in drawn} == drawn


def test_kill_9_in_the_middle_of_a_real_job(tmp_path: Path) -> None:
    """The worker starts it again; the dataset comes out whole and only once."""
    workplace = Workplace.at(tmp_path / "home")
    tasks = {**SMALL_TASKS, "sample_data": SAMPLE_DATA}
    queue = Queue(workplace.store, workplace.settings, tasks=tasks)
    job = queue.submit("sample_data", {"pictures": 40, "side_px": 192}, actor=VISITOR)
    try:
        workplace.start_worker()
        now = workplace.wait(job, lambda now: (now.fraction or 0) > 0.2)
        assert now.process_id is not None
        os.kill(now.process_id, signal.SIGKILL)
        done = workplace.wait(job, seconds=40)
    finally:
        workplace.close()
    assert (done.state, done.attempts) == ("completed", 2)
    check_whole(workplace.home, 40)


def test_a_second_sample_dataset_has_a_name_of_its_own(tmp_path: Path) -> None:
    """Two jobs make two datasets that can be told apart, and share their files."""
    for _ in range(2):
        add_sample_data(context_of(tmp_path))
    names = sorted(dataset.name for dataset in Store(tmp_path / "records").datasets.read())
    assert names == ["Sample tissue", "Sample tissue 2"]
    assert len(list(open_files(Settings(home=tmp_path)).list())) == 12


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({"pictures": 0}, "'pictures' must be a whole number from 1 to 2000, but is 0"),
        ({"pictures": "many"}, "'pictures' must be a whole number"),
        ({"pictures": True}, "'pictures' must be a whole number"),
        ({"side_px": 100_000}, "'side_px' must be a whole number from 128 to 2048"),
        ({"folder": "/etc"}, "takes pictures, side_px, seed, but folder came"),
    ],
)
def test_strange_payloads_are_refused(payload: dict[str, object], said: str) -> None:
    """Each field has a range, and there are no others."""
    with pytest.raises(RequestError, match=said):
        SAMPLE_DATA.check(payload)


def test_who_acts_is_known_to_the_task(tmp_path: Path) -> None:
    """The visitor of an open server stays the visitor; somebody who left is somebody."""
    assert context_of(tmp_path).actor == VISITOR
    gone = context_of(tmp_path, Job(task="sample_data", created_by="ghost", attempts=1))
    assert gone.actor == Actor(id="ghost", name="Somebody who left", role=None)
