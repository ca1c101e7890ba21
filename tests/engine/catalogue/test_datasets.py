"""Datasets in a real home: looking, dividing, freezing and deleting, and who may."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.catalogue.datasets import Datasets
from engine.errors import BusyError, NotAllowedError, NotFoundError, NotSignedInError, RequestError
from engine.imaging import masks, pictures
from engine.imaging.drawn_tissue import draw_tissue
from engine.people.actors import NOBODY, SYSTEM, Actor
from engine.settings import Settings
from engine.store.records import CellAnnotation, CellCoordinates, Dataset, Image, Mask
from engine.workbench import Workbench

ANNOTATOR = Actor(id="ann", name="Ann", role="ANNOTATOR")


@pytest.fixture
def workbench(tmp_path: Path) -> Workbench:
    """A home with one dataset of six pictures of two patients, the first four with masks."""
    workbench = Workbench(Settings(home=tmp_path / "home"))
    fill(workbench, "d1", number=6, marked=4)
    return workbench


def fill(workbench: Workbench, name: str, *, number: int, marked: int) -> None:
    tissue = draw_tissue(0, side_px=128)
    picture = workbench.files.put(pictures.encode_png(tissue.picture), media_type="image/png")
    mask = workbench.files.put(masks.encode(tissue.mask), media_type="image/png")
    with workbench.store.transaction("datasets", "images", "masks", "cell_annotations") as t:
        t["datasets"].put(Dataset(id=name, name=f"Set {name}", status="ready"))
        for i in range(number):
            image = Image(
                id=f"{name}-{i}",
                name=f"picture_{i}.png",
                sha256=picture.sha256,
                media_type="image/png",
                size_bytes=picture.size,
                width_px=128,
                height_px=128,
                dataset_id=name,
                group=f"patient {i % 2}",
            )
            t["images"].put(image)
            if i < marked:
                counts = masks.counts(tissue.mask)
                t["masks"].put(Mask(image_id=image.id, sha256=mask.sha256, counts=counts))
        t["cell_annotations"].put(
            CellAnnotation(
                image_id=f"{name}-0",
                user_id="ann",
                cell_type="RBC",
                cell_coordinates=CellCoordinates(x=1, y=1, width=4, height=4),
            )
        )


@pytest.fixture
def datasets(workbench: Workbench) -> Datasets:
    """Its datasets."""
    return workbench.datasets


def test_the_list_has_the_numbers(datasets: Datasets) -> None:
    """Six pictures, four with a mask; the newest dataset comes first."""
    (one,) = datasets.list(ANNOTATOR)
    assert (one.pictures, one.marked, one.approved) == (6, 4, 0)
    assert one.dataset.name == "Set d1"


def test_pictures_come_in_pages(datasets: Datasets) -> None:
    """Four on the first page, two on the last; a page too far is the last."""
    first = datasets.pictures(ANNOTATOR, "d1", size=4)
    assert [image.name for image in first.images] == [f"picture_{i}.png" for i in range(4)]
    assert (first.count, first.pages) == (6, 2)
    assert [i.id for i in datasets.pictures(ANNOTATOR, "d1", page=9, size=4).images] == [
        "d1-4",
        "d1-5",
    ]


def test_pictures_are_chosen_by_words_and_mask(datasets: Datasets) -> None:
    """Name and group are searched; those without a mask can be asked for."""
    assert datasets.pictures(ANNOTATOR, "d1", words="PATIENT 1 picture_3").count == 1
    unmarked = datasets.pictures(ANNOTATOR, "d1", marked=False)
    assert [image.id for image in unmarked.images] == ["d1-4", "d1-5"]


def test_a_thumbnail_is_made_once(workbench: Workbench) -> None:
    """A picture without one gets a small JPEG that is kept, and its perceptual hash."""
    datasets = workbench.datasets
    image = datasets.picture(ANNOTATOR, "d1-0")
    data = datasets.thumbnail(ANNOTATOR, image)
    assert pictures.decode(data).shape == (128, 128, 3)
    again = datasets.picture(ANNOTATOR, "d1-0")
    assert again.thumbnail_sha256
    assert len(again.perceptual_hash or "") == 16
    assert datasets.thumbnail(ANNOTATOR, again) == data


def test_checks_find_what_is_there(datasets: Datasets) -> None:
    """Six times the same file is one finding; two pictures without a mask are counted."""
    found = datasets.check(ANNOTATOR, "d1")
    assert [finding.kind for finding in found.findings] == ["duplicates"]
    assert (found.pictures, found.unmarked, found.unhashed) == (6, 2, 6)
    assert found.sizes == ((128, 128, 6),)
    assert sum(found.balance.values()) == pytest.approx(1.0)


def test_a_group_is_not_divided(datasets: Datasets) -> None:
    """Two patients, half and half: each is whole in one part, and nothing leaks between groups."""
    counted = datasets.divide(SYSTEM, "d1", {"train": 0.5, "test": 0.5}, seed=3)
    assert counted == {"train": 3, "test": 3}
    images = datasets.pictures(SYSTEM, "d1").images
    assert len({(image.group, image.split) for image in images}) == 2
    texts = [f.sentence for f in datasets.check(SYSTEM, "d1").findings if f.kind == "leakage"]
    assert len(texts) == 1
    assert "The same file" in texts[0]


def test_a_version_is_named_by_its_content(workbench: Workbench) -> None:
    """Freezing twice gives one version; another split gives the next; both stay listed."""
    datasets = workbench.datasets
    first = datasets.freeze(SYSTEM, "d1")
    assert datasets.freeze(SYSTEM, "d1") == first
    datasets.divide(SYSTEM, "d1", {"train": 0.5, "test": 0.5})
    second = datasets.freeze(SYSTEM, "d1")
    assert (first.version, second.version) == (1, 2)
    dataset = datasets.get(SYSTEM, "d1").dataset
    assert dataset.manifest_sha256 == second.manifest_sha256
    assert datasets.versions(dataset) == (first, second)
    assert workbench.files.exists(first.manifest_sha256)


def test_an_empty_dataset_cannot_be_frozen(workbench: Workbench) -> None:
    """The sentence says what is missing."""
    fill(workbench, "d2", number=0, marked=0)
    with pytest.raises(RequestError, match=r"ready and has pictures.* with 0"):
        workbench.datasets.freeze(SYSTEM, "d2")


def test_deleting_takes_all_that_belongs_and_no_more(workbench: Workbench) -> None:
    """What was told before is what goes; the neighbour stays; the audit log has it."""
    fill(workbench, "d2", number=2, marked=1)
    datasets = workbench.datasets
    told = datasets.what_goes(SYSTEM, "d1")
    assert (len(told.images), len(told.masks), len(told.cells)) == (6, 4, 1)
    assert datasets.delete(SYSTEM, "d1") == told
    store = workbench.store
    assert [d.id for d in store.datasets.read()] == ["d2"]
    assert len(store.images.read()) == 2
    assert len(store.masks.read()) == 1
    assert len(store.cell_annotations.read()) == 1
    with pytest.raises(NotFoundError, match="no record 'd1' in datasets"):
        datasets.get(SYSTEM, "d1")


def test_a_dataset_that_a_job_works_on_stays(workbench: Workbench) -> None:
    """An unfinished job that names it holds it."""
    from engine.store.records import Job

    with workbench.store.jobs.transaction() as jobs:
        jobs.put(Job(task="export_dataset", title="Export", payload={"dataset": "d1"}))
    with pytest.raises(BusyError, match="“Export” works on this dataset"):
        workbench.datasets.delete(SYSTEM, "d1")


def test_names_are_unique(workbench: Workbench) -> None:
    """A name that another dataset has is refused; spaces around it do not matter."""
    fill(workbench, "d2", number=0, marked=0)
    with pytest.raises(RequestError, match="a dataset “Set d2” already"):
        workbench.datasets.rename(SYSTEM, "d1", name=" Set  d2 ", description="")
    with pytest.raises(RequestError, match="1 to 120 characters"):
        workbench.datasets.rename(SYSTEM, "d1", name=" ", description="")
    assert workbench.datasets.rename(SYSTEM, "d1", name="Glands", description="x").name == "Glands"


def test_changes_take_the_right_role(datasets: Datasets) -> None:
    """An annotator looks but does not delete, divide or freeze; a stranger does not look."""
    for change in (datasets.delete, datasets.freeze, datasets.divide):
        with pytest.raises(NotAllowedError, match="takes the role ADMIN"):
            change(ANNOTATOR, "d1")
    with pytest.raises(NotSignedInError, match="must be signed in to see datasets"):
        datasets.list(NOBODY)
    with pytest.raises(NotFoundError, match="no picture 'x'"):
        datasets.picture(ANNOTATOR, "x")
