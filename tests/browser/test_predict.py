"""Asking a model in a real browser: a picture dropped, the answer seen, its mask downloaded."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from playwright.sync_api import Browser, Page, expect

from engine.imaging import pictures
from engine.people.actors import VISITOR
from engine.settings import Settings
from engine.store.records import Dataset, Image
from engine.workbench import Workbench
from tests.browser.conftest import Watched, _note_console, _note_host
from tests.conftest import Server, start_server, stop_server
from tests.engine.segmentation.threshold_model import (
    dark_squares,
    true_mask,
    write_threshold_model,
)

pytestmark = pytest.mark.browser

PICTURE = dark_squares(240, 320, squares=3, side=30)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without sign-in, with the known model; its worker runs jobs."""
    home = tmp_path_factory.mktemp("predict")
    running = start_server(home / "home", LIGHTBOX_AUTH="off")
    write_threshold_model(home / "model")
    bench = Workbench(Settings(home=running.home))
    bench.models.keep(home / "model", actor_id=VISITOR.id, name="Dark spots")
    bench.close()
    yield running
    stop_server(running)


@pytest.fixture(scope="module")
def bench(studio: Server) -> Workbench:
    """The same home, looked at from another process."""
    return Workbench(Settings(home=studio.home))


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open pages that may complain about nothing and ask no other host."""
    opened: list[Watched] = []

    def open_one(**options: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 1400}, **options})
        watched = Watched(page=context.new_page())
        watched.page.on("console", lambda said: _note_console(watched, said))
        watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        watched.page.on("request", lambda asked: _note_host(watched, asked.url))
        watched.page.set_default_timeout(60_000)
        opened.append(watched)
        return watched.page

    yield open_one
    for watched in opened:
        with suppress(Exception):
            watched.page.context.close()
    assert [watched.complaints for watched in opened] == [[] for _ in opened]
    assert set().union(*(watched.hosts for watched in opened)) <= {"127.0.0.1"}


def dropped(page: Page, studio: Server, folder: Path) -> None:
    """Drop the picture and wait for the answer."""
    file = folder / "visit.png"
    file.write_bytes(pictures.encode_png(PICTURE))
    page.goto(f"{studio.url}/studio/predict")
    page.set_input_files("input[type=file]", file)
    page.get_by_text("3 × nucleus").first.wait_for()


def shown(page: Page, alt: str) -> np.ndarray:
    """Return the pixels of the picture with that alternative text, once they are there."""
    picture = page.get_by_alt_text(alt).first
    picture.wait_for()
    data = page.request.get(str(picture.evaluate("image => image.src"))).body()
    return np.asarray(PillowImage.open(io.BytesIO(data)).convert("RGB"))


def stored(bench: Workbench) -> Image:
    dataset = Dataset(name="Smears", status="ready", classes=("background", "nucleus"))
    with bench.store.datasets.transaction() as datasets:
        datasets.put(dataset)
    sent = [("smear.png", pictures.encode_png(PICTURE))]
    (image,) = bench.images.add(VISITOR, sent, dataset_id=dataset.id)
    return image


def when(ready: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_dropped_picture_is_marked_and_its_mask_downloaded(
    studio: Server, bench: Workbench, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    """The overlay colours the squares alone; the mask is right to the pixel; nothing is stored."""
    page = open_page(accept_downloads=True)
    dropped(page, studio, tmp_path)
    seen = shown(page, "visit.png with what the model found: 3 × nucleus, 4 % of the picture")
    scale = seen.shape[0] // PICTURE.shape[0]
    differs = np.abs(seen[::scale, ::scale].astype(int) - PICTURE).max(axis=2) > 40
    assert differs[15:35, 15:35].all()
    assert not differs[60:].any()
    with page.expect_download() as arriving:
        page.get_by_role("button", name="Mask (PNG)").click()
    mask = np.asarray(PillowImage.open(arriving.value.path()))
    assert arriving.value.suggested_filename == "visit_mask.png"
    assert (mask == true_mask(PICTURE)).all()
    assert len(bench.store.images.read()) == 0
    other = open_page()
    other.goto(f"{studio.url}/studio/predict")
    other.get_by_text("Drop a picture to look at").wait_for()
    assert other.get_by_text("visit.png").count() == 0


def test_the_line_between_before_and_after_moves_by_key(
    studio: Server, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    """Both pictures lie in one place; arrows and Home move the line, and say where it is."""
    page = open_page()
    dropped(page, studio, tmp_path)
    page.get_by_text("Before and after").click()
    line = page.get_by_role("slider", name="How much of the picture is seen")
    line.focus()
    assert line.input_value() == "50"
    page.keyboard.press("ArrowRight")
    expect(line).to_have_attribute("aria-valuetext", "51 % The picture")
    page.keyboard.press("Home")
    expect(line).to_have_attribute("aria-valuetext", "0 % The picture")
    covered = page.locator(".lb-slide-before").evaluate("one => getComputedStyle(one).clipPath")
    assert "100%" in covered
    assert page.get_by_alt_text("With the answer").evaluate("one => one.naturalWidth") > 0


def test_a_dataset_is_predicted_and_a_proposal_drawn(
    studio: Server, bench: Workbench, open_page: Callable[..., Page]
) -> None:
    """A job answers, the gallery leads to Annotate, and there the answer becomes the mask."""
    image = stored(bench)
    page = open_page()
    page.goto(f"{studio.url}/studio/predict")
    page.get_by_text("Many pictures").click()
    page.get_by_role("button", name="Predict 1 picture").click()
    page.get_by_text("The most doubtful first").wait_for(timeout=90_000)
    page.get_by_alt_text("smear.png with what the model found").wait_for()
    page.get_by_role("link", name="Open in Annotate").first.click()
    page.get_by_role("button", name="Ask the model").click()
    page.get_by_role("button", name="Accept nucleus").click()
    page.get_by_text("Took over nucleus").wait_for()
    drawn = bench.annotation.mask(image.id, VISITOR)
    assert ((drawn == 1) == (true_mask(PICTURE) == 1)).all()
    page.get_by_role("button", name="Save the revision").click()
    when(lambda: bench.annotation.revisions(image.id, VISITOR))
    assert bench.annotation.revisions(image.id, VISITOR)[0].model_id


def test_a_phone_in_the_dark_has_room_for_all_of_it(
    studio: Server, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    """The answer fits into 390 pixels; the line between the pictures can be dragged by finger."""
    page = open_page(
        viewport={"width": 390, "height": 844},
        color_scheme="dark",
        has_touch=True,
        is_mobile=True,
    )
    dropped(page, studio, tmp_path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_text("Before and after").tap()
    line = page.get_by_role("slider", name="How much of the picture is seen")
    line.scroll_into_view_if_needed()
    place = line.bounding_box()
    assert place is not None
    page.touchscreen.tap(place["x"] + place["width"] * 0.8, place["y"] + place["height"] / 2)
    assert 70 <= int(line.input_value()) <= 90
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
