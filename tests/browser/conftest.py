"""A headless Chromium with a camera that sees the astronaut's face, and pages that are watched."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from skimage import data

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


@pytest.fixture(scope="session")
def eyes() -> Iterator[EyeServer]:
    """The eye check with a stand-in instead of models."""
    with serving() as running:
        yield running


@pytest.fixture(scope="session")
def spine() -> Iterator[SpineServer]:
    """The vertebra finder with a runner that knows the answer; pictures and files are real."""
    with serving_spine() as running:
        yield running


@pytest.fixture(scope="session")
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


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Open the page in a context of its own; in the end nothing may have been complained about."""
    opened: list[Watched] = []

    def open_page(url: str, *, script: str = "", **options: object) -> Watched:
        context = browser.new_context(
            **{"permissions": ["camera"], "viewport": {"width": 1280, "height": 900}, **options}
        )
        watched = Watched(page=context.new_page())
        watched.page.on("console", lambda said: _note_console(watched, said))
        watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        watched.page.on("request", lambda asked: _note_host(watched, asked.url))
        watched.page.set_default_timeout(60_000)  # a busy machine is slow, not wrong
        watched.page.add_init_script(script)
        watched.page.goto(url)
        watched.page.wait_for_selector(".lb[data-started]", timeout=90_000)
        opened.append(watched)
        return watched

    yield open_page
    for watched in opened:
        watched.page.context.close()
    assert [watched.complaints for watched in opened] == [[] for _ in opened]
    assert set().union(*(watched.hosts for watched in opened)) <= {"127.0.0.1"}


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
