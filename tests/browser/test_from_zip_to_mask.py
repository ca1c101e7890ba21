"""One story in a real browser: a ZIP is dropped, trained on, and its model asked for a mask."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from playwright.sync_api import Page, expect

from engine.imaging import pictures
from tests.browser.conftest import READY_MS, Open
from tests.conftest import Server, start_server, stop_server
from tests.engine.catalogue.training_house import discs
from tests.ui_streamlit.datasets.test_bringing_in import archive, png

pytestmark = pytest.mark.browser

TRAINED_MS = 150_000  # seconds on an idle machine


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a worker and an empty home, without sign-in."""
    running = start_server(tmp_path_factory.mktemp("story") / "home", LIGHTBOX_AUTH="off")
    yield running
    stop_server(running)


def discs_zip(count: int) -> bytes:
    """Dark pictures with four bright discs each, and their masks of 0 and 255."""
    files = {}
    for number in range(count):
        picture, mask = discs(number)
        files[f"images/{number}.png"] = pictures.encode_png(picture)
        files[f"masks/{number}.png"] = png(mask * 255)
    return archive(files)


def set_number(page: Page, label: str, value: int) -> None:
    """Type a number and leave the box, as a person does."""
    box = page.get_by_label(label)
    box.fill(str(value))
    box.press("Enter")


def test_from_a_zip_to_a_mask(open_page: Open, studio: Server, tmp_path: Path) -> None:
    """The curve moves by itself, the model finds discs that it never saw, and the mask is ours."""
    page = open_page("datasets", accept_downloads=True)
    page.locator('input[type="file"]').set_input_files(
        {"name": "discs.zip", "mimeType": "application/zip", "buffer": discs_zip(10)}
    )
    page.get_by_role("button", name="Confirm and import").click()
    expect(page.get_by_text("10 pictures, 10 with a mask")).to_be_visible(timeout=READY_MS)

    page.goto(f"{studio.url}/studio/train")
    page.get_by_text("Choose more yourself").click()
    set_number(page, "Epochs instead of time (0: by time)", 12)
    set_number(page, "Side of a patch in px (0: choose for me)", 64)
    set_number(page, "Patches in a batch (0: choose for me)", 4)
    for told in ("12 epochs", "64 px", "4 patches"):
        expect(page.get_by_text(told, exact=True)).to_be_visible()
    _look(page, "before")
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_url("**training=*")
    curve = page.get_by_text(re.compile(r"^Epoch \d+: training"))
    curve.wait_for(timeout=TRAINED_MS)
    first = curve.inner_text()
    page.wait_for_function(
        "before => { const found = /Epoch \\d+: training.*/.exec(document.body.innerText);"
        " return found && found[0] !== before; }",
        arg=first,
        timeout=TRAINED_MS,
    )
    _look(page, "at-work")
    page.get_by_text("The model is ready").wait_for(timeout=TRAINED_MS)
    page.get_by_text("What is taken for what").wait_for()
    _look(page, "done")

    page.get_by_role("link", name="Try it on a picture").click()
    picture, mask = discs(99)
    (tmp_path / "new.png").write_bytes(pictures.encode_png(picture))
    page.set_input_files("input[type=file]", tmp_path / "new.png")
    with page.expect_download(timeout=READY_MS) as arriving:
        page.get_by_role("button", name="Mask (PNG)").click(timeout=READY_MS)
    answer = np.asarray(PillowImage.open(arriving.value.path()))
    assert answer.shape == mask.shape
    both = np.count_nonzero((answer > 0) & (mask > 0))
    dice = 2 * both / max(1, np.count_nonzero(answer) + np.count_nonzero(mask))
    assert dice > 0.8  # brightness alone tells the discs


def _look(page: Page, name: str) -> None:
    """Keep a picture of the page where LOOK names a folder; for people who work on the page."""
    folder = os.environ.get("LOOK")
    if folder:
        page.screenshot(path=Path(folder) / f"story-{name}.png", full_page=True)
