"""The door in front of Gradio: what passes, what does not, and who is told to come back."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.ui_gradio.serving import EyeServer, png, serving, uri
from tests.ui_gradio.stand_ins import StandInScreener


@pytest.mark.parametrize(
    "path",
    [
        "gradio_api/file=/etc/passwd",
        "gradio_api/file/etc/passwd",
        "gradio_api/proxy=http://127.0.0.1/",
        "gradio_api/deep_link?session_hash=a",
        "gradio_api/runs",
        "gradio_api/upload_progress?upload_id=a",
        "monitoring",
        "monitoring/summary",
        "nothing",
        "web/page.html",
        "web/..%2f__init__.py",
        "examples/nothing.jpg",
    ],
)
def test_other_addresses_lead_nowhere(eyes: EyeServer, path: str) -> None:
    """Files by path, the proxy, saved sessions and statistics are not offered."""
    answer = httpx.get(eyes.page + path, timeout=30)
    assert answer.status_code == 404
    assert "detail" in answer.json() or answer.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    "path",
    [
        "gradio_api/run/upload",
        "gradio_api/api/upload",
        "gradio_api/component_server",
        "gradio_api/process_recording",
        "gradio_api/stream/a",
    ],
)
def test_side_doors_are_closed(eyes: EyeServer, path: str) -> None:
    """What would go past the queue or the checks is not offered."""
    answer = httpx.post(eyes.page + path, json={"data": [uri()]}, timeout=30)
    assert answer.status_code == 404


def test_an_upload_is_not_readable_by_others(eyes: EyeServer) -> None:
    """The name works once, for a call, and never as an address."""
    name = httpx.post(f"{eyes.page}gradio_api/upload", files={"files": png()}, timeout=30).json()[0]
    assert httpx.get(f"{eyes.page}gradio_api/file={name}", timeout=30).status_code == 404
    file = {"path": name, "meta": {"_type": "gradio.FileData"}}
    assert eyes.call("upload", file)[0] == "complete"
    kind, error = eyes.call("upload", file)
    assert kind == "error"
    assert "works once" in error["error"]


def test_a_full_queue_answers_429_at_once_and_recovers() -> None:
    """With two places taken by slow work, everybody else is told when to come back."""
    free = threading.Event()
    screener = StandInScreener(before=lambda: free.wait(20))
    with serving(screener, queue_size=2) as eyes, ThreadPoolExecutor(2) as pool:
        body = {"image": uri("green")}
        waiting = [
            pool.submit(httpx.post, f"{eyes.url}/upload", json=body, timeout=60),
            pool.submit(eyes.call, "upload", uri("green")),
        ]
        deadline = time.monotonic() + 10
        while eyes.admission.inside < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        began = time.monotonic()
        refused = [
            httpx.post(f"{eyes.url}/upload", json=body, timeout=30),
            httpx.post(f"{eyes.url}/upload", files={"file": png()}, timeout=30),
            httpx.post(f"{eyes.page}gradio_api/call/upload", json={"data": [uri()]}, timeout=30),
            httpx.post(f"{eyes.page}gradio_api/call/v2/upload", json=body, timeout=30),
            httpx.post(
                f"{eyes.page}gradio_api/queue/join",
                json={"data": [uri()], "fn_index": 1, "session_hash": "x"},
                timeout=30,
            ),
            httpx.post(f"{eyes.page}gradio_api/upload", files={"files": png()}, timeout=30),
        ]
        assert time.monotonic() - began < 15  # the work takes 20
        assert [answer.status_code for answer in refused] == [429] * 6
        for answer in refused:
            assert int(answer.headers["retry-after"]) > 0
            assert answer.json()["error"]["code"] == "busy"
        assert httpx.get(f"{eyes.url}/health", timeout=30).status_code == 200
        free.set()
        assert waiting[0].result(30).json()["left_eye"]["best_prediction"] == "Healthy"
        assert waiting[1].result(30)[0] == "complete"
        assert eyes.call("upload", uri("red"))[0] == "complete"


def test_nothing_of_a_visitor_stays_in_the_sessions(eyes: EyeServer) -> None:
    """After an answer, Gradio's own bookkeeping holds neither picture nor result."""
    eyes.call("upload", uri("green"))
    gradio_app = next(one.app for one in eyes.app.routes if getattr(one, "path", "") == "/eyes")
    holder = gradio_app.state_holder
    assert len(holder.session_data) <= holder.capacity == 256
    kept = [session.config_values for session in holder.session_data.values()]
    assert kept
    assert "data:image" not in str(kept)


def test_the_page_names_no_other_machine(eyes: EyeServer) -> None:
    """Title, manifest and icons are ours; no address elsewhere is fetched by the browser."""
    answer = httpx.get(eyes.page, timeout=30)
    assert "<title>Eye check · Lightbox</title>" in answer.text
    assert '<link rel="manifest" href="./manifest.json" />' in answer.text
    assert 'href="/manifest.json"' not in answer.text
    for word in ("raw.githubusercontent", "fonts.googleapis", "og:image", "gradio.app/"):
        assert word not in answer.text.split("window.gradio_config")[0]
    assert "connect-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_can_be_kept_as_an_application(eyes: EyeServer) -> None:
    """The manifest starts the page itself and its icons are there in the sizes it says."""
    manifest = httpx.get(f"{eyes.page}manifest.json", timeout=30)
    assert manifest.headers["content-type"] == "application/manifest+json"
    assert manifest.json()["start_url"] == "./"
    for icon in manifest.json()["icons"]:
        answer = httpx.get(eyes.page + icon["src"], timeout=30)
        assert answer.headers["content-type"] == icon["type"]


def test_answers_with_pictures_are_not_cached(eyes: EyeServer) -> None:
    """No proxy or browser keeps somebody's result."""
    answer = httpx.post(f"{eyes.url}/upload", json={"image": uri()}, timeout=30)
    assert answer.headers["cache-control"] == "no-store"


def test_other_web_pages_may_call_only_when_named() -> None:
    """CORS headers appear for the origins of the settings and for nobody else."""
    with serving(allowed_origins=("https://clinic.example",)) as eyes:
        for origin, allowed in (("https://clinic.example", True), ("https://other.example", False)):
            answer = httpx.post(
                f"{eyes.url}/upload", json={"image": uri()}, headers={"Origin": origin}, timeout=30
            )
            assert (answer.headers.get("access-control-allow-origin") == origin) == allowed
            inner = httpx.post(
                f"{eyes.page}gradio_api/call/health",
                json={"data": []},
                headers={"Origin": origin},
                timeout=30,
            )
            assert (inner.headers.get("access-control-allow-origin") == origin) == allowed
