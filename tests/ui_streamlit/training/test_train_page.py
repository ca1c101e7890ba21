"""The page Train: empty, before a start, at work, ended well and badly, planned, and roles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from engine.catalogue.trainings import Trainings
from engine.catalogue.trainings.places import wish_of
from engine.errors import DatasetError
from engine.people.actors import VISITOR
from engine.store import now
from engine.store.records import Job
from tests.engine.catalogue.training_house import House
from tests.ui_streamlit.studio import Studio, words
from tests.ui_streamlit.trained import half_way, put_job, training_of


def labels(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def press(page: AppTest, label: str) -> AppTest:
    return next(button for button in page.button if button.label == label).click().run()


def filled(studio: Studio, count: int = 8) -> House:
    """Pictures of discs with masks, in the home of the studio."""
    return House.at(studio.settings.home, count=count)


def test_without_masks_it_says_what_to_do(open_studio: Studio) -> None:
    """Three ways on, and nothing to press."""
    page = open_studio.open("train")
    seen = words(page)
    assert not page.exception
    assert "Nothing to learn from yet" in seen
    assert all(way in seen for way in ("Add sample data", "Datasets", "Annotate"))
    assert "Train" not in labels(page)


def test_what_will_be_done_is_told_before(open_studio: Studio) -> None:
    """Pictures in words, a forecast of time and memory, and the reason for each choice."""
    filled(open_studio)
    page = open_studio.open("train")
    seen = words(page)
    assert "Discs (8 with a mask)" in page.selectbox(key="train-dataset").options
    assert "8 pictures with masks" in seen
    assert "typically 80×64 px" in seen
    assert "About 15 min" in seen
    assert all(about in seen for about in ("Network", "Patch", "Batch", "Learning rate", "Memory"))
    assert not open_studio.workbench.queue.all()


def test_a_training_starts_as_it_was_set(open_studio: Studio) -> None:
    """Epochs take the place of time; every setting is in the job; the address leads to it."""
    house = filled(open_studio)
    page = open_studio.open("train")
    page.text_input(key="train-name").set_value("Tiny")
    page.number_input(key="train-epochs").set_value(2)
    page.number_input(key="train-batch").set_value(4)
    page.number_input(key="train-patch").set_value(64)
    page.number_input(key="train-rate").set_value(0.001)
    page.selectbox(key="train-variant").set_value("unet").run()
    assert "2 epochs" in words(page)
    press(page, "Train")
    (job,) = open_studio.workbench.queue.all()
    wishes = dict(job.payload["wishes"])
    asked = {"epochs": 2, "batch_size": 4, "patch_px": 64, "learning_rate": 0.001}
    assert wishes | asked | {"variant": "unet"} == wishes
    assert "minutes" not in wishes
    assert (job.payload["dataset"], job.payload["name"]) == (house.dataset.id, "Tiny")
    assert page.query_params["training"] == job.id
    assert "Train “Tiny”" in words(page)


def test_what_cannot_be_planned_is_a_sentence(
    open_studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's own words, no trace, and the settings stay."""
    filled(open_studio)

    def fails(*_: object, **__: object) -> None:
        raise DatasetError("All masks are of one class; draw another.")

    monkeypatch.setattr(Trainings, "suggest", fails)
    page = open_studio.open("train")
    assert not page.exception
    assert [error.value for error in page.error] == ["All masks are of one class; draw another."]
    assert page.selectbox(key="train-dataset").value


def test_a_second_training_is_told_for_whom_it_waits(trained_studio: Studio) -> None:
    """Before the start and on its own page."""
    half_way(trained_studio, epochs=1, created_by=VISITOR.id)
    page = trained_studio.open("train")
    told = " ".join(info.value for info in page.info)
    assert "“Train “Discs”” is at work for you" in told
    waiting = put_job(trained_studio, Job(task="train_model", title="Mine", payload={}))
    page = trained_studio.open("train", training=waiting.id)
    assert "this one begins when it is done" in " ".join(info.value for info in page.info)


def test_a_training_at_work_shows_curves_and_figures(trained_studio: Studio) -> None:
    """Two epochs as two points of each curve, the step, pictures that improve, and its buttons."""
    job = half_way(trained_studio, epochs=2, created_by=VISITOR.id)
    page = trained_studio.open("train", training=job.id)
    assert not page.exception
    assert not page.error
    seen = words(page)
    assert "Epoch 2: training" in seen
    assert "disc 0." in seen or "disc 1." in seen
    assert all(name in seen for name in ("Learning rate", "patches/s", "Memory", "MB"))
    assert "What it sees" in seen
    assert [
        one for one in labels(page) if one in ("Pause", "Stop and keep the best", "Cancel")
    ] == [
        "Pause",
        "Stop and keep the best",
        "Cancel",
    ]


def test_the_buttons_leave_word(trained_studio: Studio) -> None:
    """Pause, resume and stop are heard; cancelling asks first."""
    job = half_way(trained_studio, epochs=2, created_by=VISITOR.id)
    page = trained_studio.open("train", training=job.id)
    press(page, "Pause")
    assert wish_of(trained_studio.settings, job.id) == "pause"
    press(page, "Resume")
    assert wish_of(trained_studio.settings, job.id) == "go"
    press(page, "Stop and keep the best")
    assert wish_of(trained_studio.settings, job.id) == "finish"
    assert "Stop and keep the best" not in labels(page)
    press(page, "Cancel")
    assert "What will be lost" in words(page)
    assert not trained_studio.workbench.queue.get(job.id).cancel_requested
    press(page, "Cancel the job")
    assert trained_studio.workbench.queue.get(job.id).cancel_requested


def test_what_is_done_shows_what_was_measured(trained_studio: Studio) -> None:
    """Figures with what they rest on, certainty, confusion, cases, and the way to the model."""
    job = training_of(trained_studio)
    page = trained_studio.open("train", training=job.id)
    assert not page.exception
    assert not page.error
    seen = words(page)
    assert "The model is ready" in seen
    assert "On 2 pictures of" in seen
    assert all(one in seen for one in ("Dice", "IoU", "Object F1", "95 % Hausdorff, px"))
    assert "What is taken for what" in seen
    assert "Its worst pictures" in seen
    assert "Open the model" in seen
    assert "Pause" not in labels(page)


def test_samples_of_an_earlier_epoch_can_be_seen(trained_studio: Studio) -> None:
    """The slider goes back to the first epoch that was drawn."""
    job = training_of(trained_studio)
    drawn = trained_studio.workbench.trainings.progress(VISITOR, job.id).samples
    if len(drawn) < 2:
        pytest.skip("only one epoch was drawn")
    page = trained_studio.open("train", training=job.id)
    first = str(drawn[0].epoch)
    page.select_slider(key="training-epoch").set_value(first).run()
    assert f"after epoch {first}: left the mask" in words(page)


def test_what_failed_says_why_and_goes_on_from_where_it_was(trained_studio: Studio) -> None:
    """The sentence, and one button; afterwards the old page leads to the new attempt."""
    job = half_way(
        trained_studio, epochs=1, state="failed", error="The disk is full; free 2 GB.",
        created_by=VISITOR.id, finished_at=now(),
    )  # fmt: skip
    page = trained_studio.open("train", training=job.id)
    assert [error.value for error in page.error] == ["The disk is full; free 2 GB."]
    assert "Retry" not in labels(page)
    press(page, "Go on from where it was")
    again = next(one for one in trained_studio.workbench.queue.all() if one.retry_of == job.id)
    assert page.query_params["training"] == again.id
    assert "It was started again" in words(trained_studio.open("train", training=job.id))


@pytest.mark.parametrize("wrong", ["no-such-job", "<script>"])
def test_a_wrong_link_is_told(trained_studio: Studio, wrong: str) -> None:
    """An empty page that says so."""
    page = trained_studio.open("train", training=wrong)
    assert not page.exception
    assert "This training is not here" in words(page)


def test_a_job_of_another_kind_is_no_training(open_studio: Studio) -> None:
    """Its id in the address shows nothing of it."""
    other = put_job(open_studio, Job(task="sample_data", title="Add sample data"))
    page = open_studio.open("train", training=other.id)
    assert "This training is not here" in words(page)


def test_the_list_has_earlier_trainings(trained_studio: Studio) -> None:
    """With how each one ended."""
    seen = words(trained_studio.open("train"))
    assert "Train “Discs”" in seen
    assert "Done" in seen


def test_trainings_are_planned_and_taken_back(open_studio: Studio) -> None:
    """After masks, after an import, at a time; each is listed and can be removed."""
    filled(open_studio)
    page = open_studio.open("train")
    page.button_group(key="later-kind").set_value("After new masks").run()
    page.number_input(key="later-masks").set_value(5).run()
    press(page, "Plan it")
    page.button_group(key="later-kind").set_value("After an import").run()
    press(page, "Plan it")
    page.button_group(key="later-kind").set_value("At a time").run()
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    page.date_input(key="later-day").set_value(tomorrow.date())
    page.time_input(key="later-time").set_value(tomorrow.time().replace(second=0, microsecond=0))
    page.run()
    press(page, "Plan it")
    made = open_studio.workbench.trainings.schedules(VISITOR)
    assert [(one.kind, one.new_masks) for one in made] == [
        ("after_new_masks", 5),
        ("after_import", 0),
        ("at", 0),
    ]
    assert made[2].at == tomorrow.replace(second=0, microsecond=0)
    seen = words(page)
    assert "After each 5 new masks" in seen
    assert "After each import" in seen
    for _ in made:
        press(page, "Remove")
    assert not open_studio.workbench.trainings.schedules(VISITOR)


def test_a_time_that_is_over_is_refused(open_studio: Studio) -> None:
    """A sentence, and no schedule."""
    filled(open_studio)
    page = open_studio.open("train")
    page.date_input(key="later-day").set_value((datetime.now(UTC) - timedelta(days=2)).date()).run()
    press(page, "Plan it")
    assert "must be in the coming year" in page.error[0].value
    assert not open_studio.workbench.trainings.schedules(VISITOR)


def test_somebody_signed_out_sees_nothing(studio: Studio) -> None:
    """Only the way to sign in."""
    filled(studio)
    seen = words(studio.open("train"))
    assert "You are signed out" in seen
    assert "Discs" not in seen


def test_an_uploader_watches_but_starts_nothing(studio: Studio) -> None:
    """No form; who may train is told."""
    filled(studio)
    studio.sign_in("UPLOADER")
    page = studio.open("train")
    assert "No trainings yet" in words(page)
    assert "Train" not in labels(page)
    assert not page.selectbox


def test_others_trainings_have_no_buttons(studio: Studio) -> None:
    """An annotator watches a colleague's training."""
    studio.sign_in("ANNOTATOR")
    job = put_job(studio, Job(task="train_model", title="Hers", state="processing", created_by="x"))
    page = studio.open("train", training=job.id)
    assert "Hers" in words(page)
    assert not {"Pause", "Cancel", "Resume"} & set(labels(page))
