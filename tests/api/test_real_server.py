"""The whole application as a real process with sign-in: one session for eyes, spine and studio."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from engine.people.sessions import COOKIE
from tests.conftest import Server, start_server, stop_server

EMAIL, PASSWORD = "ada@clinic.example", "seven green apples"
BROWSER = {"Accept": "text/html"}
APPS = ["/", "/eyes/", "/spine/", "/studio/", "/docs", "/studio/jobs"]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that asks for sign-in, with one administrator from the settings."""
    running = start_server(
        tmp_path_factory.mktemp("guarded") / "home",
        LIGHTBOX_AUTH="on",
        ADMIN_EMAIL=EMAIL,
        ADMIN_PASSWORD=PASSWORD,
        LIGHTBOX_WORKER="off",
    )
    yield running
    stop_server(running)
    log = running.log.read_text()
    # Nothing that identifies or opens anything may stand in the log, whatever the tests did.
    assert [word for word in (EMAIL, PASSWORD, "Traceback") if word in log] == []


@pytest.fixture(scope="module")
def ada(guarded: Server) -> Iterator[httpx.Client]:
    """The administrator's browser."""
    with httpx.Client(base_url=guarded.url, timeout=30) as browser:
        sent = {"email": EMAIL, "password": PASSWORD}
        assert browser.post("/login", data=sent).status_code == 303
        yield browser


@pytest.fixture(scope="module")
def token(guarded: Server) -> dict[str, str]:
    """The header of the administrator's program."""
    sent = {"email": EMAIL, "password": PASSWORD}
    told = httpx.post(f"{guarded.url}/api/v1/login", json=sent, timeout=30).json()
    return {"Authorization": f"Bearer {told['access_token']}"}


@pytest.mark.parametrize("path", APPS)
def test_one_session_opens_every_app(guarded: Server, ada: httpx.Client, path: str) -> None:
    """With the cookie each page is there; without it each leads to the one sign-in page."""
    assert ada.get(path).status_code == 200
    answer = httpx.get(guarded.url + path, headers=BROWSER, timeout=30)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")


@pytest.mark.parametrize(
    "path",
    [
        *("/eyes/config", "/eyes/gradio_api/info", "/spine/gradio_api/info", "/spine/examples"),
        *("/eyes/web/base.css", "/studio/_stcore/host-config", "/openapi.json", "/metrics"),
        *("/eyes/gradio_api/queue/data?session_hash=x", "/api/models/status"),
    ],
)
def test_what_programs_read_asks_for_a_token(
    guarded: Server, token: dict[str, str], path: str
) -> None:
    """401 without, an answer with."""
    assert httpx.get(guarded.url + path, timeout=30).status_code == 401
    if "queue" not in path:
        assert httpx.get(guarded.url + path, headers=token, timeout=30).status_code == 200


@pytest.mark.parametrize("path", ["/predict", "/upload", "/api/detect-vertebrae"])
def test_the_plain_routes_ask_for_a_token_too(
    guarded: Server, token: dict[str, str], path: str
) -> None:
    """The older services' routes: first who you are, then what is wrong with the body."""
    assert httpx.post(guarded.url + path, json={}, timeout=30).status_code == 401
    answer = httpx.post(guarded.url + path, json={}, headers=token, timeout=30)
    assert answer.status_code == 422


def test_health_is_for_everybody_and_says_little(guarded: Server, ada: httpx.Client) -> None:
    """What a container's health check asks works without a session."""
    for path in ("/health", "/api/health", "/api/v1/health"):
        assert set(httpx.get(guarded.url + path, timeout=30).json()) == {"status"}
        assert len(ada.get(path).json()) > 1
    assert httpx.get(f"{guarded.url}/studio/_stcore/health", timeout=30).text == "ok"


def test_the_studios_line_opens_with_the_cookie_alone(guarded: Server, ada: httpx.Client) -> None:
    """A websocket needs a session and a page of ours; otherwise the handshake is refused."""
    address = guarded.url.replace("http", "ws") + "/studio/_stcore/stream"
    cookie = {"Cookie": f"{COOKIE}={ada.cookies[COOKIE]}"}
    with connect(address, origin=guarded.url, additional_headers=cookie):
        pass
    refused = [
        {"origin": guarded.url},
        {"origin": "https://evil.example", "additional_headers": cookie},
        {"additional_headers": cookie},
        {"origin": guarded.url, "additional_headers": {"Cookie": f"{COOKIE}=x"}},
    ]
    for options in refused:
        with pytest.raises(InvalidStatus, match="403"):
            connect(address, **options).close()


@pytest.mark.parametrize("path", ["/eyes", "/spine", "/studio"])
def test_an_address_without_slash_leads_on_by_path(ada: httpx.Client, path: str) -> None:
    """The redirect names no host, so that it holds behind any proxy."""
    answer = ada.get(path)
    if answer.is_redirect:
        assert answer.headers["location"] == f"{path}/"


def test_an_agents_tools_need_the_agents_token(guarded: Server, token: dict[str, str]) -> None:
    """Gradio's tools for agents call back by HTTP and find the door open for their owner."""
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    asked["params"] = {"name": "health", "arguments": {}}
    address = f"{guarded.url}/eyes/gradio_api/mcp/"
    kinds = {"Accept": "application/json, text/event-stream"}
    assert httpx.post(address, json=asked, headers=kinds, timeout=60).status_code == 401
    answer = httpx.post(address, json=asked, headers={**kinds, **token}, timeout=60)
    told = json.loads(answer.text.partition("data: ")[2])["result"]
    assert not told.get("isError")
    assert "status" in told["content"][0]["text"]


def test_figures_move_on_a_real_server(ada: httpx.Client) -> None:
    """Monitoring runs beside the pages from the start."""
    told = ada.get("/monitoring/resources").json()
    assert told["process"]["server_mb"] > 50
    assert "lightbox_" in ada.get("/metrics").text


def test_signing_out_ends_every_app(guarded: Server) -> None:
    """One sign-out, and a kept copy of the cookie opens nothing."""
    with httpx.Client(base_url=guarded.url, timeout=30) as browser:
        browser.post("/login", data={"email": EMAIL, "password": PASSWORD})
        kept = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
        assert httpx.get(f"{guarded.url}/eyes/config", headers=kept, timeout=30).is_success
        assert browser.post("/logout").status_code == 303
    for path in ("/eyes/config", "/spine/examples", "/api/v1/jobs"):
        assert httpx.get(guarded.url + path, headers=kept, timeout=30).status_code == 401


def test_no_failure_shows_a_trace(ada: httpx.Client) -> None:
    """Strange requests get short answers."""
    strange = [
        ada.get("/files/%00"),
        ada.get("/api/v1/jobs/%ff"),
        ada.get("/studio/%2e%2e/%2e%2e/etc/passwd"),
        ada.get("/eyes/gradio_api/file=/etc/passwd"),
        ada.request("BREW", "/"),
        ada.post("/api/v1/jobs", content=b"\xff\xfe"),
        ada.get("/login", headers={"Cookie": "lightbox_session=" + "a" * 4000}),
    ]
    for answer in strange:
        assert answer.status_code < 500
        assert "Traceback" not in answer.text
        assert "root:" not in answer.text
