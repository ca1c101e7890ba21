"""Take the README's picture of the eye check: ``python -m benchmarks.page_pictures``.

Opens the real page in Chromium, tries the drawn eye that is reddened, and writes
``assets/pages/eyes.png``.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks.server_process import running_server

TARGET = Path(__file__).parents[1] / "assets" / "pages" / "eyes.png"


def main() -> None:
    """Write the picture."""
    with running_server() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 1010})
        page.goto(f"{server.url}/eyes/")
        page.wait_for_selector("#lightbox-eyes[data-started]", timeout=60_000)
        page.get_by_role("tab", name="Photo").click()
        page.click("[data-example='conjunctivitis.jpg']")
        page.wait_for_selector(".lb-card", timeout=60_000)
        page.wait_for_timeout(1000)
        page.screenshot(path=TARGET)
        browser.close()
    print(f"wrote {TARGET.relative_to(TARGET.parents[2])}")


if __name__ == "__main__":
    main()
