"""Take the pictures of the pages: ``python -m benchmarks.page_pictures``.

Opens the real pages in Chromium. For the README it writes ``assets/pages/eyes.png`` (the drawn eye
that is reddened), ``assets/pages/spine.png`` (the drawn scoliosis) and ``assets/pages/studio.png``
(the studio with its sample data); for the vertebra page and the landing page the small pictures
``sample.jpg`` and ``card.jpg`` beside its scripts. Nothing in them is a patient.
"""

from __future__ import annotations

import argparse
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.server_process import running_server

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "assets" / "pages"
WEB = ROOT / "ui_gradio" / "spine" / "web"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader"]


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", choices=("eyes", "spine", "studio"), help="the pictures of one page alone"
    )
    parser.add_argument("--url", help="a server that runs already")
    options = parser.parse_args()
    server = nullcontext() if options.url else running_server()
    with server as running, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=ARGUMENTS
        )
        url = options.url or running.url
        if options.only in (None, "eyes"):
            take_eyes(browser, url)
        if options.only in (None, "spine"):
            take_spine(browser, url)
            take_small(browser, url)
        if options.only in (None, "studio"):
            take_studio(browser, url)
        browser.close()


def take_eyes(browser: Browser, url: str) -> None:
    """Write the README's picture of the eye check."""
    page = browser.new_page(viewport={"width": 1280, "height": 1010})
    page.goto(f"{url}/eyes/")
    page.wait_for_selector("#lightbox-eyes[data-started]", timeout=60_000)
    page.get_by_role("tab", name="Photo").click()
    page.click("[data-example='conjunctivitis.jpg']")
    page.wait_for_selector(".lb-card", timeout=60_000)
    page.wait_for_timeout(1000)
    _save(page.screenshot(), PAGES / "eyes.png")


def take_spine(browser: Browser, url: str) -> None:
    """Write the README's picture of the vertebra page, with a vertebra chosen."""
    with _found(browser, url, width=1440, height=900) as page:
        page.click("tbody[data-label='T7'] button")
        page.wait_for_timeout(2500)
        page.evaluate("document.activeElement.blur()")
        clip = {"x": 0, "y": 0, "width": 1440, "height": 1260}
        _save(page.screenshot(full_page=True, clip=clip), PAGES / "spine.png")


def take_studio(browser: Browser, url: str) -> None:
    """Write the README's picture of the studio, after its sample data was added."""
    page = browser.new_page(viewport={"width": 1280, "height": 1010})
    page.goto(f"{url}/studio/")
    page.get_by_role("button", name="Add sample data").click(timeout=60_000)
    page.get_by_text("tissue_0012.png").wait_for(timeout=120_000)
    page.wait_for_timeout(4000)
    _save(page.screenshot(), PAGES / "studio.png")
    page.close()


def take_small(browser: Browser, url: str) -> None:
    """Write the upright picture of the vertebra page and the broad one of the landing page."""
    with _found(browser, url, width=1280, height=1000, ratio=2) as page:
        page.evaluate("document.querySelectorAll('.sp-marks').forEach((one) => one.hidden = true)")
        side = _picture(page, "sagittal")
        front = _picture(page, "solid")
    spine = _cut(side, 9 / 16)
    _save_jpeg(spine.resize((300, 533)), WEB / "sample.jpg")
    broad = Image.new("RGB", (960, 540), (5, 8, 10))
    half = side.resize((round(side.width * 640 / side.height), 640)).crop((0, 50, side.width, 590))
    solid = front.resize((round(front.width * 640 / front.height), 640))
    broad.paste(half.crop((half.width // 2 - 240, 0, half.width // 2 + 240, 540)), (0, 0))
    broad.paste(solid.crop((solid.width // 2 - 240, 50, solid.width // 2 + 240, 590)), (480, 0))
    _save_jpeg(broad.resize((640, 360)), WEB / "card.jpg")


@contextmanager
def _found(
    browser: Browser, url: str, *, width: int, height: int, ratio: int = 1
) -> Iterator[Page]:
    """Open the page with the result of the drawn scoliosis."""
    page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=ratio)
    page.goto(f"{url}/spine/")
    page.wait_for_selector("#lightbox-spine[data-started]", timeout=60_000)
    page.click("[data-example='scoliosis']")
    page.click("[data-do=start]:enabled", timeout=60_000)
    page.wait_for_selector("[data-plane=sagittal][data-labelled=true]", timeout=180_000)
    page.wait_for_selector("[data-plane=solid][data-kind=mesh]", timeout=60_000)
    page.wait_for_timeout(1500)
    yield page
    page.close()


def _picture(page: Page, plane: str) -> Image.Image:
    data = page.locator(f"[data-plane={plane}] .sp-stage").screenshot()
    return Image.open(io.BytesIO(data)).convert("RGB")


def _cut(picture: Image.Image, aspect: float) -> Image.Image:
    """Return the middle of a picture with the given width to height."""
    wide = min(picture.width, round(picture.height * aspect))
    left = (picture.width - wide) // 2
    return picture.crop((left, 0, left + wide, picture.height))


def _save_jpeg(picture: Image.Image, path: Path) -> None:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=82, optimize=True, progressive=True)
    _save(data.getvalue(), path)


def _save(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    print(f"wrote {path.relative_to(ROOT)}, {len(data) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
