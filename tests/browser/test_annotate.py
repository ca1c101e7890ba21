"""Drawing masks in a real browser on the real server: pixels that stay, tabs, tools, a phone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from engine.annotation.strokes import Stroke
from engine.imaging import masks, pictures
from engine.people.actors import VISITOR
from engine.settings import Settings
from engine.store.records import Dataset, Image
from engine.workbench import Workbench
from tests.browser.conftest import Watched, _note_console, _note_host
from tests.conftest import Server, start_server, stop_server

pytestmark = pytest.mark.browser

Open = Callable[..., Page]
READY_MS = 60_000
SURFACE = "canvas.upper-canvas"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without sign-in and without a worker."""
    home = tmp_path_factory.mktemp("annotate") / "home"
    running = start_server(home, LIGHTBOX_AUTH="off", LIGHTBOX_WORKER="off")
    yield running
    stop_server(running)


@pytest.fixture(scope="module")
def bench(studio: Server) -> Workbench:
    """The same home as the server's, looked at from another process."""
    return Workbench(Settings(home=studio.home))


@pytest.fixture
def open_page(browser: Browser, studio: Server) -> Iterator[Open]:
    """Open the board of a picture; in the end nothing may have been complained about."""
    opened: list[Watched] = []

    def open_one(image: str, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 1100}, **options})
        watched = Watched(page=context.new_page())
        watched.page.on("console", lambda said: _note_console(watched, said))
        watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        watched.page.on("request", lambda asked: _note_host(watched, asked.url))
        watched.page.set_default_timeout(READY_MS)
        watched.page.goto(f"{studio.url}/studio/annotate?image={image}")
        watched.page.wait_for_selector("h1", timeout=READY_MS)
        opened.append(watched)
        return watched.page

    yield open_one
    for watched in opened:
        with suppress(Exception):
            watched.page.context.close()
    assert [watched.complaints for watched in opened] == [[] for _ in opened]
    assert set().union(*(watched.hosts for watched in opened)) <= {"127.0.0.1"}


def add_picture(bench: Workbench, name: str, *, side: int) -> str:
    """Store a grey picture of ``side × side`` without a mask, as an import would."""
    data = pictures.encode_png(np.full((side, side, 3), 150, np.uint8))
    kept = bench.files.put(data, media_type="image/png")
    with bench.store.transaction("datasets", "images") as changes:
        changes["datasets"].put(Dataset(id="set", name="Grey", status="ready"))
        changes["images"].put(
            Image(
                id=name,
                name=f"{name}.png",
                sha256=kept.sha256,
                media_type="image/png",
                width_px=side,
                height_px=side,
                dataset_id="set",
            )
        )
    return name


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw from one place of the surface to another, in parts of its size."""
    box = page.locator(SURFACE).bounding_box()
    assert box
    page.mouse.move(box["x"] + start[0] * box["width"], box["y"] + start[1] * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + end[0] * box["width"], box["y"] + end[1] * box["height"], steps=6)
    page.mouse.up()


def kept(bench: Workbench, image: str, strokes: int) -> list[Stroke]:
    """Wait until that many strokes are kept, and return them."""
    end = time.monotonic() + 30
    while bench.annotation.standing(image, VISITOR).strokes != strokes:
        assert time.monotonic() < end, [
            what.stroke and what.stroke.points[0].tolist()
            for what in bench.annotation._board(image, VISITOR).journal.history().done
        ]
        time.sleep(0.05)
    history = bench.annotation._board(image, VISITOR).journal.history()
    return [what.stroke for what in history.done if what.stroke]


def ready(page: Page) -> None:
    """Wait until the surface can be drawn on."""
    page.locator(SURFACE).wait_for()
    page.wait_for_timeout(500)


def test_a_stroke_of_the_mouse_is_in_the_stored_mask(open_page: Open, bench: Workbench) -> None:
    """Drawn from (80, 80) to (240, 160) of 320, 16 wide: these pixels, also after a reload."""
    image = add_picture(bench, "mouse", side=320)
    page = open_page(image)
    ready(page)
    drag(page, (0.25, 0.25), (0.75, 0.5))
    kept(bench, image, 1)
    page.reload()
    ready(page)
    page.get_by_text("1 stroke,").wait_for()
    page.get_by_role("button", name="Save the revision").click()
    page.get_by_text("Revision 1", exact=True).wait_for()
    (mask,) = bench.annotation.revisions(image, VISITOR)
    stored = masks.decode(bench.files.read(mask.sha256))
    np.testing.assert_array_equal(stored, bench.annotation.mask(image, VISITOR))
    rows, cols = np.mgrid[:320, :320] + 0.5
    along = np.clip(((cols - 80) * 160 + (rows - 80) * 80) / (160**2 + 80**2), 0, 1)
    distance = np.hypot(cols - 80 - along * 160, rows - 80 - along * 80)
    assert (stored[distance < 7] == 1).all()
    assert (stored[distance > 9] == 255).all()


def test_a_picture_chosen_in_the_list_opens(
    open_page: Open, studio: Server, bench: Workbench
) -> None:
    """The link in the list leads to the board, and the way back leads to the list again."""
    image = add_picture(bench, "chosen", side=320)
    page = open_page(image)
    page.goto(f"{studio.url}/studio/annotate")
    page.get_by_role("link", name="chosen.png").click()
    ready(page)
    assert page.url.endswith(f"?image={image}")
    drag(page, (0.25, 0.25), (0.75, 0.5))
    kept(bench, image, 1)
    page.get_by_role("link", name="All pictures").click()
    page.get_by_role("link", name="chosen.png").wait_for()
    expect(page.locator(SURFACE)).to_have_count(0)


def test_a_second_tab_is_told_and_gets_the_pen_later(open_page: Open, bench: Workbench) -> None:
    """The second tab is read-only, sees strokes come, and draws once the first is closed."""
    image = add_picture(bench, "tabs", side=320)
    first = open_page(image)
    ready(first)
    second = open_page(image)
    second.get_by_text("draws on this picture in another tab").wait_for()
    expect(second.locator(SURFACE)).to_have_count(0)
    drag(first, (0.2, 0.2), (0.4, 0.2))
    kept(bench, image, 1)
    second.get_by_text("1 stroke,").wait_for()
    first.context.close()
    ready(second)
    drag(second, (0.2, 0.6), (0.4, 0.6))
    kept(bench, image, 2)


def test_tools_states_and_undo_by_key(open_page: Open, bench: Workbench) -> None:
    """Rectangle, lasso, polygon, fill and eraser by their keys; undo and redo without a mouse."""
    image = add_picture(bench, "keys", side=320)
    page = open_page(image)
    ready(page)

    def choose(key: str, name: str) -> None:
        page.keyboard.press(key)
        page.locator("[data-testid=stBaseButton-primary]").filter(has_text=name).wait_for()
        page.wait_for_timeout(400)

    choose("x", "Rectangle")
    choose("2", "Healthy")
    drag(page, (0.1, 0.1), (0.6, 0.6))
    kept(bench, image, 1)
    mask = bench.annotation.mask(image, VISITOR)
    assert int((mask == 2).sum()) == pytest.approx(160 * 160, rel=0.02)
    choose("l", "Lasso")
    choose("1", "Unhealthy")
    drag(page, (0.7, 0.7), (0.9, 0.9))  # a line encloses nothing, and is kept all the same
    kept(bench, image, 2)
    choose("e", "Eraser")
    drag(page, (0.1, 0.3), (0.6, 0.3))
    kept(bench, image, 3)
    assert bench.annotation.mask(image, VISITOR)[96, 100] == 255
    choose("f", "Fill")
    box = page.locator(SURFACE).bounding_box()
    page.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    kept(bench, image, 4)
    filled = bench.annotation.mask(image, VISITOR)
    assert filled[160, 100] == 1
    assert filled[50, 100] == 2
    choose("p", "Polygon")
    for x, y in ((0.7, 0.1), (0.9, 0.1), (0.9, 0.3), (0.7, 0.1)):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.wait_for_timeout(150)
    kept(bench, image, 5)
    whole = bench.annotation.mask(image, VISITOR)
    assert whole[60, 270] == 1
    page.keyboard.press("Control+z")
    kept(bench, image, 4)
    np.testing.assert_array_equal(bench.annotation.mask(image, VISITOR), filled)
    page.wait_for_timeout(1000)
    page.keyboard.press("Control+y")
    kept(bench, image, 5)
    np.testing.assert_array_equal(bench.annotation.mask(image, VISITOR), whole)


def test_a_part_of_a_large_picture_is_drawn_on(open_page: Open, bench: Workbench) -> None:
    """Zoomed in twice, a stroke lies where it was drawn, in pixels of the picture."""
    image = add_picture(bench, "large", side=2000)
    page = open_page(image)
    ready(page)
    for _ in range(2):
        page.get_by_role("button", name="Zoom in").click()
        page.wait_for_timeout(1500)
    drag(page, (0.5, 0.5), (0.75, 0.5))  # the middle quarter: 750..1250
    (stroke,) = kept(bench, image, 1)
    low, high = stroke.points.min(axis=0), stroke.points.max(axis=0)
    assert (low[0], high[0]) == (pytest.approx(1000, abs=2), pytest.approx(1125, abs=2))
    assert stroke.width_px == pytest.approx(16, abs=0.1)


def test_a_stroke_begun_just_after_undo_is_kept(open_page: Open, bench: Workbench) -> None:
    """The pen is put down in the moment after Ctrl+Z and lifted long after: the stroke is there."""
    image = add_picture(bench, "hasty", side=320)
    page = open_page(image)
    ready(page)
    drag(page, (0.1, 0.2), (0.6, 0.2))
    kept(bench, image, 1)
    page.wait_for_timeout(600)
    box = page.locator(SURFACE).bounding_box()
    place = {
        part: (box["x"] + part * box["width"], box["y"] + part * box["height"])
        for part in (0.3, 0.7)
    }
    page.mouse.move(*place[0.3])
    page.keyboard.press("Control+z")
    page.mouse.down()
    page.mouse.move(*place[0.7], steps=8)
    page.wait_for_timeout(1500)  # far longer than the page takes to lay a new sheet
    assert bench.annotation.standing(image, VISITOR).strokes == 0
    page.mouse.up()
    (stroke,) = kept(bench, image, 1)
    assert stroke.points[0].tolist() == pytest.approx([96, 96], abs=1.5)
    assert stroke.points[-1].tolist() == pytest.approx([224, 224], abs=1.5)
    page.wait_for_timeout(1500)  # the new sheet is laid, and the surface takes strokes again
    drag(page, (0.1, 0.8), (0.6, 0.8))
    kept(bench, image, 2)


def test_a_region_of_a_proposal_is_taken_over_by_a_tap(open_page: Open, bench: Workbench) -> None:
    """A gap between two strokes is proposed; tapped in the picture it is filled."""
    image = add_picture(bench, "tapped", side=320)
    page = open_page(image)
    ready(page)
    drag(page, (0.1, 0.50), (0.6, 0.50))
    drag(page, (0.1, 0.58), (0.6, 0.58))
    kept(bench, image, 2)
    page.get_by_role("button", name="Close gaps").click()
    seen = page.get_by_role("img", name="The proposal")
    seen.wait_for()
    page.get_by_role("button", name="1: unhealthy").wait_for()
    place = seen.bounding_box()
    seen.click(position={"x": 0.35 * place["width"], "y": 0.54 * place["height"]})
    kept(bench, image, 3)
    assert bench.annotation.mask(image, VISITOR)[173, 112] == 1
    page.get_by_text("All that is proposed here is annotated already.").wait_for()


def test_a_finger_draws_on_a_phone(open_page: Open, bench: Workbench) -> None:
    """On a narrow touch screen nothing is wider than the page, and a finger's stroke is kept."""
    image = add_picture(bench, "phone", side=320)
    page = open_page(image, viewport={"width": 390, "height": 844}, has_touch=True)
    ready(page)
    surface = page.locator(SURFACE)
    surface.scroll_into_view_if_needed()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = surface.bounding_box()
    assert box["width"] <= 390
    devices = page.context.new_cdp_session(page)
    for kind, part in (("touchStart", 0.2), ("touchMove", 0.4), ("touchMove", 0.6)):
        place = {"x": box["x"] + part * box["width"], "y": box["y"] + 0.3 * box["height"]}
        devices.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [place]})
    devices.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    kept(bench, image, 1)
    assert bench.annotation.mask(image, VISITOR)[96, 128] == 1


def test_strokes_faster_than_the_page_are_all_kept(open_page: Open, bench: Workbench) -> None:
    """Somebody who does not wait for the page loses nothing."""
    image = add_picture(bench, "many", side=320)
    page = open_page(image)
    ready(page)
    for number in range(6):
        drag(page, (0.1, 0.1 + number * 0.1), (0.6, 0.1 + number * 0.1))
    kept(bench, image, 6)
    mask = bench.annotation.mask(image, VISITOR)
    assert [int(mask[32 + number * 32, 100]) for number in range(6)] == [1] * 6


def test_a_server_killed_in_the_middle_of_a_stroke(
    browser: Browser, bench: Workbench, studio: Server
) -> None:
    """Strokes that were finished are there for the next server; this is the last test here."""
    image = add_picture(bench, "killed", side=320)
    page = browser.new_page(viewport={"width": 1280, "height": 1100})
    page.goto(f"{studio.url}/studio/annotate?image={image}", timeout=READY_MS)
    ready(page)
    for number in range(3):
        drag(page, (0.1, 0.2 + number * 0.2), (0.6, 0.2 + number * 0.2))
    kept(bench, image, 3)
    page.mouse.down()
    studio.process.kill()
    page.close()
    fresh = Workbench(Settings(home=studio.home)).annotation
    assert fresh.standing(image, VISITOR).strokes == 3
    assert [int(fresh.mask(image, VISITOR)[row, 100]) for row in (64, 128, 192)] == [1] * 3
