"""The jobs that ask about many pictures and write many answers; and payloads they refuse."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from engine.catalogue.predicting.batch import export_predictions, predict_pictures
from engine.errors import JobCancelledError, NotSignedInError, RequestError
from engine.jobs.context import JobContext
from engine.jobs.tasks import TASKS
from engine.store.records import Image, Job, User
from tests.engine.catalogue.predicting_house import ANN, House, open_house
from tests.engine.segmentation.threshold_model import dark_squares, true_mask


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """One dataset with five pictures of 0 to 4 squares, and the person who asks."""
    with open_house(tmp_path) as opened:
        with opened.bench.store.users.transaction() as users:
            users.put(User(id="ann", name="Ann", email="ann@example.org", role="ANNOTATOR"))
        for number in range(5):
            opened.put(dark_squares(60, 200, squares=number), f"{number}.png")
        yield opened


def context_of(house: House, task: str, **payload: object) -> JobContext:
    checked = TASKS[task].check({"model": house.model, **payload})
    job = Job(task=task, payload=checked, created_by="ann", state="processing", attempts=1)
    return JobContext(job, house.bench.settings, store=house.bench.store)


def objects(house: House) -> dict[str, int]:
    """Return how many squares were found, by the picture's name."""
    images = house.bench.store.images.read()
    return {
        images[one.image_id].name: one.measures["classes"][1]["objects"]
        for one in house.bench.store.predictions.read()
        if one.status == "completed"
    }


def test_every_picture_of_a_dataset_is_answered(house: House) -> None:
    """As many squares as were drawn; the message counts pictures; a second run passes all over."""
    context = context_of(house, "predict_pictures", dataset=house.dataset.id)
    assert predict_pictures(context) == "5 of 5 pictures answered now."
    assert objects(house) == {f"{number}.png": number for number in range(5)}
    assert {one.job_id for one in house.bench.store.predictions.read()} == {context.job.id}
    again = context_of(house, "predict_pictures", dataset=house.dataset.id)
    assert predict_pictures(again) == "0 of 5 pictures answered now."


def test_an_interrupted_job_goes_on_where_it_was(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after two pictures, begun again, every picture is asked about once in all."""
    context = context_of(house, "predict_pictures", dataset=house.dataset.id, again=True)
    asked: list[str] = []
    from engine.catalogue.predicting import Predicting

    ask = Predicting.predict

    def counted(self: Predicting, actor, model_id, image_id, **rest):
        if len(asked) == 2:
            context.stop()
        found = ask(self, actor, model_id, image_id, **rest)
        asked.append(image_id)
        return found

    monkeypatch.setattr(Predicting, "predict", counted)
    with pytest.raises(JobCancelledError):
        predict_pictures(context)
    assert len(objects(house)) == 2
    resumed = JobContext(context.job, house.bench.settings, store=house.bench.store)
    assert predict_pictures(resumed) == "3 of 5 pictures answered now."
    assert len(asked) == len(set(asked)) == 5


def test_a_picture_that_fails_does_not_stop_the_others(house: House) -> None:
    """Its reason is listed first among the answers; one that was removed is told in the log."""
    good = house.put(dark_squares(squares=1), "good.png")
    bad = house.put(dark_squares(), "bad.png")
    with house.bench.store.images.transaction() as images:
        fields = {name: getattr(bad, name) for name in bad.__dataclass_fields__}
        images.put(Image(**{**fields, "sha256": "0" * 64}))
    names = [bad.id, "removed", good.id]
    context = context_of(house, "predict_pictures", images=names)
    assert predict_pictures(context) == "1 of 3 pictures answered now, 2 could not be answered."
    first, second = house.predicting.results(ANN, job_id=context.job.id).rows
    assert (first.image_id, first.status) == (bad.id, "failed")
    assert first.error
    assert (second.image_id, second.status) == (good.id, "completed")
    with house.bench.store.images.transaction() as images:
        images.put(bad)
    retried = context_of(house, "predict_pictures", images=[bad.id, good.id])
    assert predict_pictures(retried) == "1 of 2 pictures answered now."
    assert house.predicting.results(ANN, image_id=bad.id).rows[0].status == "completed"
    assert house.predicting.results(ANN, image_id=bad.id).count == 1


def test_when_nothing_can_be_answered_the_job_fails_with_the_reason(house: House) -> None:
    """An empty dataset, pictures that are gone, and somebody who left."""
    with pytest.raises(RequestError, match="None of the pictures could be answered"):
        predict_pictures(context_of(house, "predict_pictures", images=["gone"]))
    with house.bench.store.images.transaction() as images:
        for image in images.where(dataset_id=house.dataset.id):
            images.remove(image.id)
    with pytest.raises(RequestError, match="has no pictures"):
        predict_pictures(context_of(house, "predict_pictures", dataset=house.dataset.id))
    with house.bench.store.users.transaction() as users:
        users.remove("ann")
    with pytest.raises(NotSignedInError):
        predict_pictures(context_of(house, "predict_pictures", images=["gone"]))


def test_all_answers_go_out_as_one_archive(house: House) -> None:
    """A folder for each form; the masks are the answers to the pixel; without any it is refused."""
    with pytest.raises(RequestError, match="predict first"):
        export_predictions(context_of(house, "export_predictions", dataset=house.dataset.id))
    predict_pictures(context_of(house, "predict_pictures", dataset=house.dataset.id))
    house.put(dark_squares(), "4.png")  # not answered, and of a name that is there already
    context = context_of(
        house, "export_predictions", dataset=house.dataset.id, forms=["mask", "classes"]
    )
    assert export_predictions(context) == (
        "Answers about 5 of 6 pictures are ready to download, 1 without an answer left out."
    )
    (result,) = context.results
    with zipfile.ZipFile(io.BytesIO(house.bench.files.read(result.ref))) as archive:
        assert sorted(archive.namelist()) == sorted(
            [f"mask/{n}_mask.png" for n in range(5)] + [f"classes/{n}_areas.csv" for n in range(5)]
        )
        mask = np.asarray(PillowImage.open(archive.open("mask/3_mask.png")))
    assert (mask == true_mask(dark_squares(60, 200, squares=3))).all()


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ({"images": ["a"], "dataset": "d"}, "either 'images' or 'dataset'"),
        ({}, "either 'images' or 'dataset'"),
        ({"images": ["a"], "model": ""}, "'model' must be"),
        ({"images": [1]}, "'images' must be"),
        ({"images": ["a"] * 2001}, "'images' must be"),
        ({"images": ["a"], "again": "yes"}, "'again' must be"),
        ({"images": ["a"], "modle": "x"}, "'modle'"),
    ],
)
def test_payloads_that_cannot_be_meant_are_refused(payload: dict[str, object], told: str) -> None:
    """Each with what was expected."""
    with pytest.raises(RequestError, match=told):
        TASKS["predict_pictures"].check({"model": "m", **payload})


@pytest.mark.parametrize(
    "payload", [{"dataset": "d", "forms": "mask"}, {}, {"dataset": "d", "x": 1}]
)
def test_exports_that_cannot_be_meant_are_refused(payload: dict[str, object]) -> None:
    """Forms are a list, the dataset is named, and nothing else is known."""
    with pytest.raises(RequestError):
        TASKS["export_predictions"].check({"model": "m", **payload})


def test_starting_checks_who_and_what_first(house: House) -> None:
    """Pictures or a dataset, that exist; the job carries the model's id."""
    image = house.bench.store.images.read().where(dataset_id=house.dataset.id)[0]
    with pytest.raises(RequestError, match="either pictures or a dataset"):
        house.predicting.start(ANN, "")
    job = house.predicting.start(ANN, "", image_ids=[image.id])
    assert job.payload["model"] == house.model
    assert house.predicting.start(ANN, "", dataset_id=house.dataset.id).title == (
        "Predict all of Smears with threshold"
    )
