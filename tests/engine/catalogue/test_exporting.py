"""The export job: what is stored goes out in each form, and comes in again."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from engine.catalogue.exporting import export_dataset
from engine.datasets.forms import FORMS
from engine.datasets.surveying import survey
from engine.errors import NotFoundError, NotSignedInError, RequestError
from engine.jobs.context import JobContext
from engine.jobs.tasks import TASKS
from engine.people.actors import VISITOR
from engine.settings import Settings
from engine.store.records import Job
from engine.workbench import Workbench
from tests.engine.catalogue.test_datasets import fill


@pytest.fixture
def workbench(tmp_path: Path) -> Workbench:
    """A home with a dataset of three pictures, two with masks, one with a cell."""
    workbench = Workbench(Settings(home=tmp_path / "home"))
    fill(workbench, "d1", number=3, marked=2)
    return workbench


def run(workbench: Workbench, **payload: str) -> JobContext:
    """Run the job here, as the visitor of an open server."""
    checked = TASKS["export_dataset"].check(payload)
    job = Job(task="export_dataset", payload=checked, created_by=VISITOR.id)
    context = JobContext(job, workbench.settings, store=workbench.store)
    export_dataset(context)
    return context


@pytest.mark.parametrize("form", [form.name for form in FORMS])
def test_each_form_can_be_read_again(workbench: Workbench, form: str) -> None:
    """The result is a stored ZIP in which the import sees all three pictures."""
    (result,) = run(workbench, dataset="d1", form=form).results
    assert result.kind == "file"
    with workbench.files.path(result.ref) as path:
        seen = survey(path, filename="again.zip")
    assert seen.pictures == 3
    assert not seen.needs_confirmation or form == "objects"


def test_object_forms_write_cells_where_there_are_cells(workbench: Workbench) -> None:
    """The one marked cell goes out as a box of its type."""
    (result,) = run(workbench, dataset="d1", form="voc").results
    with workbench.files.path(result.ref) as path, zipfile.ZipFile(path) as archive:
        text = archive.read("Annotations/picture_0.xml").decode()
    assert "<name>RBC</name>" in text
    assert "<xmin>1</xmin>" in text
    assert "<xmax>5</xmax>" in text


def test_masks_can_be_chosen_where_there_are_cells_too(workbench: Workbench) -> None:
    """With both, the masks go out when they are asked for; a form of masks has no cells."""
    (result,) = run(workbench, dataset="d1", form="coco", labels="masks").results
    with workbench.files.path(result.ref) as path, zipfile.ZipFile(path) as archive:
        text = archive.read("annotations.json").decode()
    assert "RBC" not in text
    assert '"counts"' in text
    with pytest.raises(RequestError, match="has no cells to write here"):
        run(workbench, dataset="d1", form="medseg", labels="cells")
    with pytest.raises(RequestError, match="'labels' must be masks or cells"):
        run(workbench, dataset="d1", labels="both")


def test_nothing_to_export_is_told(workbench: Workbench) -> None:
    """An empty dataset, one that is not there, a form that nobody knows."""
    fill(workbench, "d2", number=0, marked=0)
    with pytest.raises(RequestError, match="“Set d2” has no pictures"):
        run(workbench, dataset="d2")
    with pytest.raises(NotFoundError, match="no record 'd9' in datasets"):
        run(workbench, dataset="d9")
    with pytest.raises(RequestError, match="'form' must be one of medseg"):
        run(workbench, dataset="d1", form="tar")


def test_somebody_who_left_gets_nothing(workbench: Workbench) -> None:
    """The job asks for permission when it runs, not only when it was asked for."""
    job = Job(task="export_dataset", payload={"dataset": "d1", "form": "coco"}, created_by="gone")
    with pytest.raises(NotSignedInError, match="signed in"):
        export_dataset(JobContext(job, workbench.settings, store=workbench.store))
