"""Training and predicting over HTTP."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from engine.catalogue.trainings.history import History
from engine.catalogue.trainings.places import work_folder
from engine.errors import MemoryShortError
from engine.imaging import masks, pictures
from engine.people.actors import SYSTEM
from engine.store import new_id, now
from engine.store.records import Dataset, Image, Mask
from engine.store.records.jobs import ResultRef
from tests.api.house import House, build_house
from tests.engine.segmentation.threshold_model import (
    dark_squares,
    true_mask,
    write_threshold_model,
)

CLASSES = ("background", "nucleus")


@pytest.fixture
def lab(tmp_path: Path) -> House:
    """A house with the model whose answers are known."""
    house = build_house(tmp_path / "home")
    write_threshold_model(tmp_path / "model")
    house.workbench.models.keep(tmp_path / "model", actor_id="boss")
    return house


def dataset(house: House, *, drawn: int = 2, status: str = "ready") -> Dataset:
    """A dataset of two pictures, ``drawn`` of which have a mask."""
    made = Dataset(name="Smears", status=status, classes=CLASSES)
    bench = house.workbench
    with bench.store.datasets.transaction() as changes:
        changes.put(made)
    for number in range(2):
        picture = dark_squares()
        image = stored(house, picture, dataset_id=made.id, name=f"{number}.png")
        if number < drawn:
            kept = bench.files.put(
                masks.encode(true_mask(picture), classes=255), media_type="image/png"
            )
            with bench.store.masks.transaction() as changes:
                changes.put(
                    Mask(id=new_id(), image_id=image.id, sha256=kept.sha256, state="submitted")
                )
    return made


def stored(house: House, picture: np.ndarray, **fields: object) -> Image:
    """A stored picture."""
    kept = house.workbench.files.put(pictures.encode_png(picture), media_type="image/png")
    image = Image(
        **{
            "name": "a.png",
            "sha256": kept.sha256,
            "media_type": "image/png",
            "width_px": picture.shape[1],
            "height_px": picture.shape[0],
            **fields,
        }
    )
    with house.workbench.store.images.transaction() as images:
        images.put(image)
    return image


def values(uri: str) -> np.ndarray:
    """The pixels of a mask that was answered as a data URI, read by another library."""
    data = pictures.data_uri_bytes(uri)
    return np.asarray(PillowImage.open(io.BytesIO(data)))


# --- training ------------------------------------------------------------------------------------


def test_a_training_is_asked_for_and_told(lab: House) -> None:
    """202 with the job and where to watch it; wishes stand beside the dataset or in `wishes`."""
    client, token = lab.client(), lab.token("ANNOTATOR")
    name = dataset(lab).id
    sent = {"dataset": name, "epochs": 3, "wishes": {"learning_rate": 0.002}, "name": "First"}
    told = client.post("/ai/train", json=sent, headers=token)
    assert told.status_code == 202, told.text
    job = told.json()
    assert (job["task"], job["state"]) == ("train_model", "pending")
    assert told.headers["location"] == job["progress_at"] == f"/ai/status?job={job['id']}"
    payload = lab.workbench.queue.get(job["id"]).payload
    assert payload["dataset"] == name
    assert (payload["wishes"]["epochs"], payload["wishes"]["learning_rate"]) == (3, 0.002)
    second = client.post("/ai/train", json={"dataset_id": name}, headers=token)
    assert second.status_code == 202
    status = client.get("/ai/status", headers=token).json()
    assert (status["training"], status["waiting"]) == (None, 2)


@pytest.mark.parametrize(
    ("sent", "status", "word"),
    [
        ({}, 422, "'dataset'"),
        ({"dataset": 7}, 422, "'dataset'"),
        ({"dataset": "none"}, 404, "none"),
        ({"dataset": "?", "epochs": 0}, 422, "'epochs'"),
        ({"dataset": "?", "epochs": True}, 422, "'epochs'"),
        ({"dataset": "?", "learning_rate": "fast"}, 422, "'learning_rate'"),
        ({"dataset": "?", "variant": "resnet9000"}, 422, "resnet9000"),
        ({"dataset": "?", "momentum": 1}, 422, "momentum"),
        ({"dataset": "?", "wishes": [1]}, 422, "'wishes'"),
        ({"dataset": "?", "seed": 1, "wishes": {"seed": 2}}, 422, "twice"),
        ({"dataset": "?", "name": "x" * 121}, 422, "'name'"),
    ],
)
def test_a_training_that_cannot_be_is_refused(
    lab: House, sent: dict[str, object], status: int, word: str
) -> None:
    """The sentence names what is wrong, and no job is made."""
    if sent.get("dataset") == "?":
        sent = {**sent, "dataset": dataset(lab).id}
    told = lab.client().post("/ai/train", json=sent, headers=lab.token("ADMIN"))
    assert told.status_code == status, told.text
    assert word in told.json()["error"]["message"]
    assert lab.workbench.queue.all() == ()


def test_a_dataset_that_is_not_ready_or_has_no_masks_is_refused(lab: House) -> None:
    """Before a job is made, and with what to do."""
    client, token = lab.client(), lab.token("ADMIN")
    for made, word in (
        (dataset(lab, drawn=0), "none has a mask"),
        (dataset(lab, status="importing"), "import"),
    ):
        told = client.post("/ai/train", json={"dataset": made.id}, headers=token)
        assert told.status_code == 422
        assert word in told.json()["error"]["message"]


def test_the_status_tells_how_far_a_training_is(lab: House) -> None:
    """Figures of its events, the curve, and the model that is used meanwhile."""
    client, token = lab.client(), lab.token("UPLOADER")
    job = lab.workbench.trainings.start(SYSTEM, dataset(lab).id)
    with lab.workbench.store.jobs.transaction() as jobs:
        jobs.put(replace(job, state="processing", started_at=now(), stage="Learning"))
    history = History(work_folder(lab.settings, job.id))
    history.add({"kind": "prepared", "done": 2, "total": 2, "name": "1.png"})
    history.add({"kind": "step", "step": 5, "steps": 20, "loss": 0.5, "eta_s": 9.0})
    epoch = {"kind": "epoch", "epoch": 1, "epochs": 4, "train_loss": 0.7, "validation_loss": 0.6}
    history.add({**epoch, "mean_dice": 0.8, "dice": {"nucleus": 0.8}, "iou": {"nucleus": 2 / 3}})
    told = client.get("/ai/status", headers=token).json()
    training = told["training"]
    assert (training["id"], training["state"], training["paused"]) == (job.id, "processing", False)
    assert training["prepared"] == {"done": 2, "total": 2}
    assert (training["epoch"], training["epochs"]) == (1, 4)
    assert (training["step"], training["steps"], training["loss"]) == (5, 20, 0.5)
    assert training["eta_s"] == 9.0
    assert training["validation"]["dice"] == {"nucleus": 0.8}
    curve = {"epoch": 1, "train_loss": 0.7, "validation_loss": 0.6, "mean_dice": 0.8}
    assert training["curve"] == [curve]
    assert told["waiting"] == 0
    assert (told["model"]["name"], told["model"]["classes"]) == ("threshold", list(CLASSES))
    named = client.get(f"/ai/status?job={job.id}", headers=token).json()
    assert named["training"]["id"] == job.id
    assert client.get("/ai/status?job=none", headers=token).status_code == 404


def test_the_status_of_a_finished_training_names_its_model(lab: House) -> None:
    """By the job's address, after nothing runs any more."""
    job = lab.workbench.trainings.start(SYSTEM, dataset(lab).id)
    done = replace(
        job,
        state="completed",
        started_at=now() - timedelta(seconds=5),
        finished_at=now(),
        results=(ResultRef(kind="model", ref="m1", title="Smears 1"),),
    )
    with lab.workbench.store.jobs.transaction() as jobs:
        jobs.put(done)
    client, token = lab.client(), lab.token("ANNOTATOR")
    assert client.get("/ai/status", headers=token).json()["training"] is None
    told = client.get(f"/ai/status?job={job.id}", headers=token).json()
    assert told["training"]["model_id"] == "m1"


# --- predicting ----------------------------------------------------------------------------------


def test_a_sent_picture_is_answered_exactly_and_kept_nowhere(lab: House) -> None:
    """As a data URI and as a form's file; two squares of 400 pixels are measured as that."""
    client, token = lab.client(), lab.token("UPLOADER")
    picture = dark_squares()
    before = {file.sha256 for file in lab.workbench.files.list()}
    told = client.post("/ai/predict", json={"image": pictures.to_data_uri(picture)}, headers=token)
    assert told.status_code == 200, told.text
    answer = told.json()
    assert (values(answer["mask"]) == true_mask(picture)).all()
    assert answer["classes"] == list(CLASSES)
    assert (answer["id"], answer["image_id"]) == (None, None)
    (nucleus,) = (one for one in answer["measures"]["classes"] if one["name"] == "nucleus")
    assert (nucleus["area_px"], nucleus["objects"]) == (800, 2)
    files = {"file": ("a.png", pictures.encode_png(picture), "image/png")}
    form = client.post("/ai/predict", files=files, headers=token)
    assert form.json()["mask"] == answer["mask"]
    assert {file.sha256 for file in lab.workbench.files.list()} == before
    assert len(lab.workbench.store.predictions.read()) == 0


def test_a_stored_picture_is_answered_and_the_answer_kept(lab: House) -> None:
    """The named model or the active one; another form is a file to save."""
    client, token = lab.client(), lab.token("ANNOTATOR")
    picture = dark_squares()
    image = stored(lab, picture, dataset_id=dataset(lab).id)
    model = lab.workbench.models.active()
    told = client.post("/ai/predict", json={"image_id": image.id}, headers=token).json()
    assert (values(told["mask"]) == true_mask(picture)).all()
    (kept,) = lab.workbench.store.predictions.read()
    assert (told["id"], told["image_id"], told["model"]["id"]) == (kept.id, image.id, model.id)
    sent = {"image_id": image.id, "model": model.id, "form": "mask"}
    file = client.post("/ai/predict", json=sent, headers=token)
    assert file.headers["content-type"] == "image/png"
    assert "a_mask.png" in file.headers["content-disposition"]
    found = np.asarray(PillowImage.open(io.BytesIO(file.content)))
    assert (found == true_mask(picture)).all()


@pytest.mark.parametrize(
    ("sent", "status", "word"),
    [
        ({}, 422, "Expected one of"),
        ({"image": "data:image/png;base64,AAAA", "image_id": "a"}, 422, "Expected one of"),
        ({"image": "http://x.example/a.png"}, 422, "data:"),
        ({"image": 7}, 422, "text"),
        ({"image": "data:image/png;base64,AAAA"}, 400, "picture"),
        ({"image_id": "none"}, 404, "none"),
        ({"image_id": ["a"]}, 422, "'image_id'"),
        ({"image_id": "a", "colour": 1}, 422, "'colour'"),
        ({"image_id": "a", "form": "pdf"}, 422, "pdf"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(
    lab: House, sent: dict[str, object], status: int, word: str
) -> None:
    """Status and sentence say what is wrong."""
    told = lab.client().post("/ai/predict", json=sent, headers=lab.token("ADMIN"))
    assert told.status_code == status, told.text
    assert word in told.json()["error"]["message"]


def test_a_model_that_is_not_there_is_told(lab: House) -> None:
    """404 with its name."""
    sent = {"image": pictures.to_data_uri(dark_squares()), "model": "gone"}
    told = lab.client().post("/ai/predict", json=sent, headers=lab.token("ADMIN"))
    assert (told.status_code, told.json()["error"]["code"]) == (404, "not_found")
    assert "gone" in told.json()["error"]["message"]


def test_a_picture_that_is_too_large_for_one_request_is_told_what_to_do(lab: House) -> None:
    """413: a stored one by its size, without reading it; a sent one by its header and its bytes."""
    client, token = lab.client(), lab.token("ADMIN")
    image = stored(lab, dark_squares(), dataset_id=dataset(lab).id)
    with lab.workbench.store.images.transaction() as images:
        images.put(replace(image, width_px=9000, height_px=10000))
    told = client.post("/ai/predict", json={"image_id": image.id}, headers=token)
    assert told.status_code == 413
    assert "predict_pictures" in told.json()["error"]["message"]
    files = {"file": ("a.png", b"\0" * (lab.settings.max_upload_mb * 1_000_000 + 1), "image/png")}
    assert client.post("/ai/predict", files=files, headers=token).status_code == 413


def test_too_little_memory_is_told(lab: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """507, as wherever there is no room."""

    def short(*_: object, **__: object) -> None:
        raise MemoryShortError("Too little memory for this.")

    monkeypatch.setattr("engine.segmentation.segmenter.Segmenter.predict", short)
    sent = {"image": pictures.to_data_uri(dark_squares())}
    told = lab.client().post("/ai/predict", json=sent, headers=lab.token("ADMIN"))
    assert (told.status_code, told.json()["error"]["message"]) == (
        507,
        "Too little memory for this.",
    )


def test_several_files_are_a_matter_for_a_job(lab: House) -> None:
    """One request is one picture."""
    data = pictures.encode_png(dark_squares())
    files = [("file", (f"{n}.png", data, "image/png")) for n in range(2)]
    told = lab.client().post("/ai/predict", files=files, headers=lab.token("ADMIN"))
    assert told.status_code == 422
    assert "predict_pictures" in told.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "uploader"),
    [("POST", "/ai/train", 403), ("GET", "/ai/status", 200), ("POST", "/ai/predict", 422)],
)
def test_who_may_what(house: House, method: str, path: str, uploader: int) -> None:
    """An uploader trains nothing, but sees and uses models; nobody without a name does anything."""
    assert house.client().request(method, path).status_code == 401
    told = house.client().request(method, path, json={}, headers=house.token("UPLOADER"))
    assert told.status_code == uploader
