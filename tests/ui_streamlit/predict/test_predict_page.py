"""The page that asks models: empty, filled, dropped pictures, kept answers, many, roles, faults."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from engine.catalogue.predicting.batch import predict_pictures
from engine.imaging import masks, pictures
from engine.jobs.context import JobContext
from engine.people.actors import SYSTEM, VISITOR
from engine.store.records import Dataset, Image, Job
from tests.engine.segmentation.threshold_model import (
    dark_squares,
    true_mask,
    write_threshold_model,
)
from tests.ui_streamlit.studio import Studio, words


def bring(studio: Studio, folder: Path) -> str:
    """Bring the known model in; return its id."""
    write_threshold_model(folder)
    return studio.workbench.models.keep(folder, actor_id="boss", name="Dark spots").id


def fill(studio: Studio, *, number: int = 1) -> list[Image]:
    """A dataset with pictures of 1, 2, … squares."""
    dataset = Dataset(name="Smears", status="ready", classes=("background", "nucleus"))
    with studio.workbench.store.datasets.transaction() as datasets:
        datasets.put(dataset)
    sent = [
        (f"smear {n}.png", pictures.encode_png(dark_squares(squares=n)))
        for n in range(1, number + 1)
    ]
    return list(studio.workbench.images.add(SYSTEM, sent, dataset_id=dataset.id))


def press(page: AppTest, label: str) -> AppTest:
    return next(button for button in page.button if button.label == label).click().run()


def drop(page: AppTest, data: bytes, name: str = "visit.png") -> AppTest:
    return page.file_uploader[0].upload(name, data, "image/png").run()


def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if none came with the program."""
    monkeypatch.setattr("engine.catalogue.models.registry.shipped_models", lambda: ())


def test_without_a_model_it_says_what_to_do(
    open_studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No box to drop a picture into, and no trace."""
    no_models(monkeypatch)
    page = open_studio.open("predict")
    assert not page.exception
    assert "No model yet" in words(page)
    assert not page.file_uploader


def test_a_dropped_picture_is_answered_and_kept_by_nobody(
    open_studio: Studio, tmp_path: Path
) -> None:
    """Two squares; every way of looking; nothing is stored, and another visitor sees nothing."""
    bring(open_studio, tmp_path / "model")
    page = drop(open_studio.open("predict"), pictures.encode_png(dark_squares()))
    assert not page.exception
    assert "2 × nucleus, 4 % of the picture" in words(page)
    assert "areas are in pixels" in words(page)
    for way in ("Before and after", "Probability", "Uncertainty", "Explain", "Overlay"):
        page.button_group(key="predict-way-looked").set_value(way).run()
        assert not page.exception
        assert not page.error
    page.slider(key="predict-opacity-looked").set_value(0).run()
    page.toggle(key="predict-contours-looked").set_value(False).run()
    assert not page.error
    assert len(open_studio.workbench.store.images.read()) == 0
    assert len(open_studio.workbench.store.predictions.read()) == 0
    other = open_studio.open("predict")
    assert "visit.png" not in words(other)
    press(page, "Another picture")
    assert "visit.png" not in words(page)


def test_a_dropped_picture_is_saved_when_asked(open_studio: Studio, tmp_path: Path) -> None:
    """The picture goes into the dataset, the answer with it, and the page shows the kept one."""
    bring(open_studio, tmp_path / "model")
    (first,) = fill(open_studio)
    page = drop(open_studio.open("predict"), pictures.encode_png(dark_squares(squares=3)))
    press(page, "Save the picture and the answer")
    (kept,) = open_studio.workbench.store.predictions.read()
    image = open_studio.workbench.store.images.read()[kept.image_id]
    assert (image.name, image.dataset_id) == ("visit.png", first.dataset_id)
    assert page.query_params["answer"] == kept.id
    assert "3 × nucleus" in words(page)


def test_what_is_no_picture_is_told_in_a_sentence(open_studio: Studio, tmp_path: Path) -> None:
    """No trace, and the box is still there."""
    bring(open_studio, tmp_path / "model")
    page = drop(open_studio.open("predict"), b"not a picture at all")
    assert not page.exception
    assert len(page.error) == 1
    assert page.file_uploader


def test_a_picture_of_a_dataset_is_answered_and_kept(open_studio: Studio, tmp_path: Path) -> None:
    """The address leads to the answer; a person's mask is compared; the answer can be forgotten."""
    bring(open_studio, tmp_path / "model")
    (image,) = fill(open_studio)
    page = press(open_studio.open("predict"), "Predict")
    (kept,) = open_studio.workbench.store.predictions.read()
    assert page.query_params["answer"] == kept.id
    assert "1 × nucleus" in words(page)
    place = f"predict-way-{kept.id}"
    page.button_group(key=place).set_value("With a person's mask").run()
    assert "Nobody has drawn a mask" in words(page)
    truth = true_mask(dark_squares(squares=1))
    truth[10:20] = 0  # half of the square: 2·200 / (200 + 400)
    data = masks.encode(truth, classes=2)
    open_studio.workbench.images.add_mask(VISITOR, image.id, data)
    page.run()
    assert "0.667" in words(page)
    assert "Open in Annotate" in words(page)
    press(page, "Forget this answer …")
    press(page, "Forget it")
    assert len(open_studio.workbench.store.predictions.read()) == 0
    assert len(open_studio.workbench.store.masks.read()) == 1


def test_a_link_to_a_picture_chooses_it(open_studio: Studio, tmp_path: Path) -> None:
    """Other pages may lead here with a picture."""
    bring(open_studio, tmp_path / "model")
    images = fill(open_studio, number=3)
    page = open_studio.open("predict", image=images[2].id)
    chosen = page.selectbox(key=f"predict-image-{images[2].dataset_id}").value
    assert chosen == images[2].id


def test_wrong_links_and_failed_answers_are_told(open_studio: Studio, tmp_path: Path) -> None:
    """An id that is not there, and an answer that is a reason."""
    model = bring(open_studio, tmp_path / "model")
    assert "This answer is not here" in words(open_studio.open("predict", answer="no"))
    (image,) = fill(open_studio)
    open_studio.workbench.predicting.refuse(VISITOR, model, image.id, "The file is torn.", "job")
    (failed,) = open_studio.workbench.store.predictions.read()
    page = open_studio.open("predict", answer=failed.id)
    assert [error.value for error in page.error] == ["The file is torn."]


def test_many_pictures_become_a_gallery(open_studio: Studio, tmp_path: Path) -> None:
    """The button starts the job; its answers are listed with what was found, and exported."""
    bring(open_studio, tmp_path / "model")
    fill(open_studio, number=3)
    page = open_studio.open("predict")
    page.button_group(key="predict-how").set_value("Many pictures").run()
    assert "No answers yet" in words(page)
    press(page, "Predict 3 pictures")
    (job,) = open_studio.workbench.queue.all()
    assert job.task == "predict_pictures"
    run(open_studio, job)
    page = open_studio.open("predict")
    page.button_group(key="predict-how").set_value("Many pictures").run()
    seen = words(page)
    assert "3 of 3 pictures have an answer" in seen
    assert all(f"{n} × nucleus" in seen for n in (1, 2, 3))
    assert "Open in Annotate" in seen
    press(page, "Make a ZIP")
    exports = [job for job in open_studio.workbench.queue.all() if job.task != "predict_pictures"]
    assert [(job.task, job.payload["forms"]) for job in exports] == [
        ("export_predictions", ("mask", "classes", "geojson"))
    ]


def test_some_pictures_are_chosen_by_name(open_studio: Studio, tmp_path: Path) -> None:
    """The job is about these alone; answered ones are left out unless they are asked for again."""
    bring(open_studio, tmp_path / "model")
    images = fill(open_studio, number=3)
    page = open_studio.open("predict")
    page.button_group(key="predict-how").set_value("Many pictures").run()
    page.toggle(key="predict-some").set_value(True).run()
    assert not [button for button in page.button if button.label.startswith("Predict ")]
    chosen = [images[0].id, images[2].id]
    page.multiselect(key=f"predict-chosen-{images[0].dataset_id}").set_value(chosen).run()
    press(page, "Predict 2 pictures")
    (job,) = open_studio.workbench.queue.all()
    assert set(job.payload["images"]) == set(chosen)
    open_studio.workbench.predicting.predict(VISITOR, "", images[0].id)
    page.run()
    assert [button.label for button in page.button if button.label.startswith("Predict ")] == [
        "Predict 1 picture"
    ]
    page.toggle(key="predict-again").set_value(True).run()
    press(page, "Predict 2 pictures")
    assert len(open_studio.workbench.queue.all()) == 2


def test_many_without_pictures_says_what_to_do(open_studio: Studio, tmp_path: Path) -> None:
    """A link to the datasets."""
    bring(open_studio, tmp_path / "model")
    page = open_studio.open("predict")
    page.button_group(key="predict-how").set_value("Many pictures").run()
    assert "No pictures yet" in words(page)


def test_somebody_signed_out_sees_no_model(studio: Studio, tmp_path: Path) -> None:
    """Only the way to sign in."""
    bring(studio, tmp_path / "model")
    seen = words(studio.open("predict"))
    assert "You are signed out" in seen
    assert "Dark spots" not in seen


def test_an_annotator_looks_but_brings_nothing_in(studio: Studio, tmp_path: Path) -> None:
    """The answer is there; saving it into a dataset takes another role."""
    bring(studio, tmp_path / "model")
    studio.sign_in("ANNOTATOR")
    page = drop(studio.open("predict"), pictures.encode_png(dark_squares()))
    assert "2 × nucleus" in words(page)
    assert "Keep it in a dataset" not in words(page)


def test_a_damaged_model_is_told(open_studio: Studio, tmp_path: Path) -> None:
    """A sentence, and the page stays."""
    model = bring(open_studio, tmp_path / "model")
    file = open_studio.workbench.models.folder(VISITOR, model) / "model.bin"
    file.chmod(0o600)
    file.write_bytes(bytes(file.stat().st_size))
    page = drop(open_studio.open("predict"), pictures.encode_png(np.zeros((9, 9, 3), np.uint8)))
    assert not page.exception
    assert "altered" in " ".join(error.value for error in page.error)


def run(studio: Studio, job: Job) -> None:
    """Do what the worker would."""
    claimed = studio.workbench.queue.claim("worker")
    assert claimed is not None
    assert claimed.id == job.id
    message = predict_pictures(JobContext(claimed, studio.settings, store=studio.workbench.store))
    assert message.startswith("3 of 3")
