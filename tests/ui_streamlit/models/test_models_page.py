"""The page of models: empty, a trained one, its use changed with reasons, taken along, compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine.catalogue.models import Models
from engine.catalogue.models.comparing import compare_models
from engine.catalogue.models.exporting import export_model
from engine.errors import DamagedFileError
from engine.jobs.context import JobContext
from engine.people.actors import VISITOR
from engine.store.records import Job, ModelRecord
from tests.engine.segmentation.threshold_model import write_threshold_model
from tests.ui_streamlit.studio import Studio, words
from ui_streamlit.studio.models.figures import headline


def labels(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def press(page: AppTest, label: str) -> AppTest:
    return next(button for button in page.button if button.label == label).click().run()


def part(page: AppTest, name: str) -> AppTest:
    return page.button_group(key="model-part").set_value(name).run()


def only(studio: Studio) -> ModelRecord:
    """The model that was trained."""
    return next(one for one in studio.workbench.store.models.read() if one.name == "First")


def another(studio: Studio, folder: Path, name: str = "Threshold") -> ModelRecord:
    """A second model of the same two classes, which calls dark pixels a disc."""
    write_threshold_model(folder, classes=("background", "disc"), name="threshold")
    return studio.workbench.models.keep(folder, actor_id=VISITOR.id, name=name)


def run_last(studio: Studio, then: object) -> Job:
    """Do the newest job in this process."""
    job = studio.workbench.queue.all()[0]
    context = JobContext(job, studio.settings, store=studio.workbench.store)
    message = then(context)
    done = replace(job, state="completed", message=message, results=context.results)
    with studio.workbench.store.jobs.transaction() as jobs:
        jobs.put(done)
    return done


@pytest.fixture
def _none_with_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.catalogue.models.registry.shipped_models", lambda: ())


@pytest.mark.usefixtures("_none_with_the_program")
def test_without_models_it_says_where_they_come_from(open_studio: Studio) -> None:
    """A training or a bundle."""
    page = open_studio.open("models")
    seen = words(page)
    assert not page.exception
    assert "No models yet" in seen
    assert "Train one" in seen
    assert "Bring a model in" in seen


def test_the_list_tells_stage_and_figures(trained_studio: Studio) -> None:
    """Name, version, what it is used for, Dice with what it rests on, classes, who and when."""
    page = trained_studio.open("models")
    assert not page.exception
    seen = words(page)
    assert all(one in seen for one in ("First 1", "In use", "Mean Dice", "background, disc"))
    assert "on 2 held-back pictures" in seen


def test_a_headline_says_what_it_rests_on() -> None:
    """Validation pictures steered the training: that is said; without figures, nothing."""
    mean = {"value": 0.8, "low": 0.7, "high": 0.9, "pictures": 1}
    told = headline({"part": "validation", "mean_dice": mean})
    assert told == "Mean Dice 0.800 (0.700–0.900) on 1 validation picture"
    assert headline({}) == "Not measured."
    assert headline({"part": "test", "mean_dice": {**mean, "value": None}}) == "Not measured."


def test_every_part_of_a_model_opens(trained_studio: Studio) -> None:
    """Figures, card, story, export and change; none fails."""
    model = only(trained_studio)
    page = trained_studio.open("models", model=model.id)
    seen = words(page)
    assert "What is taken for what" in seen
    assert model.dataset_manifest_sha256[:12] in seen
    for name, told in (
        ("Card", "How it was trained"),
        ("Story", "Nobody changed its use so far"),
        ("Take along", "Prepare the download"),
        ("Change", "Retire"),
    ):
        part(page, name)
        assert not page.exception
        assert not page.error
        assert told in words(page)


def test_use_changes_with_a_reason_and_back(trained_studio: Studio, tmp_path: Path) -> None:
    """No reason, no change; promoted, rolled back, retired, each with its reason in the story."""
    first, second = only(trained_studio), another(trained_studio, tmp_path / "model")
    models = trained_studio.workbench.models
    page = part(trained_studio.open("models", model=second.id), "Change")
    press(page, "Use this model")
    assert "A reason" in page.error[0].value
    assert models.active().id == first.id  # type: ignore[union-attr]
    page.text_input(key="model-reason").set_value("Better on pale slides").run()
    press(page, "Use this model")
    assert models.active().id == second.id  # type: ignore[union-attr]
    assert "Better on pale slides" in words(part(page, "Story"))
    part(page, "Change")
    page.text_input(key="model-reason").set_value("Not after all").run()
    press(page, "Back to the one before")
    assert models.active().id == first.id  # type: ignore[union-attr]
    part(page, "Change")
    page.text_input(key="model-reason").set_value("Done with it").run()
    press(page, "Retire")
    assert models.get(VISITOR, second.id).stage == "retired"
    assert "Retired" in words(page)


def test_deleting_asks_first(trained_studio: Studio, tmp_path: Path) -> None:
    """What goes is listed; keeping it keeps it; then it is gone."""
    second = another(trained_studio, tmp_path / "model")
    page = part(trained_studio.open("models", model=second.id), "Change")
    press(page, "Delete")
    assert "weights, card and figures" in words(page)
    press(page, "Keep everything as it is")
    assert second.id in {one.id for one in trained_studio.workbench.store.models.read()}
    press(page, "Delete")
    press(page, "Delete the model")
    assert second.id not in {one.id for one in trained_studio.workbench.store.models.read()}
    assert "This model is not here" in words(page)


def test_the_one_in_use_cannot_be_deleted(trained_studio: Studio) -> None:
    """There is no button for it."""
    page = part(trained_studio.open("models", model=only(trained_studio).id), "Change")
    assert "Delete" not in labels(page)


def test_the_programs_model_can_only_be_used(trained_studio: Studio) -> None:
    """Promoted with a reason; neither retired nor deleted."""
    shipped = [one for one in trained_studio.workbench.models.list(VISITOR) if "shipped" in one.id]
    if not shipped:
        pytest.skip("this installation has no model that comes with it")
    page = part(trained_studio.open("models", model=shipped[0].id), "Change")
    assert not page.exception
    assert "Use this model" in labels(page)
    assert not {"Retire", "Delete"} & set(labels(page))
    assert "Comes with Lightbox" in words(page)


def test_a_download_is_prepared_by_a_job(trained_studio: Studio) -> None:
    """The form is chosen, the link appears, and the file is a model that can come back."""
    model = only(trained_studio)
    page = part(trained_studio.open("models", model=model.id), "Take along")
    press(page, "Prepare the download")
    job = run_last(trained_studio, export_model)
    assert (job.task, dict(job.payload)) == ("export_model", {"model": model.id, "form": "bundle"})
    page = part(trained_studio.open("models", model=model.id), "Take along")
    assert f"/files/{job.results[0].ref}" in words(page)
    data = trained_studio.workbench.files.read(job.results[0].ref)
    page = trained_studio.open("models")
    page.file_uploader(key="model-bundle").upload("first.zip", data, "application/zip").run()
    press(page, "Bring it in")
    made = trained_studio.workbench.models.get(VISITOR, page.query_params["model"])
    assert (made.stage, made.status, tuple(made.card["classes"])) == (
        "candidate",
        "completed",
        ("background", "disc"),
    )


def test_what_is_no_model_is_a_sentence(open_studio: Studio) -> None:
    """Nothing is listed, and nothing shows a trace."""
    page = open_studio.open("models")
    page.file_uploader(key="model-bundle").upload("x.zip", b"no archive", "application/zip").run()
    press(page, "Bring it in")
    assert not page.exception
    assert "Expected a ZIP with a model folder" in page.error[0].value
    assert not len(open_studio.workbench.store.models.read())


def test_two_models_are_compared(trained_studio: Studio, tmp_path: Path) -> None:
    """The job is asked for; table, difference with a verdict, and pictures side by side."""
    first, second = only(trained_studio), another(trained_studio, tmp_path / "model")
    page = trained_studio.open("models")
    page.multiselect(key="compare-models").set_value([first.id, second.id]).run()
    press(page, "Compare")
    job = run_last(trained_studio, compare_models)
    assert list(job.payload["models"]) == [first.id, second.id]
    page = trained_studio.open("models", comparison=job.id)
    assert not page.exception
    assert not page.error
    seen = words(page)
    found = json.loads(
        trained_studio.workbench.files.read(
            next(one.ref for one in job.results if one.kind == "comparison")
        )
    )
    assert f"{found['means'][0]['value']:.3f}" in seen
    assert "Threshold 1 minus First 1" in seen
    assert "Where they differ most" in seen
    assert "The test part of the dataset's split." in seen


@pytest.mark.parametrize("query", [{"model": "no"}, {"comparison": "no"}])
def test_a_wrong_link_is_told(trained_studio: Studio, query: dict[str, str]) -> None:
    """An empty page that says so."""
    page = trained_studio.open("models", **query)
    assert not page.exception
    assert "is not here" in words(page)


def test_a_damaged_model_is_a_sentence(
    trained_studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head stays, and the reason is told."""

    def fails(*_: object, **__: object) -> None:
        raise DamagedFileError("A file of this model is damaged; restore a backup.")

    monkeypatch.setattr(Models, "folder", fails)
    page = trained_studio.open("models", model=only(trained_studio).id)
    assert not page.exception
    assert "First 1" in words(page)
    assert page.error[0].value == "A file of this model is damaged; restore a backup."


def test_somebody_signed_out_sees_nothing(studio: Studio, tmp_path: Path) -> None:
    """Only the way to sign in."""
    another(studio, tmp_path / "model")
    seen = words(studio.open("models"))
    assert "You are signed out" in seen
    assert "Threshold" not in seen


@pytest.mark.parametrize("role", ["ANNOTATOR", "UPLOADER", "REVIEWER"])
def test_others_look_but_change_nothing(studio: Studio, tmp_path: Path, role: str) -> None:
    """No part to change, no place for a bundle."""
    made = another(studio, tmp_path / "model")
    studio.sign_in(role)
    assert not studio.open("models").file_uploader
    page = studio.open("models", model=made.id)
    assert "Change" not in page.button_group(key="model-part").options
    assert "Threshold 1" in words(page)
