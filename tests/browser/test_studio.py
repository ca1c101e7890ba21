"""The studio in a real browser on the real server: jobs that run, backups, figures that move."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import READY_MS, Open, watching
from tests.conftest import Server, start_server, stop_server
from ui_streamlit.studio.navigation import PAGES

pytestmark = pytest.mark.browser


def start_job(studio: Server, task: str, **payload: Any) -> str:
    """Ask for a job as another program would; return its id."""
    answer = httpx.post(
        f"{studio.url}/api/v1/jobs", json={"task": task, "payload": payload}, timeout=30
    )
    assert answer.is_success, answer.text
    return str(answer.json()["id"])


def percent_done(page: Page) -> int:
    """Return how far the bar of the job's page is."""
    bar = page.locator("[role=progressbar][aria-valuenow]").first
    return int(bar.get_attribute("aria-valuenow") or 0)


def test_sample_data_in_one_click(browser: Browser, tmp_path: Path) -> None:
    """A newcomer presses one button, watches the work, and has pictures in front of them."""
    empty = start_server(tmp_path / "home", LIGHTBOX_AUTH="off")
    try:
        with watching(browser) as new_page:
            page = new_page().page
            page.goto(f"{empty.url}/studio/")
            page.get_by_role("button", name="Add sample data").click()
            page.get_by_role("link", name="Open the job").wait_for()
            page.locator("[data-testid=stImage] img").first.wait_for(timeout=READY_MS)
            expect(page.get_by_text("First steps")).to_have_count(0)
            shown = page.locator("[data-testid=stImage] img").first
            assert shown.evaluate("img => img.decode().then(() => img.naturalWidth)") > 50
    finally:
        stop_server(empty)


def test_a_job_is_watched_and_cancelled(open_page: Open, studio: Server) -> None:
    """The bar moves without a reload; cancelling asks first, and then the job is cancelled."""
    job = start_job(studio, "sample_data", pictures=400)
    page = open_page(f"jobs?job={job}")
    page.locator("[role=progressbar][aria-valuenow]").first.wait_for()
    first = percent_done(page)
    page.wait_for_function(
        "before => Number(document.querySelector('[role=progressbar][aria-valuenow]')"
        ".getAttribute('aria-valuenow')) > before",
        arg=first,
    )
    page.get_by_role("button", name="Cancel", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("What will be lost")).to_be_visible()
    page.wait_for_timeout(3500)  # the page behind refreshes itself twice meanwhile
    dialog.get_by_role("button", name="Cancel the job").click()
    page.get_by_role("button", name="Retry").wait_for()
    state = httpx.get(f"{studio.url}/api/v1/jobs/{job}", timeout=30).json()["state"]
    assert state == "cancelled"


def test_a_list_of_jobs_is_chosen_and_filtered(open_page: Open, studio: Server) -> None:
    """Choosing boxes survives a refresh of the list; the filter stands in the address."""
    jobs = [start_job(studio, "sample_data", pictures=400) for _ in range(2)]
    page = open_page("jobs")
    page.get_by_role("button", name="Choose all").click()
    page.get_by_role("button", name=re.compile(r"^Cancel \d+$")).wait_for()
    page.wait_for_timeout(4500)  # two refreshes
    page.get_by_role("button", name=re.compile(r"^Cancel \d+$")).click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("^Cancel")).click()
    for job in jobs:
        page.wait_for_function(
            "address => fetch(address).then(answer => answer.json())"
            ".then(job => job.state === 'cancelled')",
            arg=f"/api/v1/jobs/{job}",
        )
    page.locator("[data-testid=stPills] button, [data-testid=stButtonGroup] button").filter(
        has_text="Cancelled"
    ).click()
    page.wait_for_url("**state=Cancelled**")


def finish(studio: Server, job: str) -> None:
    """Wait until a job is done."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        state = httpx.get(f"{studio.url}/api/v1/jobs/{job}", timeout=30).json()["state"]
        if state == "completed":
            return
        assert state in ("pending", "processing")
        time.sleep(0.3)
    raise AssertionError(f"job {job} was not done within a minute")


def datasets_shown(page: Page) -> int:
    """Return the number of datasets that the first page tells."""
    metric = page.get_by_test_id("stMetric").filter(has_text="Datasets")
    return int(metric.get_by_test_id("stMetricValue").inner_text())


def test_a_backup_is_made_and_put_back(open_page: Open, studio: Server) -> None:
    """What came after the backup is gone when it was put back; what it held is there again."""
    finish(studio, start_job(studio, "sample_data", pictures=2))
    page = open_page("backups")
    page.get_by_role("button", name="Make a backup now").click()
    page.get_by_text("By hand").first.wait_for()
    page.locator("[class*=st-key-lb-card]").filter(has_text="By hand").get_by_text(
        re.compile("Good")
    ).first.wait_for()
    home = open_page("")
    before = datasets_shown(home)
    finish(studio, start_job(studio, "sample_data", pictures=2))
    home.reload()
    home.wait_for_selector("h1")
    assert datasets_shown(home) == before + 1
    page.locator("[class*=st-key-lb-card]").filter(has_text="By hand").locator("a").first.click()
    page.get_by_role("button", name="Put it back …").click()
    dialog = page.get_by_role("dialog")
    agree = dialog.get_by_role("button", name="Put it back")
    expect(agree).to_be_disabled()
    dialog.get_by_role("textbox").press_sequentially("RESTORE")
    agree.click()
    expect(dialog).to_have_count(0)
    end = time.monotonic() + 120
    while time.monotonic() < end:
        home.reload()
        home.get_by_test_id("stMetric").first.wait_for()
        if datasets_shown(home) == before:
            return
    jobs = httpx.get(f"{studio.url}/api/v1/jobs", timeout=30).text
    raise AssertionError(f"the dataset that came after the backup is still there; jobs: {jobs}")


def test_monitoring_moves(open_page: Open) -> None:
    """Figures and charts follow the server without a reload."""
    page = open_page("monitoring")
    page.get_by_text("Processor").first.wait_for()
    page.wait_for_timeout(2000)
    first = page.locator("[data-testid=stMain]").inner_text()
    page.wait_for_function(
        "before => document.querySelector('[data-testid=stMain]').innerText !== before",
        arg=first,
        timeout=READY_MS,
    )


@pytest.mark.parametrize("name", [page.name for page in PAGES])
def test_each_page_by_its_address_on_desk_and_phone(open_page: Open, name: str) -> None:
    """Its name stands there, nothing failed, and at 390 px nothing reaches beyond the screen."""
    page = open_page("" if name == "home" else name)
    known = next(one for one in PAGES if one.name == name)
    expect(page.locator("h1")).to_have_text("Studio" if name == "home" else known.title)
    assert "Streamlit" not in page.title()
    page.set_viewport_size({"width": 390, "height": 844})
    for scheme, ground in (("light", "rgb(246, 249, 250)"), ("dark", "rgb(15, 23, 27)")):
        if scheme == "dark":  # light is what it opened in
            page.emulate_media(color_scheme="dark")
            page.reload()
            page.wait_for_selector("h1")
        page.wait_for_timeout(800)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        app = "getComputedStyle(document.querySelector('.stApp')).backgroundColor"
        assert page.evaluate(app) == ground
    assert not page.get_by_text("Something went wrong").count()


def test_the_vendor_menu_is_not_there(open_page: Open) -> None:
    """No menu, no deploy button, no footer of somebody else."""
    page = open_page("")
    for name in ("stMainMenu", "stAppDeployButton", "stToolbarActions"):
        assert page.get_by_test_id(name).count() == 0
    assert "Streamlit" not in page.inner_text("body")
