"""The way in and out on the datasets page: dropped files, confirmed masks, report, export."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np
from streamlit.testing.v1 import AppTest

from engine.catalogue.exporting import export_dataset
from engine.imaging import pictures
from engine.imaging.drawn_tissue import draw_tissue
from engine.jobs.context import JobContext
from engine.jobs.importing.running import import_dataset
from engine.people.actors import VISITOR
from engine.store.records import Job
from tests.engine.catalogue.test_datasets import fill
from tests.ui_streamlit.datasets.test_datasets_page import labels, press
from tests.ui_streamlit.studio import Studio, words


def png(array: np.ndarray) -> bytes:
    _, data = cv2.imencode(".png", array)
    return bytes(data)


def archive(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, data in files.items():
            made.writestr(name, data)
    return out.getvalue()


def medseg() -> bytes:
    """Two pictures with masks of 0 and 255, and a text."""
    tissue = draw_tissue(1, side_px=96)
    picture = pictures.encode_png(tissue.picture)
    mask = png(np.where(tissue.mask == 1, 255, 0).astype(np.uint8))
    files = {f"images/{n}.png": picture for n in "ab"} | {f"masks/{n}.png": mask for n in "ab"}
    return archive({**files, "readme.txt": b"hello"})


def drop(page: AppTest, name: str, data: bytes) -> AppTest:
    (box,) = page.file_uploader
    return box.upload(name, data).run()


def run_last(studio: Studio, then: object) -> Job:
    """Run the newest job here and note its end."""
    job = studio.workbench.queue.all()[0]
    context = JobContext(job, studio.settings, store=studio.workbench.store)
    message = then(context)
    with studio.workbench.store.jobs.transaction() as jobs:
        done = replace(job, state="completed", message=message or "", results=context.results)
        jobs.put(done)
    return done


def test_a_dropped_zip_is_shown_before_it_is_believed(open_studio: Studio) -> None:
    """0/255 is told with its shares; confirmed as changed by hand, it goes to the job as such."""
    page = drop(open_studio.open("datasets"), "slides.zip", medseg())
    seen = words(page)
    assert "slides.zip" in seen
    assert "2 pictures, 2 with labels" in seen
    assert "What the masks seem to mean" in seen
    assert not open_studio.workbench.queue.all()
    (box,) = [box for box in page.selectbox if box.label.startswith("255")]
    box.set_value("healthy").run()
    press(page, "Confirm and import")
    (job,) = open_studio.workbench.queue.all()
    assert job.task == "import_dataset"
    assert dict(job.payload["mapping"])["255"] == "healthy"
    assert job.payload["name"] == "slides"


def test_what_was_imported_is_there_with_its_report(open_studio: Studio) -> None:
    """After the job: two pictures with masks of the confirmed state, and a line for each file."""
    page = drop(open_studio.open("datasets"), "slides.zip", medseg())
    press(page, "Confirm and import")
    run_last(open_studio, import_dataset)
    (dataset,) = open_studio.workbench.store.datasets.read()
    seen = words(open_studio.open("datasets", dataset=dataset.id, part="Report"))
    assert "Left out" in seen
    assert "readme.txt" in seen
    assert "2 pictures, page 1 of 1" in words(open_studio.open("datasets", dataset=dataset.id))


def test_what_is_no_dataset_is_a_sentence(open_studio: Studio) -> None:
    """A text is refused with what was expected; the box for files stays."""
    page = drop(
        open_studio.open("datasets"), "letter.zip", archive({"a.txt": b"dear", "b.txt": b"all"})
    )
    assert "Expected pictures" in words(page)
    assert page.file_uploader
    assert not page.exception
    assert "Confirm and import" not in labels(page)


def test_what_was_dropped_need_not_be_imported(open_studio: Studio) -> None:
    """The answer no leads back to the box, and no job was begun."""
    page = drop(open_studio.open("datasets"), "slides.zip", medseg())
    page = press(page, "Do not import")
    assert page.file_uploader
    assert not open_studio.workbench.queue.all()


def test_an_address_is_fetched_by_a_job(open_studio: Studio) -> None:
    """The page only hands the address on."""
    page = open_studio.open("datasets")
    page.text_input(key="dataset-address").set_value("https://example.org/x.zip")
    press(page, "Fetch")
    (job,) = open_studio.workbench.queue.all()
    assert job.payload["url"] == "https://example.org/x.zip"


def test_an_import_that_waits_for_an_answer_asks_on_its_page(open_studio: Studio) -> None:
    """A job without a mapping stops at a guess; the dataset's page asks and goes on."""
    workbench = open_studio.workbench
    kept = workbench.files.put(io.BytesIO(medseg()), media_type="application/zip")
    page = open_studio.open("datasets")  # makes the visitor known
    assert page.title
    payload = {"file": kept.sha256, "filename": "slides.zip"}
    workbench.queue.submit("import_dataset", payload, actor=VISITOR)
    run_last(open_studio, import_dataset)
    (dataset,) = workbench.store.datasets.read()
    assert dataset.status == "uploaded"
    page = open_studio.open("datasets", dataset=dataset.id)
    assert "What the masks seem to mean" in words(page)
    press(page, "Confirm and import")
    run_last(open_studio, import_dataset)
    assert workbench.store.datasets.read()[dataset.id].status == "ready"
    assert len(workbench.store.images.read().where(dataset_id=dataset.id)) == 2


def test_an_export_is_offered_to_download(open_studio: Studio) -> None:
    """The chosen form goes to the job; its ZIP is linked under a name of its own."""
    fill(open_studio.workbench, "d1", number=2, marked=1)
    page = open_studio.open("datasets", dataset="d1", part="Export")
    page.selectbox(key="export-form").set_value("coco").run()
    press(page, "Export")
    done = run_last(open_studio, export_dataset)
    assert done.payload["form"] == "coco"
    seen = words(open_studio.open("datasets", dataset="d1", part="Export"))
    assert f"/files/{done.results[0].ref}?name=Set%20d1%20%28coco%29.zip" in seen


def test_an_annotator_sees_no_way_in(studio: Studio) -> None:
    """The box for files is there for those who may bring pictures in, nobody else."""
    studio.sign_in("ANNOTATOR")
    assert not studio.open("datasets").file_uploader
    studio.sign_in("UPLOADER")
    assert studio.open("datasets").file_uploader
