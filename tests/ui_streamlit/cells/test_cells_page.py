"""The cells page: empty, filled, live settings, review, kinds, roles."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from engine.imaging import pictures
from engine.people.actors import SYSTEM, Role
from engine.store.records import Image
from tests.engine.cells.smears import disc_smear, lymphocyte
from tests.ui_streamlit.studio import Studio, words


def press(page: AppTest, label: str) -> AppTest:
    """Press the first button with that label."""
    return next(button for button in page.button if button.label == label).click().run()


def filled(studio: Studio, *, found: bool = True) -> Image:
    """A picture with two lymphocytes; ``found`` by a detector with 0.9 and 0.4."""
    data = pictures.encode_png(disc_smear(*lymphocyte(120, 100), *lymphocyte(280, 200)))
    cells = studio.workbench.cells
    image = cells.pictures.add(SYSTEM, data, "smear 1.png")
    cells.types.all(SYSTEM)
    if found:
        boxes = [((90.0, 70.0, 60.0, 60.0), 0.9), ((250.0, 170.0, 60.0, 60.0), 0.4)]
        cells.marks.put_found(SYSTEM, image.id, [(box, "WBC-Other", sure) for box, sure in boxes])
    return image


def choose(page: AppTest, image: Image, step: str) -> AppTest:
    return page.button_group(key=f"cells-step-{image.id}").set_value(step).run()


def test_without_pictures_it_says_what_to_do(open_studio: Studio) -> None:
    """The empty state, the upload, and the default kinds."""
    page = open_studio.open("cells")
    assert not page.exception
    assert "No picture yet" in words(page)
    assert "WBC-Lymphocyte" in words(page)


def test_pictures_are_listed_with_their_numbers_of_cells(open_studio: Studio) -> None:
    """A link leads to each; the search narrows the list."""
    filled(open_studio)
    page = open_studio.open("cells")
    assert "smear 1.png" in words(page)
    assert "2 cells" in words(page)
    page.text_input(key="cells-word").set_value("other").run()
    assert "No picture with this name" in words(page)


def test_a_picture_shows_counts_with_intervals(open_studio: Studio) -> None:
    """Shares, Wilson's interval, how many more to count; the canvas has the boxes."""
    image = filled(open_studio)
    page = open_studio.open("cells", picture=image.id)
    assert not page.exception
    seen = words(page)
    assert "100.0 %" in seen
    assert "34.2 to 100.0 %" in seen  # 2 of 2 by hand: 1 / (1 + z²/2)
    assert "for ±5 %" in seen
    assert "not measured in µm" in seen or "nothing is measured in µm" in seen


def test_a_wrong_link_is_told(open_studio: Studio) -> None:
    """An id that is not there ends in words."""
    assert "This picture is not here" in words(open_studio.open("cells", picture="no"))


def test_the_detector_answers_at_once_and_is_kept_when_asked(open_studio: Studio) -> None:
    """The rules find both lymphocytes; a slider changes the answer; the button keeps the cells."""
    image = filled(open_studio, found=False)
    page = open_studio.open("cells", picture=image.id)
    page.button_group(key=f"cells-backend-{image.id}").set_value("opencv").run()
    assert "2 WBC-Lymphocyte" in words(page)
    assert open_studio.workbench.cells.marks.of_image(SYSTEM, image.id) == ()
    page.slider(key=f"cells-set-{image.id}-opencv-smallest_px-0").set_value(70.0).run()
    assert "2 Platelet" in words(page)
    page.slider(key=f"cells-set-{image.id}-opencv-smallest_px-0").set_value(30.0).run()
    press(page, "Keep these cells")
    kept = open_studio.workbench.cells.marks.of_image(SYSTEM, image.id)
    assert [one.cell_type for one in kept] == ["WBC-Lymphocyte"] * 2


def test_settings_are_saved_as_a_preset_and_taken_back(open_studio: Studio) -> None:
    """The preset moves the sliders to what was saved."""
    image = filled(open_studio, found=False)
    page = open_studio.open("cells", picture=image.id)
    page.button_group(key=f"cells-backend-{image.id}").set_value("opencv").run()
    place = f"cells-set-{image.id}-opencv"
    page.slider(key=f"{place}-split-0").set_value(0.45).run()
    page.text_input(key=f"{place}-name").set_value("Crowded").run()
    press(page, "Save")
    (preset,) = open_studio.workbench.cells.presets.all(SYSTEM)
    assert (preset.name, preset.parameters["split"]) == ("Crowded", 0.45)
    page.slider(key=f"{place}-split-0").set_value(0.8).run()
    page.selectbox(key=f"{place}-preset").set_value("Crowded").run()
    press(page, "Use it")
    assert page.slider(key=f"{place}-split-1").value == 0.45


def test_the_least_certain_cell_comes_first_and_is_answered(open_studio: Studio) -> None:
    """Its kind by one button, then the next; "No cell" takes it away; a comment is kept."""
    image = filled(open_studio)
    page = choose(open_studio.open("cells", picture=image.id), image, "Review")
    assert "40 % certain" in words(page)
    press(page, "RBC")
    assert "90 % certain" in words(page)
    press(page, "No cell")
    (left,) = open_studio.workbench.cells.marks.of_image(SYSTEM, image.id)
    assert (left.cell_type, left.origin) == ("RBC", "edited")
    assert "Every cell here" in words(page)


def test_a_comment_is_kept_for_the_cell(open_studio: Studio) -> None:
    """The text stands with the cell; nothing else of it changes but who says so."""
    image = filled(open_studio)
    page = choose(open_studio.open("cells", picture=image.id), image, "Review")
    first = min(
        open_studio.workbench.cells.marks.of_image(SYSTEM, image.id), key=lambda c: c.confidence
    )
    page.text_area(key=f"cells-comment-{first.id}").set_value("smudged").run()
    press(page, "Save the comment")
    told = {one.comments for one in open_studio.workbench.cells.marks.of_image(SYSTEM, image.id)}
    assert told == {"smudged", ""}


def test_the_size_of_a_pixel_gives_micrometres(open_studio: Studio) -> None:
    """60 pixels of 0.1 µm are 6 µm."""
    image = filled(open_studio)
    page = open_studio.open("cells", picture=image.id)
    page.number_input(key=f"cells-pixel-{image.id}").set_value(0.1).run()
    press(page, "Set it")
    assert "6.0 ± 0.0" in words(page)


def test_kinds_are_added_by_administrators(studio: Studio) -> None:
    """The form is theirs alone; a taken name is told."""
    studio.sign_in("ADMIN")
    page = studio.open("cells")
    page.text_input(key="cells-new-name").set_value("Blast")
    press(page, "Add it")
    assert "Blast" in studio.workbench.cells.types.names(SYSTEM)
    studio.sign_in("ANNOTATOR", name="Ann Other")
    page = studio.open("cells")
    assert "Administrators change this list" in words(page)
    assert "Add it" not in [button.label for button in page.button]


@pytest.mark.parametrize("role", ["UPLOADER"])
def test_who_may_not_mark_sees_and_changes_nothing(studio: Studio, role: Role) -> None:
    """An uploader sees counts and the detector's answer without the button that keeps it."""
    image = filled(studio)
    studio.sign_in(role)
    page = choose(studio.open("cells", picture=image.id), image, "Detector")
    assert not page.exception
    assert "Keep these cells" not in [button.label for button in page.button]
    page = choose(page, image, "Review")
    assert "No cell" not in [button.label for button in page.button]
