"""Every page in a real browser: nothing leaves the machine, no console error, phone width."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import Server

pytestmark = pytest.mark.browser

PAGES = ["/", "/eyes/", "/spine/", "/studio/", "/docs"]
READY = {
    "/": "h1",
    "/eyes/": "h1",
    "/spine/": "[data-example]",
    "/studio/": "h1",
    "/docs": ".swagger-ui .info",
}


def open_page(browser: Browser, server: Server, path: str, **context: object) -> Page:
    page = browser.new_context(**context).new_page()
    page.goto(server.url + path)
    page.wait_for_selector(READY[path], timeout=30_000)
    return page


@pytest.mark.parametrize("path", PAGES)
def test_no_request_leaves_the_machine(browser: Browser, server: Server, path: str) -> None:
    """The browser's own log of requests names this server only."""
    page = browser.new_context().new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server.url + path)
    page.wait_for_selector(READY[path], timeout=30_000)
    page.wait_for_timeout(1500)
    own = (server.url, server.url.replace("http", "ws"), "data:", "blob:")
    assert asked
    assert [url for url in asked if not url.startswith(own)] == []
    page.context.close()


@pytest.mark.parametrize("path", PAGES)
def test_the_console_stays_clean(browser: Browser, server: Server, path: str) -> None:
    """Opening a page writes no error to the browser's console."""
    page = browser.new_context().new_page()
    errors: list[str] = []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server.url + path)
    page.wait_for_selector(READY[path], timeout=30_000)
    page.wait_for_timeout(1000)
    assert errors == []
    page.context.close()


@pytest.mark.parametrize("path", ["/", "/eyes/", "/spine/", "/studio/"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(
    browser: Browser, server: Server, path: str, scheme: str
) -> None:
    """At 390 px nothing is wider than the screen, in light and dark."""
    page = open_page(
        browser, server, path, viewport={"width": 390, "height": 844}, color_scheme=scheme
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.context.close()


def test_the_landing_page_is_walked_by_keyboard(browser: Browser, server: Server) -> None:
    """Tab reaches the four cards in order, and Enter opens the eye check."""
    page = open_page(browser, server, "/")
    reached = []
    for _ in range(4):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.getAttribute('href')"))
    assert reached == ["eyes/", "spine/", "studio/", "docs"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/eyes/")
    page.context.close()


def test_the_landing_page_follows_the_dark_setting(browser: Browser, server: Server) -> None:
    """A dark system gets a dark page."""
    colours = {}
    for scheme in ("light", "dark"):
        page = open_page(browser, server, "/", color_scheme=scheme)
        colours[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.context.close()
    assert colours == {"light": "rgb(246, 249, 250)", "dark": "rgb(15, 23, 27)"}
