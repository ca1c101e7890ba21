"""Cells in a real browser on the real server: a box drawn, moved and deleted; one-key answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from engine.imaging import pictures
from engine.people.actors import VISITOR
from engine.settings import Settings
from engine.store.records import CellAnnotation
from engine.workbench import Workbench
from tests.browser.conftest import watching
from tests.conftest import Server
from tests.engine.cells.smears import disc_smear, lymphocyte

pytestmark = pytest.mark.browser

SURFACE = "canvas.upper-canvas"


@pytest.fixture(scope="module")
def bench(studio: Server) -> Workbench:
    """The same home, looked at from another process."""
    return Workbench(Settings(home=studio.home))


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that may complain about nothing and ask no other host."""
    with watching(browser) as new_page:
        yield new_page(viewport={"width": 1280, "height": 1200}).page


def stored(bench: Workbench) -> str:
    """A picture of 400×300, shown twice as large: one cell of a detector at (90, 70)."""
    data = pictures.encode_png(disc_smear(*lymphocyte(120, 100)))
    image = bench.cells.pictures.add(VISITOR, data, "smear.png")
    bench.cells.types.all(VISITOR)
    bench.cells.marks.put_found(
        VISITOR, image.id, [((90.0, 70.0, 60.0, 60.0), "WBC-Lymphocyte", 0.7)]
    )
    return image.id


def cells_when(
    bench: Workbench, image: str, ready: Callable[[tuple[CellAnnotation, ...]], object]
) -> tuple[CellAnnotation, ...]:
    """Return the cells as soon as they are as wanted."""
    end = time.monotonic() + 30
    while not ready(found := bench.cells.marks.of_image(VISITOR, image)):
        assert time.monotonic() < end, found
        time.sleep(0.1)
    return found


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Press at one pixel of the picture and let go at another."""
    surface = page.locator(SURFACE).bounding_box()
    assert surface is not None
    first, last = ((surface["x"] + 2 * x, surface["y"] + 2 * y) for x, y in (start, end))
    page.mouse.move(*first)
    page.mouse.down()
    page.mouse.move(*last, steps=8)
    page.mouse.up()


def opened(page: Page, studio: Server, image: str) -> None:
    page.goto(f"{studio.url}/studio/cells?picture={image}")
    page.wait_for_selector(SURFACE)
    page.wait_for_timeout(1500)  # the canvas puts the boxes on itself


def test_a_box_is_drawn_moved_and_deleted_with_the_mouse(
    studio: Server, bench: Workbench, page: Page
) -> None:
    """Each step is stored at once in pixels of the picture; the other cell stays as it was."""
    image = stored(bench)
    opened(page, studio, image)
    drag(page, (200, 150), (260, 230))
    found = cells_when(bench, image, lambda cells: len(cells) == 2)
    old, new = sorted(found, key=lambda cell: cell.cell_coordinates.x)
    box = new.cell_coordinates
    assert (box.x, box.y) == pytest.approx((200, 150), abs=2)
    assert (box.width, box.height) == pytest.approx((60, 80), abs=2)
    assert (new.cell_type, new.origin) == ("RBC", "human")
    page.wait_for_timeout(1000)
    page.locator(SURFACE).hover()
    page.get_by_label("Edit", exact=True).click()
    drag(page, (230, 190), (300, 110))
    moved = cells_when(
        bench,
        image,
        lambda cells: any(abs(cell.cell_coordinates.x - 270) < 3 for cell in cells),
    )
    assert {cell.id for cell in moved} == {old.id, new.id}
    page.wait_for_timeout(1000)
    page.get_by_label("Delete selected", exact=True).click()
    (left,) = cells_when(bench, image, lambda cells: len(cells) == 1)
    assert (left.id, left.origin) == (old.id, "model")
    assert left.cell_coordinates == old.cell_coordinates


def test_a_reload_shows_the_same_boxes_and_changes_none(
    studio: Server, bench: Workbench, page: Page
) -> None:
    """Looking is no change: the detector's cell stays the detector's."""
    image = stored(bench)
    before = bench.cells.marks.of_image(VISITOR, image)
    for _ in range(2):
        opened(page, studio, image)
    page.wait_for_timeout(1500)
    assert bench.cells.marks.of_image(VISITOR, image) == before


def test_one_key_answers_in_the_review(studio: Server, bench: Workbench, page: Page) -> None:
    """W calls the cell another white cell; the count follows."""
    image = stored(bench)
    opened(page, studio, image)
    page.get_by_role("radio", name="Review").click()
    page.get_by_text("70 % certain").wait_for()
    page.keyboard.press("w")
    (cell,) = cells_when(bench, image, lambda cells: cells[0].cell_type == "WBC-Other")
    assert cell.origin == "edited"
    page.get_by_text("Every cell here was set").wait_for()
