"""A training in a real browser: started, watched, measured, taken along; paused and cancelled."""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from engine.people.actors import VISITOR
from engine.settings import Settings
from engine.store.records import Job
from engine.workbench import Workbench
from tests.browser.conftest import Open
from tests.conftest import Server, start_server, stop_server

pytestmark = pytest.mark.browser

WAIT_MS = 240_000  # seconds on an idle machine
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "color_scheme": "dark",
    "has_touch": True,
    "is_mobile": True,
}
SMALL = {"pictures": 8, "side_px": 128}  # of two patients: one to learn from, one to measure on


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without sign-in and with small sample data; its worker runs jobs."""
    home = tmp_path_factory.mktemp("training") / "home"
    running = start_server(home, LIGHTBOX_AUTH="off")
    bench = Workbench(Settings(home=home))
    drawn = bench.queue.submit("sample_data", SMALL, actor=VISITOR)
    when(lambda: bench.queue.get(drawn.id).state == "completed")
    bench.close()
    yield running
    stop_server(running)


@pytest.fixture(scope="module")
def bench(studio: Server) -> Iterator[Workbench]:
    """The same home, looked at from another process."""
    looked_at = Workbench(Settings(home=studio.home))
    yield looked_at
    looked_at.close()


def when(ready: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT_MS / 1000
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.1)


def start(page: Page, bench: Workbench, *, epochs: int, name: str) -> Job:
    """Fill the form in and press Train; return the job that came of it."""
    page.set_default_timeout(WAIT_MS)
    page.get_by_role("textbox", name="Name of the model").fill(name)
    page.get_by_text("Choose more yourself").click()
    for label, value, told in (
        ("Epochs instead of time (0: by time)", epochs, f"{epochs} epochs"),
        ("Side of a patch in px (0: choose for me)", 64, "64 px"),
        ("Patches in a batch (0: choose for me)", 4, "4 patches"),
    ):
        box = page.get_by_label(label)
        box.fill(str(value))
        box.press("Enter")
        page.get_by_text(told, exact=True).wait_for()  # the plan follows
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_url(re.compile("training="))
    (job,) = [one for one in bench.queue.all() if one.payload.get("name") == name]
    assert job.id in page.url
    return job


def epoch_told(page: Page) -> int:
    """Return the epoch that the words under the curve of the loss are about."""
    words = page.get_by_text(re.compile(r"^Epoch \d+: training")).first.inner_text()
    return int(re.findall(r"\d+", words)[0])


def fits(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth") <= 390


def test_masks_become_a_model_that_can_be_taken_along(
    studio: Server, bench: Workbench, open_page: Open
) -> None:
    """Two epochs are learnt and drawn, figures are those of the record, and the bundle is whole."""
    page = open_page("train", accept_downloads=True)
    job = start(page, bench, epochs=2, name="Tissue")
    page.get_by_text("The model is ready").wait_for()
    assert bench.queue.get(job.id).state == "completed"
    assert epoch_told(page) == 2
    assert page.get_by_test_id("stVegaLiteChart").count() >= 2
    page.get_by_text("What it sees", exact=True).wait_for()
    page.get_by_role("link", name="Open the model").click()
    page.get_by_text("Tissue 1", exact=True).first.wait_for()
    (model,) = [one for one in bench.models.list(VISITOR) if one.job_id == job.id]
    assert model.id in page.url
    mean = model.metrics["mean_dice"]["value"]
    page.get_by_text(f"Mean Dice {mean:.3f}").wait_for()
    healthy = model.metrics["dice"]["healthy"]["value"]
    expect(page.locator("table.lb-figures").first).to_contain_text(f"{healthy:.3f}")
    page.get_by_text("Take along").click()
    page.get_by_role("button", name="Prepare the download").click()
    link = page.get_by_role("link", name=re.compile("^Download "))
    link.wait_for()
    with page.expect_download() as arriving:
        link.click()
    bundle = zipfile.ZipFile(io.BytesIO(arriving.value.path().read_bytes()))
    assert bundle.testzip() is None
    names = {one.rsplit("/", 1)[-1]: one for one in bundle.namelist()}
    assert {"card.json", "model.xml", "model.bin", "weights.safetensors"} <= set(names)
    card = json.loads(bundle.read(names["card.json"]))
    assert card["classes"] == ["background", "unhealthy", "healthy"]
    phone = open_page(f"models?model={model.id}", **PHONE)
    phone.get_by_text("What is taken for what").wait_for()
    assert fits(phone)
    phone.goto(f"{studio.url}/studio/train?training={job.id}")
    phone.get_by_text("The model is ready").wait_for()
    assert fits(phone)


def test_a_training_pauses_goes_on_and_is_cancelled(bench: Workbench, open_page: Open) -> None:
    """The curve moves by itself; nothing is learnt in a pause; a cancelled one makes no model."""
    page = open_page("train")
    job = start(page, bench, epochs=5000, name="Endless")
    page.get_by_text(re.compile(r"^Epoch \d+: training")).first.wait_for()
    seen = epoch_told(page)
    when(lambda: epoch_told(page) > seen)
    phone = open_page(f"train?training={job.id}", **PHONE)
    phone.get_by_text(re.compile(r"^Epoch \d+: training")).first.wait_for()
    assert fits(phone)
    phone.context.close()
    page.get_by_role("button", name="Pause", exact=True).click()
    page.get_by_role("button", name="Resume", exact=True).wait_for()
    page.get_by_text("Somebody asked for a pause.").wait_for()
    rested = epochs_learnt(bench, job)
    time.sleep(2)
    assert epochs_learnt(bench, job) == rested
    page.get_by_role("button", name="Resume", exact=True).click()
    when(lambda: epochs_learnt(bench, job) > rested)
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the job").click()
    when(lambda: bench.queue.get(job.id).state == "cancelled")
    page.get_by_text("Cancelled").first.wait_for()
    page.get_by_role("button", name="Go on from where it was").wait_for()
    assert not [one for one in bench.models.list(VISITOR) if one.job_id == job.id]


def epochs_learnt(bench: Workbench, job: Job) -> int:
    return len(bench.trainings.progress(VISITOR, job.id).epochs)


def test_a_phone_in_the_dark_has_room_for_the_form(open_page: Open) -> None:
    """All settings and all reasons fit into 390 pixels."""
    page = open_page("train", **PHONE)
    page.get_by_text("Choose more yourself").tap()
    page.get_by_text("were made for these pictures").wait_for()
    assert fits(page)
