"""Importing end to end: records, files and report fit together, whatever is wrong or interrupts."""

from __future__ import annotations

import os
import signal
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.datasets import reports
from engine.errors import DatasetError, JobCancelledError, NotAllowedError, RequestError
from engine.imaging import masks, pictures
from engine.jobs import Queue
from engine.jobs.context import JobContext
from engine.jobs.importing.running import import_dataset
from engine.jobs.tasks.import_dataset import IMPORT_DATASET
from engine.people.actors import VISITOR
from engine.settings import Settings
from engine.store import Store
from engine.store.files import open_files
from engine.store.records import Dataset, Job
from tests.engine.datasets.uploads import jpeg, marks, picture, png, zip_of
from tests.engine.jobs.small_tasks import SMALL_TASKS
from tests.engine.jobs.workplace import Workplace

YES = {"0": "background", "255": "unhealthy"}


def medseg(path: Path, count: int = 4) -> Path:
    """Return a ZIP of pictures and masks of 0/255 in MedSeg's form."""
    files = {f"set/images/p{n}/a{n}.png": png(picture(n)) for n in range(count)}
    files |= {f"set/masks/p{n}/a{n}.png": png(marks(n) * 255) for n in range(count)}
    return zip_of(path, files)


def context_of(home: Path, upload: Path, job: Job | None = None, **payload: Any) -> JobContext:
    """Return an attempt at importing an upload."""
    settings = Settings(home=home)
    file = open_files(settings).put(upload, media_type="application/zip")
    payload = {"file": file.sha256, "filename": upload.name, **payload}
    job = job or Job(
        task="import_dataset",
        payload=IMPORT_DATASET.check(payload),
        created_by="visitor",
        attempts=1,
    )
    return JobContext(job, settings, store=Store(home / "records"))


def dataset_of(home: Path) -> Dataset:
    """Return the only dataset."""
    (dataset,) = Store(home / "records").datasets.read().values()
    return dataset


def lines_of(home: Path) -> dict[str, tuple[str, str]]:
    """Return outcome and sentences of each file in the report."""
    report = open_files(Settings(home=home)).read(dataset_of(home).details["report"])
    return {line.name: (line.outcome, " ".join(line.sentences)) for line in reports.read(report)}


def check_whole(home: Path, count: int) -> None:
    """Every picture is there once, with its own mask, thumbnail and group."""
    store, files = Store(home / "records"), open_files(Settings(home=home))
    images = store.images.read().where(dataset_id=dataset_of(home).id)
    assert sorted(image.name for image in images) == sorted(f"a{n}" for n in range(count))
    assert len(images) == len(store.masks.read())
    for image in images:
        number = int(image.name[1:])
        assert np.array_equal(pictures.decode(files.read(image.sha256)), picture(number))
        (mask,) = store.masks.read().where(image_id=image.id)
        assert np.array_equal(masks.decode(files.read(mask.sha256)), marks(number))
        assert mask.counts["unhealthy"] == int(marks(number).sum())
        assert image.group == f"p{number}"
        assert image.perceptual_hash
        assert image.thumbnail_sha256 is not None
        assert pictures.decode(files.read(image.thumbnail_sha256)).shape == (48, 64, 3)


def test_a_medseg_zip_becomes_a_dataset(tmp_path: Path) -> None:
    """Four pictures with masks: stored, counted, called ready; the report says 'accepted'."""
    context = context_of(tmp_path, medseg(tmp_path / "tissue.zip"), mapping=YES)
    assert import_dataset(context) == "“tissue” took 4 pictures."
    check_whole(tmp_path, 4)
    dataset = dataset_of(tmp_path)
    assert (dataset.status, dataset.file_count) == ("ready", 4)
    assert dataset.classes == ("background", "unhealthy", "healthy")
    assert {outcome for outcome, _ in lines_of(tmp_path).values()} == {"accepted"}


def test_masks_are_not_believed_unasked(tmp_path: Path) -> None:
    """Without a mapping nothing is stored; the sentence and the survey are kept for a person."""
    context = context_of(tmp_path, medseg(tmp_path / "tissue.zip"))
    assert "Please confirm what the masks mean" in import_dataset(context)
    dataset = dataset_of(tmp_path)
    assert dataset.status == "uploaded"
    assert dataset.details["survey"]["convention"]["kind"] == "0/255"
    assert len(Store(tmp_path / "records").images.read()) == 0
    upload = {**dataset.details["upload"], "mapping": YES, "dataset": dataset.id}
    later = context_of(tmp_path, medseg(tmp_path / "tissue.zip"), **upload)
    assert import_dataset(later) == "“tissue” took 4 pictures."
    check_whole(tmp_path, 4)


def test_every_file_has_its_sentence(tmp_path: Path) -> None:
    """A damaged picture, a mask without picture, one of another shape and a text: each is told."""
    files = {
        "images/good.png": png(picture(1)),
        "masks/good.png": png(marks(1) * 255),
        "images/half.png": png(picture(2)),
        "masks/half.png": png((marks(2) * 255)[::2, ::2].copy()),
        "images/torn.png": png(picture(3))[:200],
        "images/odd.png": png(picture(4)),
        "masks/odd.png": png(marks(4)[:, :30].copy() * 255),
        "masks/alone.png": png(marks(5) * 255),
        "images/bare.png": png(picture(6)),
        "readme.txt": b"hello",
    }
    context = context_of(tmp_path, zip_of(tmp_path / "x.zip", files), mapping=YES)
    sentence = import_dataset(context)
    assert sentence == (
        "“x” took 3 pictures, 1 of them repaired; 3 files refused; 1 other file left out."
    )
    lines = lines_of(tmp_path)
    assert lines["images/good.png"][0] == lines["images/bare.png"][0] == "accepted"
    assert lines["images/half.png"][0] == "repaired"
    assert "from 32×24" in lines["images/half.png"][1]
    assert lines["images/torn.png"][0] == "refused"
    assert "Mask is 30×48 but its picture is 64×48" in lines["images/odd.png"][1]
    assert lines["masks/alone.png"][0] == "refused"
    assert lines["readme.txt"][0] == "left_out"
    assert dataset_of(tmp_path).details["refused"] == 3


def test_identity_is_taken_out_and_listed(tmp_path: Path) -> None:
    """Names and places in EXIF and PNG texts are in no stored file; their names are listed."""
    from PIL import Image

    exif = Image.Exif()
    exif[0x013B] = "Doctor Doe"  # Artist
    exif[0x0112] = 6  # a quarter turn, which stays
    files = {
        "images/a.jpg": jpeg(picture(1), exif),
        "images/b.png": png(picture(2), Author="Doctor Doe"),
    }
    import_dataset(context_of(tmp_path, zip_of(tmp_path / "x.zip", files)))
    assert "EXIF Artist" in lines_of(tmp_path)["images/a.jpg"][1]
    assert "PNG tEXt Author" in lines_of(tmp_path)["images/b.png"][1]
    stored = open_files(Settings(home=tmp_path))
    images = {image.name: image for image in Store(tmp_path / "records").images.read()}
    for image in images.values():
        assert b"Doctor Doe" not in stored.read(image.sha256)
    assert (images["a"].width_px, images["a"].height_px) == (48, 64)
    assert pictures.decode(stored.read(images["a"].sha256)).shape == (64, 48, 3)
    assert np.array_equal(pictures.decode(stored.read(images["b"].sha256)), picture(2))


def test_a_stop_in_the_middle_leaves_a_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told to stop after some pictures, the next attempt takes only the rest, once each."""
    monkeypatch.setattr("engine.jobs.importing.keeping._MOST", 2)
    upload = medseg(tmp_path / "tissue.zip", 9)
    context = context_of(tmp_path, upload, mapping=YES)
    report, told = context.report, []

    def counted(fraction: float | None, stage: str = "", message: str = "") -> None:
        told.append(message)
        if message.startswith("5 of"):
            context.stop()
        report(fraction, stage, message)

    context.report = counted  # type: ignore[method-assign]
    with pytest.raises(JobCancelledError, match="told to stop"):
        import_dataset(context)
    first = {image.id: image.created_at for image in Store(tmp_path / "records").images.read()}
    assert len(first) == 4
    assert dataset_of(tmp_path).status == "importing"
    import_dataset(context_of(tmp_path, upload, context.job))
    check_whole(tmp_path, 9)
    later = {image.id: image.created_at for image in Store(tmp_path / "records").images.read()}
    assert {name: later[name] for name in first} == first
    assert len(lines_of(tmp_path)) == 9


def test_kill_9_in_the_middle_of_a_real_import(tmp_path: Path) -> None:
    """The worker starts it again; the dataset comes out whole and only once."""
    workplace = Workplace.at(tmp_path / "home")
    upload = medseg(tmp_path / "tissue.zip", 80)
    file = open_files(workplace.settings).put(upload, media_type="application/zip")
    tasks = {**SMALL_TASKS, "import_dataset": IMPORT_DATASET}
    queue = Queue(workplace.store, workplace.settings, tasks=tasks)
    payload = {"file": file.sha256, "filename": "tissue.zip", "mapping": YES}
    job = queue.submit("import_dataset", payload, actor=VISITOR)
    try:
        workplace.start_worker()
        now = workplace.wait(job, lambda now: (now.fraction or 0) > 0.5)
        assert now.process_id is not None
        os.kill(now.process_id, signal.SIGKILL)
        ended = workplace.wait(job, lambda now: now.state in ("completed", "failed"))
    finally:
        workplace.close()
    assert (ended.state, ended.error) == ("completed", "")
    assert ended.attempts == 2
    check_whole(tmp_path / "home", 80)


def test_the_upload_itself_is_not_kept(tmp_path: Path) -> None:
    """The ZIP as sent goes when all is stored; a picture that is stored unchanged stays."""
    context = context_of(tmp_path, medseg(tmp_path / "tissue.zip"), mapping=YES)
    sentence = import_dataset(context)
    assert not context.files.exists(context.payload["file"])
    assert import_dataset(context_of(tmp_path, tmp_path / "tissue.zip", context.job)) == sentence
    (tmp_path / "one.png").write_bytes(png(picture(9)))
    single = context_of(tmp_path, tmp_path / "one.png")
    assert import_dataset(single) == "“one” took 1 picture."
    assert single.files.exists(single.payload["file"])


def test_an_address_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a server on this machine, allowed for this test only; masks are asked about once."""
    upload = medseg(tmp_path / "tissue.zip")
    handler = partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{upload.name}?token=secret"
        with pytest.raises(RequestError, match="private network"):
            import_dataset(context_of(tmp_path / "no", upload, url=url, file=""))
        monkeypatch.setattr("engine.datasets.fetching.is_public", lambda _: True)
        assert "confirm" in import_dataset(context_of(tmp_path, upload, url=url, file=""))
        server.shutdown()
    dataset = dataset_of(tmp_path)
    assert "secret" not in dataset.source
    again = {**dataset.details["upload"], "mapping": YES, "dataset": dataset.id}
    assert import_dataset(context_of(tmp_path, upload, **again)) == "“tissue” took 4 pictures."
    check_whole(tmp_path, 4)


class Quiet(SimpleHTTPRequestHandler):
    """Files of a folder, without a word on the terminal."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
        return


def test_nothing_usable_is_an_error(tmp_path: Path) -> None:
    """An upload of which nothing can be taken fails with the first reason."""
    files = {"images/torn.png": png(picture(3))[:150]}
    context = context_of(tmp_path, zip_of(tmp_path / "x.zip", files))
    with pytest.raises(DatasetError, match=r"None of the 1 files could be taken.*torn\.png"):
        import_dataset(context)
    assert dataset_of(tmp_path).status == "error"


def test_a_strangers_dataset_is_not_filled(tmp_path: Path) -> None:
    """Only its maker and administrators may add to a dataset."""
    store = Store(tmp_path / "records")
    with store.datasets.transaction() as datasets:
        datasets.put(Dataset(id="d1", name="hers", created_by="ann"))
    context = context_of(tmp_path, medseg(tmp_path / "x.zip"), mapping=YES, dataset="d1")
    context.actor = VISITOR.__class__(id="bob", name="Bob", role="UPLOADER")
    with pytest.raises(NotAllowedError, match="Only who made"):
        import_dataset(context)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({}, "either 'file'"),
        ({"file": "x"}, "SHA-256"),
        ({"file": "a" * 64, "url": "http://x"}, "either 'file'"),
        ({"url": "ftp://x"}, "http://"),
        ({"url": "http://x", "plane": "up"}, "'plane'"),
        ({"url": "http://x", "mapping": []}, "'mapping'"),
        ({"url": "http://x", "what": 1}, "what"),
    ],
)
def test_payloads_that_cannot_be_meant(payload: dict[str, Any], words: str) -> None:
    """A request that is wrong is refused before a job is made, with the field's name."""
    with pytest.raises(RequestError, match=words):
        IMPORT_DATASET.check(payload)
