"""Asking over HTTP: patience with what may pass, clear words for what will not."""

from __future__ import annotations

import gzip
import json
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

from engine.errors import RemoteError, SettingsError
from engine.jobs.external.client import ModelClient
from engine.settings import Settings
from tests.engine.jobs.external.model_server import (
    CELL,
    cut_off,
    drip,
    hang_up,
    model_server,
    reply,
    stall,
)

KEY = "hf_nobody_may_see_this"


def client(url: str, waits: list[float], timeout_s: int = 1) -> ModelClient:
    """A client whose pauses between attempts are written down, not slept."""

    def sleep(seconds: float) -> None:
        if seconds > 0.06:
            waits.append(seconds)
        else:
            time.sleep(seconds)

    settings = Settings(model_api_url=url, model_api_key=KEY, model_api_timeout_s=timeout_s)
    return ModelClient(settings, sleep=sleep)


def test_a_picture_goes_out_and_an_answer_comes_back() -> None:
    """PNG bytes, the key in a header, nothing else that tells of us or the picture."""
    with model_server(reply(200, [CELL])) as server:
        assert json.loads(client(server.url, []).ask(b"PNG")) == [CELL]
        (asked,) = server.asked
    assert (asked.body, asked.path) == (b"PNG", "/models/cells")
    assert asked.headers["Authorization"] == f"Bearer {KEY}"
    assert asked.headers["Content-Type"] == "image/png"


@pytest.mark.parametrize("failure", [reply(503), reply(429), reply(500), hang_up, cut_off])
def test_what_may_pass_is_tried_again(failure: Callable[[Any], None]) -> None:
    """Two failures, then an answer: two pauses, the answer is returned."""
    waits: list[float] = []
    with model_server(failure, failure, reply(200, [])) as server:
        assert client(server.url, waits).ask(b"PNG") == b"[]"
        assert len(server.asked) == 3
    assert len(waits) <= 2
    assert all(wait <= 2.0 for wait in waits)


def test_a_failing_server_is_left_after_five_attempts() -> None:
    """No pause is longer than eight seconds, and the sentence tells the last failure."""
    waits: list[float] = []
    with model_server(reply(503)) as server:
        asking = client(server.url, waits)
        with pytest.raises(RemoteError, match=r"at 127\.0\.0\.1 was asked 5 times .* status 503"):
            asking.ask(b"PNG")
        assert len(server.asked) == 5
    assert len(waits) <= 4
    assert max(waits) <= 8.0


def test_a_server_that_asks_for_time_gets_it() -> None:
    """``Retry-After`` is the least pause."""
    waits: list[float] = []
    with model_server(reply(429, None, Retry_After="7"), reply(200, [])) as server:
        client(server.url, waits).ask(b"PNG")
    assert 7.0 <= waits[0] <= 8.0


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "could not use the picture"),
        (401, "does not accept the key; correct LIGHTBOX_MODEL_API_KEY"),
        (403, "does not accept the key"),
        (404, "no model at that address; correct LIGHTBOX_MODEL_API_URL"),
        (413, "too large for it"),
        (418, "status 418"),
    ],
)
def test_what_will_not_pass_is_told_at_once(status: int, words: str) -> None:
    """A wrong key does not become right: one attempt, and what to correct."""
    with model_server(reply(status, {"error": f"Invalid key {KEY}"})) as server:
        asking = client(server.url, [])
        with pytest.raises(RemoteError, match=words) as caught:
            asking.ask(b"PNG")
        assert len(server.asked) == 1
    assert KEY not in str(caught.value)


def test_no_redirect_is_followed() -> None:
    """The key would go along to wherever it leads."""
    with (
        model_server(reply(200, [])) as other,
        model_server(reply(307, None, Location=other.url)) as server,
    ):
        asking = client(server.url, [])
        with pytest.raises(RemoteError, match="sends us to another address"):
            asking.ask(b"PNG")
        assert other.asked == []


@pytest.mark.parametrize(
    "slow",
    [
        stall(30),
        drip(b"H", 0.2, 150),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", 0.2, 150),
    ],
)
def test_a_server_that_stalls_is_left(
    slow: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence, a head that never ends, a body that never ends: all within the set second."""
    monkeypatch.setattr("engine.jobs.external.client.ATTEMPTS", 2)
    waits: list[float] = []
    with model_server(slow) as server:
        asking = client(server.url, waits)
        begin = time.monotonic()
        with pytest.raises(RemoteError, match=r"asked 2 times .* did not answer within 1 s"):
            asking.ask(b"PNG")
        assert time.monotonic() - begin < 10


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(200, b"x" * 16_000_001), "longer than 16 MB"),
        (reply(200, gzip.compress(b"[]"), Content_Encoding="gzip"), "is packed"),
    ],
)
def test_an_answer_has_its_limits(answer: Callable[[Any], None], words: str) -> None:
    """Too long, or packed so that it might become so."""
    with model_server(answer) as server:
        asking = client(server.url, [], timeout_s=20)
        with pytest.raises(RemoteError, match=words):
            asking.ask(b"PNG")


def test_nobody_there_is_told() -> None:
    """A port without a server: tried again, then the sentence."""
    asking = client("http://127.0.0.1:9/", [])
    with pytest.raises(RemoteError, match=r"asked 5 times .* connection failed \(ConnectError\)"):
        asking.ask(b"PNG")


def test_neither_key_nor_address_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG too: an address may have a key in it."""
    caplog.set_level(logging.DEBUG)
    with model_server(reply(503), reply(200, [])) as server:
        client(f"{server.url}?token=alsosecret", []).ask(b"PNG")
    told = "\n".join(record.getMessage() for record in caplog.records)
    assert "status 503; attempt 2 of 5" in told
    assert KEY not in told
    assert "alsosecret" not in told


def test_who_cancels_does_not_wait_for_the_server() -> None:
    """What the sleep raises comes out while the server still stalls."""

    def stop(_seconds: float) -> None:
        raise KeyboardInterrupt

    with model_server(stall(3)) as server:
        settings = Settings(model_api_url=server.url, model_api_timeout_s=60)
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            ModelClient(settings, sleep=stop).ask(b"PNG")
        assert time.monotonic() - begin < 2


def test_an_address_is_needed() -> None:
    """Without LIGHTBOX_MODEL_API_URL there is nobody to ask."""
    with pytest.raises(SettingsError, match="LIGHTBOX_MODEL_API_URL is not set"):
        ModelClient(Settings())


def test_older_names_of_the_settings_work() -> None:
    """MODEL_API_URL and HF_API_KEY, and the key is in no ``repr``."""
    settings = Settings.from_env({"MODEL_API_URL": "http://m.example/x", "HF_API_KEY": KEY})
    assert (settings.model_api_url, settings.model_api_key) == ("http://m.example/x", KEY)
    assert KEY not in repr(settings)
