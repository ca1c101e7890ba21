"""The downloaded report, opened and printed by a real browser."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from engine.eyes.report import report_html
from tests.engine.eyes.findings import finding, screening

pytestmark = pytest.mark.browser


def test_it_prints_on_one_page_and_fits_a_phone(browser: Browser, tmp_path: Path) -> None:
    """Both eyes fit one A4 page; at 390 px nothing is cut; no console error, no request."""
    file = tmp_path / "report.html"
    long = tuple(
        f"Reason number {number}, which takes a whole line of its own." for number in "123"
    )
    both = finding(reasons=long), finding("uncertain", side="right", reasons=long)
    when = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
    file.write_text(report_html(screening(*both), when=when), encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 800})
    messages: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    printed = page.pdf(prefer_css_page_size=True)
    page.close()
    assert messages == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
