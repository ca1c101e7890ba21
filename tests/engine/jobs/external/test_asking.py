"""The task as a whole: pictures go out, cells and the sample's state come in together."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from engine.errors import (
    JobCancelledError,
    NotFoundError,
    PictureError,
    RemoteError,
    RequestError,
    SettingsError,
)
from engine.jobs.context import JobContext
from engine.jobs.external.asking import MODEL_USER, run
from engine.jobs.tasks import TASKS
from engine.settings import Settings
from engine.store import Store
from engine.store.files import Files, open_files
from engine.store.records import CellAnnotation, Image, Job, Sample
from tests.engine.jobs.external.model_server import CELL, hang_up, model_server, reply


def photograph() -> bytes:
    """A JPEG of 40 × 20 pixels with a name and a place in its EXIF."""
    pixels = np.full((20, 40, 3), 200, np.uint8)
    exif = Pillow.Exif()
    exif[0x010E] = "Jane Doe, born 1960"
    out = io.BytesIO()
    Pillow.fromarray(pixels).save(out, "JPEG", exif=exif)
    return out.getvalue()


@dataclass
class Laboratory:
    """A home with one sample of one picture."""

    settings: Settings
    store: Store
    files: Files
    sample: Sample
    image: Image

    def ask(self, url: str, payload: Mapping[str, Any]) -> tuple[str, JobContext]:
        """Run the task in a context of its own."""
        settings = replace(self.settings, model_api_url=url)
        checked = TASKS["external_model"].check(payload)
        with self.store.jobs.transaction() as jobs:
            job = jobs.put(Job(task="external_model", payload=checked))
        context = JobContext(job, settings, store=self.store)
        return run(context), context

    def state(self) -> Sample:
        """The sample as it is now."""
        return self.store.samples.read()[self.sample.id]

    def cells(self) -> tuple[CellAnnotation, ...]:
        """The cells of its picture as they are now."""
        return self.store.cell_annotations.read().where(image_id=self.image.id)


@pytest.fixture
def lab(tmp_path: Path) -> Laboratory:
    settings = Settings(home=tmp_path, memory_floor_mb=0, model_api_timeout_s=5)
    store, files = Store(tmp_path / "records"), open_files(settings)
    ref = files.put(photograph(), media_type="image/jpeg")
    sample = Sample(patient_id="p1", s3_key="in/a.jpg")
    image = Image(
        name="a.jpg",
        sha256=ref.sha256,
        media_type=ref.media_type,
        width_px=40,
        height_px=20,
        sample_id=sample.id,
    )
    sample = replace(sample, image_ids=(image.id,))
    with store.transaction("samples", "images") as records:
        records["samples"].put(sample)
        records["images"].put(image)
    return Laboratory(settings, store, files, sample, image)


def test_cells_become_annotations_and_the_sample_is_completed(lab: Laboratory) -> None:
    """Box, kind and confidence are those of the answer; the job names what it made."""
    with model_server(reply(200, [CELL])) as server:
        text, context = lab.ask(server.url, {"sample_id": lab.sample.id})
    (cell,) = lab.cells()
    box = cell.cell_coordinates
    assert (box.x, box.y, box.width, box.height) == (2, 3, 10, 6)
    assert (cell.cell_type, cell.confidence, cell.origin) == ("RBC", 0.9, "model")
    assert (cell.sample_id, cell.user_id) == (lab.sample.id, MODEL_USER)
    assert lab.state().inference_status == "completed"
    assert lab.state().job_id == context.job.id
    assert text == "1 cell in 1 picture."
    assert {(one.kind, one.ref) for one in context.results} == {
        ("image", lab.image.id),
        ("sample", lab.sample.id),
    }


def test_only_pixels_leave_the_house(lab: Laboratory) -> None:
    """What is sent is a PNG of the same size without the EXIF that names the patient."""
    with model_server(reply(200, [])) as server:
        lab.ask(server.url, {"image_id": lab.image.id})
        (asked,) = server.asked
    assert b"Jane Doe" in photograph()
    assert b"Jane Doe" not in asked.body
    picture = Pillow.open(io.BytesIO(asked.body))
    assert (picture.format, picture.size) == ("PNG", (40, 20))
    assert not picture.getexif()


def test_unsure_cells_are_left_out(lab: Laboratory) -> None:
    """The least confidence is the caller's choice; a half when nothing is said."""
    unsure = {**CELL, "score": 0.4}
    with model_server(reply(200, [CELL, unsure])) as server:
        lab.ask(server.url, {"sample_id": lab.sample.id})
        assert [cell.confidence for cell in lab.cells()] == [0.9]
        lab.ask(server.url, {"sample_id": lab.sample.id, "threshold": 0.3})
        assert sorted(cell.confidence or 0 for cell in lab.cells()) == [0.4, 0.9]


def test_asking_again_replaces_what_nobody_touched(lab: Laboratory) -> None:
    """A second run doubles nothing, and leaves people's own and edited cells alone."""
    with model_server(reply(200, [CELL, CELL])) as server:
        lab.ask(server.url, {"sample_id": lab.sample.id})
        first, second = lab.cells()
        edited = replace(first, user_id="ann", origin="edited")
        with lab.store.cell_annotations.transaction() as cells:
            cells.put(edited)
        lab.ask(server.url, {"sample_id": lab.sample.id})
    left = {cell.id for cell in lab.cells()}
    assert edited.id in left
    assert second.id not in left
    assert len(left) == 3


@pytest.mark.parametrize("answer", [reply(401), reply(200, {"error": "no"})])
def test_a_failure_is_told_on_the_sample_and_writes_nothing(lab: Laboratory, answer: Any) -> None:
    """The sample carries the sentence; no cell is written."""
    with (
        model_server(answer) as server,
        pytest.raises(RemoteError, match="external model") as caught,
    ):
        lab.ask(server.url, {"sample_id": lab.sample.id})
    assert lab.state().inference_status == "failed"
    assert lab.state().status_text == str(caught.value)
    assert lab.cells() == ()


def test_all_pictures_of_a_sample_or_none(lab: Laboratory) -> None:
    """When the second picture's answer is nonsense, the first one's cells are not kept either."""
    second = replace(lab.image, id="second")
    with lab.store.transaction("images", "samples") as records:
        records["images"].put(second)
        records["samples"].put(replace(lab.sample, image_ids=(lab.image.id, second.id)))
    with (
        model_server(reply(200, [CELL]), reply(200, b"<html>")) as server,
        pytest.raises(RemoteError, match="no JSON"),
    ):
        lab.ask(server.url, {"sample_id": lab.sample.id})
    assert len(lab.store.cell_annotations.read()) == 0


def test_a_cancelled_job_gives_the_sample_back(lab: Laboratory) -> None:
    """It waits again, and the server's silence is not waited for."""
    settings = replace(lab.settings, model_api_timeout_s=60)
    with model_server(hang_up) as server:
        job = Job(
            task="external_model",
            payload=TASKS["external_model"].check({"sample_id": lab.sample.id}),
        )
        with lab.store.jobs.transaction() as jobs:
            jobs.put(job)
        context = JobContext(job, replace(settings, model_api_url=server.url), store=lab.store)
        server.answers[0] = lambda _handler: context.stop()
        with pytest.raises(JobCancelledError):
            run(context)
    assert lab.state().inference_status == "pending"


def test_what_is_not_there_is_told(lab: Laboratory) -> None:
    """An unknown sample, an unknown picture, a sample without pictures, no address."""
    with model_server(reply(200, [])) as server:
        with pytest.raises(NotFoundError, match="no record 'none' in samples"):
            lab.ask(server.url, {"sample_id": "none"})
        with pytest.raises(NotFoundError, match="no record 'none' in images"):
            lab.ask(server.url, {"image_id": "none"})
        with lab.store.samples.transaction() as samples:
            samples.put(replace(lab.sample, image_ids=()))
        with pytest.raises(RequestError, match="has no picture yet"):
            lab.ask(server.url, {"sample_id": lab.sample.id})
    with pytest.raises(SettingsError, match="LIGHTBOX_MODEL_API_URL is not set"):
        lab.ask("", {"sample_id": lab.sample.id})


def test_a_file_that_is_no_picture_fails_the_sample(lab: Laboratory) -> None:
    """Nothing is sent."""
    ref = lab.files.put(b"no picture", media_type="image/png")
    with lab.store.images.transaction() as images:
        images.put(replace(lab.image, sha256=ref.sha256))
    with model_server(reply(200, [])) as server:
        with pytest.raises(PictureError, match="picture"):
            lab.ask(server.url, {"sample_id": lab.sample.id})
        assert server.asked == []
    assert lab.state().inference_status == "failed"


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({}, "Expected sample_id, image_id or object"),
        ({"sample_id": None}, "Expected sample_id, image_id or object"),
        ({"sample_id": "a", "image_id": "b"}, "Expected sample_id, image_id or object"),
        ({"sample_id": 7}, "'sample_id' must be a text"),
        ({"object": "http://x/y"}, "s3://BUCKET/KEY"),
        ({"sample_id": "a", "treshold": 1}, "but got treshold"),
        ({"sample_id": "a", "threshold": 2}, "'threshold' must be a number in 0..1"),
        ({"sample_id": "a", "threshold": float("nan")}, "'threshold' must be a number"),
        ({"sample_id": "a", "threshold": True}, "'threshold' must be a number"),
    ],
)
def test_a_payload_is_checked_when_the_job_is_asked_for(
    payload: dict[str, Any], words: str
) -> None:
    """A mistake is told to the caller, not to the log of a job."""
    with pytest.raises(RequestError, match=words):
        TASKS["external_model"].check(payload)
