"""A headless Chromium with a camera that sees the astronaut's face, and pages that are watched."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from skimage import data

from tests.conftest import Server, start_server, stop_server
from tests.ui_gradio.serving import EyeServer, serving
from tests.ui_gradio.spine.serving import SpineServer, serving_spine

# SwiftShader draws WebGL without a graphics card. The three in the middle keep the browser quiet,
# so that every request in a log is the page's.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]


READY_MS = 60_000
"""A busy machine is slow, not wrong."""


@pytest.fixture(scope="package")
def eyes() -> Iterator[EyeServer]:
    """The eye check with a stand-in instead of models."""
    with serving() as running:
        yield running


@pytest.fixture(scope="package")
def spine() -> Iterator[SpineServer]:
    """The vertebra finder with a runner that knows the answer; pictures and files are real."""
    with serving_spine() as running:
        yield running


@pytest.fixture(scope="package")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with a worker, without sign-in, for all tests of the studio that leave it whole.

    What a test puts into it stays there: nothing may be told from how much there is.
    """
    running = start_server(tmp_path_factory.mktemp("studio") / "home", LIGHTBOX_AUTH="off")
    yield running
    stop_server(running)


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests; each test opens a context of its own."""
    camera = tmp_path_factory.mktemp("camera") / "face.mjpeg"
    camera.write_bytes(_moving_face())
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for path in map(shutil.which, names) if path), None)
    film = f"--use-file-for-fake-video-capture={camera}"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=[*ARGUMENTS, film])
        yield opened
        opened.close()


@dataclass
class Watched:
    """A page with what its console said and whom it asked."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def choose(self, example: str) -> None:
        """Try an example and wait for its result."""
        self.page.click("#lb-tab-photo")
        self.page.click(f"[data-example='{example}']")
        self.page.wait_for_selector(".lb-card, .lb-error", timeout=30_000)

    def upload(self, path: Path) -> None:
        """Choose a file as a visitor does."""
        self.page.click("#lb-tab-photo")
        self.page.set_input_files("[data-do=choose]", path)
        self.page.wait_for_selector(".lb-card, .lb-error", timeout=30_000)


Visit = Callable[..., Watched]
Open = Callable[..., Page]


@contextmanager
def watching(browser: Browser) -> Iterator[Visit]:
    """Open pages, each in a context of its own; none may complain or ask another host."""
    opened: list[Watched] = []

    def new_page(**options: object) -> Watched:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        watched = Watched(page=context.new_page())
        watched.page.on("console", lambda said: _note_console(watched, said))
        watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        watched.page.on("request", lambda asked: _note_host(watched, asked.url))
        watched.page.set_default_timeout(READY_MS)
        opened.append(watched)
        return watched

    yield new_page
    for watched in opened:
        with suppress(Exception):  # a page that hangs shall not hide what was complained about
            watched.page.context.close()
    assert [watched.complaints for watched in opened] == [[] for _ in opened]
    assert set().union(*(watched.hosts for watched in opened)) <= {"127.0.0.1"}


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Open the eye check or the vertebra finder and wait until it can be used."""
    with watching(browser) as new_page:

        def open_one(url: str, *, script: str = "", **options: object) -> Watched:
            watched = new_page(**{"permissions": ["camera"], **options})
            watched.page.add_init_script(script)
            watched.page.goto(url)
            watched.page.wait_for_selector(".lb[data-started]", timeout=90_000)
            return watched

        yield open_one


@pytest.fixture
def open_page(browser: Browser, studio: Server) -> Iterator[Open]:
    """Open a page of the studio by its name and wait for its heading."""
    with watching(browser) as new_page:

        def open_one(name: str, **options: object) -> Page:
            page = new_page(**options).page
            page.goto(f"{studio.url}/studio/{name}")
            page.wait_for_selector("h1")
            return page

        yield open_one


def _note_console(watched: Watched, said) -> None:
    is_driver = "GL Driver Message" in said.text  # SwiftShader, when a picture is taken
    if said.type in ("error", "warning") and not is_driver:
        watched.complaints.append(said.text)


def _note_host(watched: Watched, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("data", "blob"):
        watched.hosts.add(parts.hostname or "")


def _moving_face() -> bytes:
    """Return a film of plain JPEGs one after the other: a face that moves a little."""
    face = cv2.resize(data.astronaut()[40:190, 124:324], (640, 480), interpolation=cv2.INTER_CUBIC)
    frames = []
    for step in range(20):
        shift = np.float32([[1, 0, 2 * np.sin(step / 3)], [0, 1, np.cos(step / 3)]])
        moved = cv2.warpAffine(face, shift, (640, 480), borderMode=cv2.BORDER_REPLICATE)
        coded = cv2.imencode(".jpg", cv2.cvtColor(moved, cv2.COLOR_RGB2BGR))[1]
        frames.append(coded.tobytes())
    return b"".join(frames)
