"""The page for masks without a browser: choosing, who may draw, what cannot be opened."""

from __future__ import annotations

import numpy as np
import pytest

from engine.annotation.canvas_objects import Seed, Sheet, from_canvas, ink, sheet_drawing
from engine.annotation.raster import Box
from engine.imaging import pictures
from engine.store.records import Dataset, Image
from tests.ui_streamlit.studio import Studio, words
from ui_streamlit.studio.annotate import desk
from ui_streamlit.studio.annotate.choices import Choices, colours_of, label_of


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Say what a browser would say of its width."""
    monkeypatch.setattr(desk, "page_width", lambda: 800)


def put_picture(studio: Studio) -> None:
    data = pictures.encode_png(np.full((30, 40, 3), 90, np.uint8))
    kept = studio.workbench.files.put(data, media_type="image/png")
    image = Image(
        id="p",
        name="p.png",
        sha256=kept.sha256,
        media_type="image/png",
        width_px=40,
        height_px=30,
        dataset_id="d",
    )
    with studio.workbench.store.transaction("datasets", "images") as changes:
        changes["datasets"].put(Dataset(id="d", name="Set"))
        changes["images"].put(image)


def test_without_pictures_it_offers_sample_data(open_studio: Studio) -> None:
    """The empty state leads on in one click."""
    page = open_studio.open("annotate")
    assert "No pictures yet" in words(page)
    assert "Add sample data" in words(page)


def test_pictures_are_chosen_from_the_list(open_studio: Studio) -> None:
    """Each picture is named with its size and how far it is."""
    put_picture(open_studio)
    seen = words(open_studio.open("annotate"))
    assert "p.png" in seen
    assert "40 × 30, new" in seen


def test_a_role_without_a_pen_only_looks(studio: Studio) -> None:
    """An uploader sees picture and mask, and no button that draws or saves."""
    put_picture(studio)
    studio.sign_in("UPLOADER")
    page = studio.open("annotate", image="p")
    assert "Your role may look at masks, not draw them." in words(page)
    labels = {button.label for button in page.button}
    assert not labels & {"Brush", "Undo", "Save the revision", "Draw here instead"}


def test_a_picture_that_is_gone_is_told(open_studio: Studio) -> None:
    """A link to a removed picture says so and what to do."""
    assert "There is no picture 'gone'" in words(open_studio.open("annotate", image="gone"))


SHEET = Sheet(
    image="p", box=Box(left=10, top=20, right=110, bottom=70), width=200, height=100, name="s"
)


def drawing(*objects: dict) -> dict:
    return {"objects": [*sheet_drawing(SHEET)["objects"], *objects]}


def path(tool: str = "brush", state: int = 1, **fields) -> dict:
    steps = [["M", 0, 0], ["Q", 10, 0, 20, 0], ["L", 40, 20]]
    return {
        "type": "Path",
        "path": steps,
        "stroke": ink(tool, state, (1, 2, 3), opacity=0.5),
        "strokeWidth": 8,
        "left": 20,
        "top": 10,
        "originX": "center",
        "originY": "center",
        "width": 40,
        "height": 20,
    } | fields


def test_what_the_surface_sends_becomes_strokes_of_the_picture() -> None:
    """A path on a sheet of half a pixel each lies where the picture is, half as wide."""
    drawn = from_canvas(drawing(path("eraser", 255)))
    (stroke,) = drawn.marks
    assert (drawn.sheet, stroke.tool, stroke.state, stroke.width_px) == (SHEET, "eraser", 255, 4)
    assert stroke.points[0].tolist() == [10, 20]
    assert stroke.points[-1].tolist() == [30, 30]
    assert from_canvas(drawing(path("eraser", 255))).marks[0].mark == stroke.mark


def test_a_moved_and_enlarged_rectangle_lies_where_it_was_moved() -> None:
    """Position, scale and border of the surface's own rectangles are undone."""
    rectangle = {
        "type": "Rect",
        "stroke": ink("rectangle", 2, (1, 2, 3), opacity=0.5),
        "strokeWidth": 2,
        "strokeUniform": True,
        "left": 19,
        "top": 9,
        "width": 10,
        "height": 10,
        "scaleX": 2,
        "scaleY": 4,
        "originX": "left",
        "originY": "top",
    }
    (stroke,) = from_canvas(drawing(rectangle)).marks
    assert stroke.points.min(axis=0).tolist() == [20, 25]
    assert stroke.points.max(axis=0).tolist() == [30, 45]


def test_a_click_to_fill_is_where_it_was() -> None:
    """A point on the surface says where a fill begins."""
    point = {
        "type": "Circle",
        "stroke": ink("fill", 2, (1, 2, 3), opacity=0.5),
        "strokeWidth": 2,
        "radius": 2,
        "width": 4,
        "height": 4,
        "left": 97,
        "top": 50,
        "originX": "left",
        "originY": "center",
    }
    (seed,) = from_canvas(drawing(point)).marks
    assert isinstance(seed, Seed)
    assert (seed.tool, seed.state, seed.x, seed.y) == ("fill", 2, 60, 45)


@pytest.mark.parametrize(
    "broken",
    [
        *({"type": "Path", "stroke": "red"}, {"type": "Text"}, path(path=[]), path(path=None)),
        *(path(strokeWidth="wide"), path(path=[["M", "x", 0]]), path(left=1e9)),
    ],
)
def test_what_is_no_stroke_is_left_out(broken: dict) -> None:
    """Objects that are not ours, or broken, cost nothing but themselves."""
    assert len(from_canvas(drawing(broken, path())).marks) == 1


def test_a_drawing_without_our_sheet_is_none() -> None:
    """Without knowing where it lies a drawing means nothing."""
    assert from_canvas({"objects": [path()]}) is None
    assert from_canvas({}) is None


def test_states_have_names_and_colours() -> None:
    """Each class has a colour of its own, and 255 is called by its name."""
    classes = ("background", "unhealthy", "healthy", "fold_x")
    assert len(set(colours_of(classes).values())) == 4
    assert [label_of(state, classes) for state in (1, 3, 255)] == [
        *("Unhealthy", "Fold x", "Not annotated"),
    ]
    pen = Choices(tool="eraser", state=2, colour=(1, 2, 3), size_px=9, opacity=0.5, shown=True)
    assert pen.ink.endswith("0.52551)")
    assert pen.width(3.0) == 3.0
