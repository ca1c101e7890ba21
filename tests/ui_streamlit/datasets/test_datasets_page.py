"""The datasets page: empty, filled, one dataset, one picture, and what each role may do."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from engine.people.actors import SYSTEM, Role
from engine.store.records import Image
from tests.engine.catalogue.test_datasets import fill
from tests.ui_streamlit.studio import Studio, words


def press(page: AppTest, label: str) -> AppTest:
    """Press the only button with that label."""
    (button,) = [button for button in page.button if button.label == label]
    return button.click().run()


def labels(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def test_without_datasets_it_offers_the_sample_data(open_studio: Studio) -> None:
    """The empty state has a first step, which is a job."""
    page = open_studio.open("datasets")
    assert "No dataset yet" in words(page)
    press(page, "Add sample data")
    assert [job.task for job in open_studio.workbench.queue.all()] == ["sample_data"]


def test_a_dataset_is_listed_with_its_figures(open_studio: Studio) -> None:
    """How many pictures, masks and bytes, and a link to it."""
    fill(open_studio.workbench, "d1", number=7, marked=4)
    page = open_studio.open("datasets")
    seen = words(page)
    assert "Set d1" in seen
    assert "7 pictures, 4 with a mask, 0 approved" in seen
    assert not page.error


def test_the_pictures_of_a_dataset_come_in_pages(open_studio: Studio) -> None:
    """24 of 30 on the first page, the rest on the second; the search is by name."""
    fill(open_studio.workbench, "d1", number=30, marked=4)
    page = open_studio.open("datasets", dataset="d1")
    assert "30 pictures, page 1 of 2" in words(page)
    page.session_state["pictures-page"] = 2
    assert "30 pictures, page 2 of 2" in words(page.run())
    found = open_studio.open("datasets", dataset="d1", find="picture_29")
    assert "1 picture, page 1 of 1" in words(found)


def test_five_thousand_pictures_open_only_those_of_the_page(open_studio: Studio) -> None:
    """A page of a large dataset makes and reads no more than its own 24 small pictures."""
    fill(open_studio.workbench, "d1", number=5000, marked=1)
    page = open_studio.open("datasets", dataset="d1")
    assert "5,000 pictures, page 1 of 209" in words(page)
    made = [i for i in open_studio.workbench.store.images.read() if i.thumbnail_sha256]
    assert len(made) == 24


def test_one_picture_is_shown_with_its_mask(open_studio: Studio) -> None:
    """The address of a picture shows it, its facts and the colours of the mask."""
    fill(open_studio.workbench, "d1", number=2, marked=1)
    seen = words(open_studio.open("datasets", dataset="d1", image="d1-0"))
    assert "128 × 128 px" in seen
    assert "unhealthy" in seen
    assert "none yet" in words(open_studio.open("datasets", dataset="d1", image="d1-1"))


@pytest.mark.parametrize(
    ("query", "sentence"),
    [({"dataset": "gone"}, "This dataset is not here"), ({"image": "gone"}, "picture is not here")],
)
def test_a_wrong_link_is_told(open_studio: Studio, query: dict[str, str], sentence: str) -> None:
    """Ids that are not there end in words, not in an error."""
    assert sentence in words(open_studio.open("datasets", **query))


def test_a_lost_file_is_a_sentence_on_its_picture_alone(open_studio: Studio) -> None:
    """One picture whose file is missing does not take the page with it."""
    fill(open_studio.workbench, "d1", number=2, marked=1)
    with open_studio.workbench.store.images.transaction() as images:
        images.put(
            Image(
                name="lost.png", sha256="0" * 64, media_type="image/png", dataset_id="d1", id="lost"
            )
        )
    page = open_studio.open("datasets", dataset="d1")
    assert len(page.error) == 1
    assert "3 pictures, page 1 of 1" in words(page)


def test_checks_are_told_in_sentences(open_studio: Studio) -> None:
    """Seven times the same file is found; the classes' shares are shown."""
    fill(open_studio.workbench, "d1", number=7, marked=4)
    seen = words(open_studio.open("datasets", dataset="d1", part="Checks"))
    assert "7 pictures are the same file" in seen
    assert "Balance of classes" in seen
    assert "3 pictures without a mask" in seen


def test_dividing_and_freezing(open_studio: Studio) -> None:
    """Divide writes splits of whole groups; freeze makes version 1, shown with its hash."""
    fill(open_studio.workbench, "d1", number=8, marked=4)
    page = press(open_studio.open("datasets", dataset="d1", part="Splits and versions"), "Divide")
    assert {i.split for i in open_studio.workbench.store.images.read()} <= {"train", "test"} | {
        "validation"
    }
    page = press(page, "Freeze a version")
    dataset = open_studio.workbench.datasets.get(SYSTEM, "d1").dataset
    assert dataset.version == 1
    assert "Version 1" in words(page)


def test_deleting_lists_what_goes_and_asks_for_the_word(open_studio: Studio) -> None:
    """Pictures, masks and cells are counted first; only the typed word deletes."""
    fill(open_studio.workbench, "d1", number=3, marked=2)
    page = press(open_studio.open("datasets", dataset="d1", part="Change"), "Delete the dataset …")
    seen = words(page)
    assert "3 pictures" in seen
    assert "2 masks, with all revisions" in seen
    assert "1 marked cell" in seen
    page.text_input(key="studio_typed").set_value("DELETE").run()
    press(page, "Delete the dataset")
    assert len(open_studio.workbench.store.images.read()) == 0


def test_a_new_name_is_saved(open_studio: Studio) -> None:
    """An empty one is refused in a sentence, another one is kept."""
    fill(open_studio.workbench, "d1", number=1, marked=0)
    page = open_studio.open("datasets", dataset="d1", part="Change")
    page.text_input(key="dataset-name").set_value("")
    assert "1 to 120 characters" in words(press(page, "Save"))
    page.text_input(key="dataset-name").set_value("Glands")
    press(page, "Save")
    assert open_studio.workbench.datasets.get(SYSTEM, "d1").dataset.name == "Glands"


@pytest.mark.parametrize(
    ("role", "manages", "adds"),
    [
        ("ADMIN", True, True),
        ("UPLOADER", False, True),
        ("ANNOTATOR", False, False),
        ("REVIEWER", False, False),
    ],
)
def test_each_role_is_offered_what_it_may(
    studio: Studio, role: Role, manages: bool, adds: bool
) -> None:
    """Who may not change a dataset sees no button for it; who may not add sees no way in."""
    studio.sign_in(role)
    assert ("Add sample data" in labels(studio.open("datasets"))) == adds
    fill(studio.workbench, "d1", number=1, marked=1)
    page = studio.open("datasets", dataset="d1", part="Splits and versions")
    assert ("Freeze a version" in labels(page)) == manages
    assert not page.exception
