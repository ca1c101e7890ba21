"""A ZIP dropped on the datasets page of the real server, in a real browser."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import READY_MS, Open
from tests.ui_streamlit.datasets.test_bringing_in import medseg

pytestmark = pytest.mark.browser


def test_a_zip_is_dropped_confirmed_and_imported(open_page: Open) -> None:
    """What the masks mean is confirmed; pictures appear, and one opens by its own address."""
    page = open_page("datasets")
    _look(page, "start")
    page.locator('input[type="file"]').set_input_files(
        {"name": "slides.zip", "mimeType": "application/zip", "buffer": medseg()}
    )
    expect(page.get_by_text("What the masks seem to mean")).to_be_visible(timeout=READY_MS)
    _look(page, "arrived")
    page.get_by_role("button", name="Confirm and import").click()
    link = page.get_by_role("link", name="slides", exact=True)
    expect(link).to_be_visible(timeout=READY_MS)
    expect(page.get_by_text("2 pictures, 2 with a mask")).to_be_visible(timeout=READY_MS)
    _look(page, "list")
    link.click()
    expect(page.get_by_text("2 pictures, page 1 of 1")).to_be_visible(timeout=READY_MS)
    assert "dataset=" in page.url
    _look(page, "dataset")
    page.get_by_role("link", name="a", exact=True).click()
    expect(page.get_by_text("96 × 96 px")).to_be_visible(timeout=READY_MS)
    _look(page, "picture")


def _look(page: object, name: str) -> None:
    """Keep a picture of the page where LOOK names a folder; for people who work on the page."""
    folder = os.environ.get("LOOK")
    if folder:
        page.screenshot(path=Path(folder) / f"datasets-{name}.png", full_page=True)
