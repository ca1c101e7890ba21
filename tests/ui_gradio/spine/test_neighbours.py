"""Eye check and vertebra finder on one server: neither disturbs the other."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from engine.settings import Settings
from tests.ui_gradio.serving import png, served, uri
from tests.ui_gradio.spine.serving import SpineServer, serving_spine
from tests.ui_gradio.spine.stand_ins import StandInModels, StandInRunner
from tests.ui_gradio.stand_ins import StandInScreener
from ui_gradio import eyes, spine
from ui_gradio.admission import Admission
from ui_gradio.eyes.routes import build_router as eye_routes
from ui_gradio.spine.routes import build_router as spine_routes
from ui_gradio.spine.service import SpineService

CODE = Path(__file__).parents[3] / "ui_gradio" / "spine" / "web" / "code.js"


@contextmanager
def serving_both(tmp_path: Path, **changes: object) -> Iterator[tuple[str, httpx.Client]]:
    """Serve both pages as the suite does; yields the address and a client."""
    settings = Settings(**changes)
    (tmp_path / "uploads").mkdir()
    service = SpineService(
        runner=StandInRunner(tmp_path / "runs"),
        models=StandInModels(),
        settings=settings,
        folder=lambda: tmp_path / "uploads",
    )
    screener, admission = StandInScreener(), Admission(capacity=4, work_places=2)

    async def build() -> FastAPI:
        app = FastAPI()
        app.include_router(eye_routes(screener, settings, admission=admission))
        app.include_router(spine_routes(service))
        page = eyes.build_app(screener, settings, admission=admission)
        app = eyes.mount(app, page, settings)
        return spine.mount(app, spine.build_app(service), settings)

    with ThreadPoolExecutor(1) as builder:
        app = builder.submit(asyncio.run, build()).result()
    with service.open(), served(app, settings.root_path) as url, httpx.Client(timeout=60) as http:
        yield url, http


def called(http: httpx.Client, page: str, endpoint: str, *data: object) -> str:
    """Call a Gradio endpoint as curl would and return the text of its events."""
    joined = http.post(f"{page}gradio_api/call/{endpoint}", json={"data": list(data)})
    joined.raise_for_status()
    return http.get(f"{page}gradio_api/call/{endpoint}/{joined.json()['event_id']}").text


def test_both_pages_work_on_one_server(tmp_path: Path) -> None:
    """Each has its page, endpoints, uploads and health; uploads of one are unknown to the other."""
    with serving_both(tmp_path) as (url, http):
        for path, title in (("eyes", "Eye check"), ("spine", "Vertebrae")):
            assert f"<title>{title}" in http.get(f"{url}/{path}/").text
            names = http.get(f"{url}/{path}/gradio_api/info").json()["named_endpoints"]
            assert ("/upload" in names) == (path == "eyes")
            assert ("/detect_vertebrae" in names) == (path == "spine")
        files = {"files": png("green")}
        eye, ct = (
            http.post(f"{url}/{path}/gradio_api/upload", files=files).json()[0]
            for path in ("eyes", "spine")
        )
        file = {"path": eye, "meta": {"_type": "gradio.FileData"}}
        assert "upload the files again" in called(http, f"{url}/spine/", "detect_vertebrae", [file])
        assert "event: complete" in called(http, f"{url}/eyes/", "upload", file)
        file = {"path": ct, "meta": {"_type": "gradio.FileData"}}
        assert "upload the file again" in called(http, f"{url}/eyes/", "upload", file)
        assert "event: complete" in called(http, f"{url}/spine/", "detect_vertebrae", [file])
        assert http.get(f"{url}/health").json()["requests"]["capacity"] == 4
        assert http.get(f"{url}/api/health").json()["requests"]["capacity"] == 32
        assert http.post(f"{url}/upload", json={"image": uri("red")}).status_code == 200
        paths = set(http.get(f"{url}/openapi.json").json()["paths"])
        assert {"/predict", "/upload", "/health", "/api/detect-vertebrae"} <= paths


def test_a_full_eye_check_does_not_stop_the_vertebra_finder(tmp_path: Path) -> None:
    """The houses are counted apart."""
    with serving_both(tmp_path, queue_size=1) as (url, http):
        answer = http.post(f"{url}/api/detect-vertebrae", files={"f": b"ct"})
        assert answer.status_code == 200


def test_both_pages_may_be_called_by_named_origins(tmp_path: Path) -> None:
    """CORS headers come once, on answers and refusals, for DELETE as well."""
    origin = {"Origin": "https://clinic.example"}
    with serving_both(tmp_path, allowed_origins=("https://clinic.example",)) as (url, http):
        for method, path in (
            ("GET", "spine/examples"),
            ("GET", "spine/runs/guess"),
            ("POST", "spine/gradio_api/call/magic"),
            ("POST", "eyes/gradio_api/call/magic"),
            ("GET", "api/health"),
        ):
            answer = http.request(method, f"{url}/{path}", headers=origin, json={"data": []})
            assert answer.headers.get_list("access-control-allow-origin") == [origin["Origin"]]
        asked = {**origin, "Access-Control-Request-Method": "DELETE"}
        assert http.options(f"{url}/spine/runs/x", headers=asked).status_code == 200
        answer = http.get(f"{url}/spine/examples", headers={"Origin": "https://other.example"})
        assert "access-control-allow-origin" not in answer.headers


def test_behind_a_proxy_the_addresses_have_its_path() -> None:
    """Files of a result are named as the visitor must ask for them."""
    with serving_spine(root_path="/lightbox") as running:
        answer = running.http.post(f"{running.url}/api/detect-vertebrae", files={"f": b"ct"})
        url = answer.json()["files"]["result.json"]
        assert url.startswith("/lightbox/spine/runs/")
        host = running.url.removesuffix("/lightbox")
        assert running.http.get(host + url).status_code == 200
        assert running.http.get(running.page).status_code == 200
        events = running.call("health")
        assert events[-1][0] == "complete"


def test_the_page_and_its_answers_reach_nobody_else(spine: SpineServer) -> None:
    """Policy headers on the page and on our own routes; JSON is not cached."""
    for path in ("", "examples", "gradio_api/info"):
        answer = spine.http.get(f"{spine.page}{path}")
        assert "connect-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert spine.http.get(f"{spine.page}examples").headers["cache-control"] == "no-store"


@pytest.mark.skipif(importlib.util.find_spec("mcp") is None, reason="the extra 'agents' is missing")
def test_agents_find_the_tools(spine: SpineServer) -> None:
    """Names, required parameters and a description for each; a call goes through."""

    def ask(method: str, **parameters: object) -> dict:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        kinds = {"Accept": "application/json, text/event-stream"}
        answer = spine.http.post(f"{spine.page}gradio_api/mcp/", json=body, headers=kinds)
        answer.raise_for_status()
        return json.loads(answer.text.partition("data: ")[2])["result"]

    tools = {tool["name"]: tool for tool in ask("tools/list")["tools"]}
    assert set(tools) == {"detect_vertebrae", "models_status", "download_model", "health"}
    assert tools["detect_vertebrae"]["inputSchema"]["required"] == ["files"]
    upload = spine.http.post(f"{spine.page}gradio_api/upload", files={"files": b"ct"}).json()[0]
    good = ask("tools/call", name="detect_vertebrae", arguments={"files": [upload]})
    assert "L5" in good["content"][0]["text"]
    bad = ask("tools/call", name="detect_vertebrae", arguments={"files": ["/etc/passwd"]})
    assert bad["isError"]
    assert "Paths and addresses are not read" in bad["content"][0]["text"]


def snippets(spine: SpineServer) -> list[str]:
    """Return the lines of code that the page shows for this server."""
    source = CODE.read_text(encoding="utf-8")
    detect = f"{spine.url}/api/detect-vertebrae"
    texts = re.findall(r"`([^`]+)`", source)
    shown = [text.replace("${detect}", detect).replace("${page}", spine.page) for text in texts]
    return [text for text in shown if "import " in text or text.startswith("curl ")]


@pytest.mark.parametrize("kind", ["curl ", "import requests", "from gradio_client"])
def test_what_the_page_offers_to_paste_works(spine: SpineServer, tmp_path: Path, kind: str) -> None:
    """Each snippet, pasted as it is beside a file ct.nii.gz, prints vertebrae."""
    (tmp_path / "ct.nii.gz").write_bytes(b"ct")
    (text,) = [text for text in snippets(spine) if text.startswith(kind)]
    if kind == "curl ":
        if shutil.which("curl") is None:
            pytest.skip("curl is not installed")
        command = ["sh", "-c", text]
    else:
        if kind == "import requests":
            pytest.importorskip("requests")
        command = [sys.executable, "-c", text]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "L5" in done.stdout
