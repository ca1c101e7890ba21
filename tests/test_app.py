"""Everything on one port: the pages, the health answer, the start, the stop, the crash."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import httpx
import pytest

from tests.conftest import Server, start_server, stop_server


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/eyes/", "text/html"),
        ("/spine/", "text/html"),
        ("/studio/", "text/html"),
        ("/docs", "text/html"),
        ("/favicon.ico", "image/svg+xml"),
        ("/openapi.json", "application/json"),
        ("/health", "application/json"),
        ("/api/health", "application/json"),
        ("/api/models/status", "application/json"),
        ("/eyes/gradio_api/info", "application/json"),
        ("/spine/gradio_api/info", "application/json"),
        ("/spine/examples", "application/json"),
        ("/studio/_stcore/health", "text/plain"),
    ],
)
def test_every_page_answers_on_the_one_port(server: Server, path: str, kind: str) -> None:
    """Landing page, both front ends, documentation and health live on one port."""
    answer = httpx.get(server.url + path, timeout=30)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind)


@pytest.mark.parametrize("path", ["/eyes", "/spine", "/studio"])
def test_an_address_without_slash_leads_on(server: Server, path: str) -> None:
    """Someone who types /eyes arrives at the page."""
    answer = httpx.get(server.url + path, timeout=30, follow_redirects=True)
    assert answer.status_code == 200


def test_the_landing_page_links_to_pages_that_exist(server: Server) -> None:
    """Every link and picture of the landing page answers 200."""
    page = httpx.get(server.url, timeout=30).text
    links = set(re.findall(r'(?:href|src)="([^"#]+)"', page))
    assert {"eyes/", "studio/", "docs", "health"} <= links
    for link in links:
        assert httpx.get(f"{server.url}/{link}", timeout=30).status_code == 200, link


@pytest.mark.parametrize("path", ["/", "/docs", "/eyes/", "/spine/", "/studio/"])
def test_no_page_names_a_foreign_host_for_its_parts(server: Server, path: str) -> None:
    """Scripts, styles, fonts and pictures come from this server alone: no CDN."""
    page = httpx.get(server.url + path, timeout=30).text
    sources = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)"', page)
    assert [source for source in sources if not source.startswith(server.url)] == []


def test_health_names_version_memory_and_models(server: Server) -> None:
    """The health answer tells an operator what runs and how much memory is free."""
    health = httpx.get(f"{server.url}/health", timeout=30).json()
    assert health["status"] in {"ok", "loading"}
    assert {"version", "memory", "models"} <= set(health)


def test_an_unknown_path_is_a_plain_404(server: Server) -> None:
    """A wrong address is the caller's fault and says so in JSON."""
    answer = httpx.get(f"{server.url}/api/nothing-here", timeout=30)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.slow
def test_a_killed_server_starts_again_clean(tmp_path: Path) -> None:
    """Killed in the middle of requests, the next start finds no leftovers and works."""
    home = tmp_path / "home"
    first = start_server(home)
    folder = next((home / "tmp").iterdir())
    (folder / "half-received.png").write_bytes(b"a face")
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    second = start_server(home)
    try:
        assert list((home / "tmp").rglob("*.png")) == []
        assert httpx.get(f"{second.url}/eyes/", timeout=30).status_code == 200
    finally:
        stop_server(second)


@pytest.mark.slow
def test_ctrl_c_stops_the_server_quietly(tmp_path: Path) -> None:
    """An interrupt ends the server within seconds, without a traceback in its log."""
    running = start_server(tmp_path / "home")
    stop_server(running)
    assert running.process.returncode in (0, -signal.SIGINT)
    assert "Traceback" not in running.log.read_text()
