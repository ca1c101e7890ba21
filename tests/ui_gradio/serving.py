"""Starts the eye check as a real server in a thread of the test process."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import numpy as np
import uvicorn
from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.imaging import pictures
from engine.settings import Settings
from tests.ui_gradio.stand_ins import StandInScreener
from ui_gradio.admission import Admission
from ui_gradio.eyes import build_app, mount
from ui_gradio.eyes.routes import build_router

COLOURS = {
    "red": (230, 30, 30),
    "green": (30, 230, 30),
    "blue": (30, 30, 230),
    "white": (250, 250, 250),
    "black": (0, 0, 0),
}


@dataclass(frozen=True, kw_only=True)
class EyeServer:
    """Where the server is, and what it is made of."""

    url: str
    screener: StandInScreener
    admission: Admission
    app: FastAPI

    @property
    def page(self) -> str:
        """Address of the page, with the slash."""
        return f"{self.url}/eyes/"

    def call(self, endpoint: str, *data: object) -> tuple[str, object]:
        """Call a Gradio endpoint as curl would; returns the event's name and its data."""
        with httpx.Client(base_url=self.page, timeout=30) as client:
            joined = client.post(f"gradio_api/call/{endpoint}", json={"data": list(data)})
            joined.raise_for_status()
            text = client.get(f"gradio_api/call/{endpoint}/{joined.json()['event_id']}").text
        for block in reversed(text.strip().split("\n\n")):
            lines = dict(line.split(": ", 1) for line in block.splitlines())
            if lines["event"] in ("complete", "error"):
                return lines["event"], json.loads(lines["data"])
        raise AssertionError(text)


def picture(colour: str = "red", *, width: int = 160, height: int = 120) -> np.ndarray:
    """Return a picture of one colour; the stand-in answers by it."""
    return np.full((height, width, 3), COLOURS[colour], np.uint8)


def png(colour: str = "red", *, width: int = 160, height: int = 120) -> bytes:
    """Return the file of :func:`picture`."""
    return pictures.encode_png(picture(colour, width=width, height=height))


def uri(colour: str = "red", *, width: int = 160, height: int = 120) -> str:
    """Return :func:`png` as a data URI."""
    data = png(colour, width=width, height=height)
    return "data:image/png;base64," + base64.b64encode(data).decode()


@contextmanager
def serving(screener: StandInScreener | None = None, **changes: object) -> Iterator[EyeServer]:
    """Serve the page and the plain routes until the block ends."""
    settings = Settings(**changes)
    screener = screener or StandInScreener()
    admission = Admission(capacity=settings.queue_size, work_places=2)
    # Outside of a running loop, Gradio opens loops for its locks and never closes them. In a
    # thread, because Playwright runs one in ours.
    with ThreadPoolExecutor(1) as builder:
        app = builder.submit(asyncio.run, _build(screener, settings, admission)).result()
    with served(app, settings.root_path) as url:
        yield EyeServer(url=url, screener=screener, admission=admission, app=app)


@contextmanager
def served(app: FastAPI, root_path: str = "", port: int = 0) -> Iterator[str]:
    """Serve an application on a free port until the block ends; yields its address."""
    if not port:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    shown = _behind_proxy(app, root_path) if root_path else app
    server = uvicorn.Server(uvicorn.Config(shown, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}{root_path}"
    server.should_exit = True
    thread.join(15)


async def _build(screener: StandInScreener, settings: Settings, admission: Admission) -> FastAPI:
    app = FastAPI()
    app.include_router(build_router(screener, settings, admission=admission))
    return mount(app, build_app(screener, settings, admission=admission), settings)


def _behind_proxy(app: FastAPI, prefix: str) -> ASGIApp:
    """Answer below ``prefix`` only and hand on the rest of the path, as a reverse proxy does."""

    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
        elif scope["path"].startswith(f"{prefix}/"):
            path = scope["path"].removeprefix(prefix)
            await app({**scope, "path": path, "raw_path": path.encode()}, receive, send)
        else:
            await PlainTextResponse("not ours", status_code=404)(scope, receive, send)

    return proxy
