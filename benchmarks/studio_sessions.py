"""Sixteen people in the studio at once: memory of the whole server, and how quickly pages come.

``python -m benchmarks.studio_sessions [--sessions N] [--seconds N]``

Each session is a tab of a real Chromium with cookies of its own. The tabs stay open on the pages
that refresh themselves; some walk from page to page; a job runs meanwhile. Memory is that of the
server and every process below it (worker and job included), the browser's is not counted.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from dataclasses import dataclass, field

import httpx
import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.server_process import RunningServer, running_server

LIMIT_MB = 1500
PAGES = ("", "jobs", "monitoring", "backups", "users", "audit", "settings")


@dataclass
class Measured:
    """What was seen: MB at each look, seconds until each page stood there."""

    memory_mb: list[float] = field(default_factory=list)
    opened_s: list[float] = field(default_factory=list)


def shared_memory_mb(server: RunningServer) -> float:
    """Return the memory of the server's processes, what they share counted once (PSS), in MB."""
    root = psutil.Process(server.process.pid)
    return sum(_pss(part) for part in (root, *root.children(recursive=True))) / 1e6


def _pss(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0.0


def open_page(page: Page, address: str, measured: Measured) -> None:
    """Open an address and wait for its heading."""
    start = time.perf_counter()
    page.goto(address, timeout=180_000, wait_until="commit")
    page.wait_for_selector("h1", timeout=180_000)
    measured.opened_s.append(time.perf_counter() - start)


def run(browser: Browser, server: RunningServer, *, sessions: int, seconds: float) -> Measured:
    """Open the tabs, keep some of them walking, and look at the memory all the while."""
    measured = Measured()
    tabs = []
    for number in range(sessions):
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        name = PAGES[number % len(PAGES)]
        open_page(page, f"{server.url}/studio/{name}", measured)
        measured.memory_mb.append(server.memory_mb())
        tabs.append(page)
    job = {"task": "sample_data", "payload": {"pictures": 200}}
    httpx.post(f"{server.url}/api/v1/jobs", json=job, timeout=30).raise_for_status()
    end = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < end:
        walker = tabs[turn % sessions]
        open_page(walker, f"{server.url}/studio/{PAGES[turn % len(PAGES)]}", measured)
        measured.memory_mb.append(server.memory_mb())
        turn += 1
    return measured


def main() -> int:
    """Print the figures; exit code 1 when the memory was above the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60)
    chosen = parser.parse_args()
    found = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    with running_server(LIGHTBOX_AUTH="off") as server, sync_playwright() as playwright:
        alone = server.memory_mb()
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu"]
        )
        measured = run(browser, server, sessions=chosen.sessions, seconds=chosen.seconds)
        together = shared_memory_mb(server)
        browser.close()
    peak = max(measured.memory_mb)
    print(f"server and worker before the first session: {alone:.0f} MB")
    print(f"peak with {chosen.sessions} sessions and a job: {peak:.0f} MB (limit {LIMIT_MB})")
    print(f"at the end, shared pages counted once: {together:.0f} MB")
    print(f"a page stood there after {statistics.median(measured.opened_s):.1f} s (median)")
    return int(peak > LIMIT_MB)


if __name__ == "__main__":
    raise SystemExit(main())
