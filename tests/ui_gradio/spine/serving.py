"""Starts the vertebra finder as a real server in a thread of the test process."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from engine.settings import Settings
from tests.ui_gradio.serving import served
from tests.ui_gradio.spine.stand_ins import StandInModels, StandInRunner
from ui_gradio.spine import build_app, mount
from ui_gradio.spine.routes import build_router
from ui_gradio.spine.service import SpineService


@dataclass(frozen=True, kw_only=True)
class SpineServer:
    """Where the server is, and what it is made of."""

    url: str
    service: SpineService
    runner: Any
    models: StandInModels
    folder: Path
    app: FastAPI
    http: httpx.Client

    @property
    def page(self) -> str:
        """Address of the page, with the slash."""
        return f"{self.url}/spine/"

    def call(self, endpoint: str, *data: object) -> list[tuple[str, Any]]:
        """Call a Gradio endpoint as curl would; returns its events and their data."""
        url = f"{self.page}gradio_api/call/{endpoint}"
        joined = self.http.post(url, json={"data": list(data)})
        joined.raise_for_status()
        text = self.http.get(f"{url}/{joined.json()['event_id']}").text
        events = []
        for block in text.strip().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.splitlines())
            events.append((lines["event"], json.loads(lines["data"])))
        return events


@contextmanager
def serving_spine(
    runner: Any = None, *, models: Any = None, **changes: object
) -> Iterator[SpineServer]:
    """Serve the page and the plain routes until the block ends."""
    with tempfile.TemporaryDirectory(prefix="lightbox-test-") as fresh:
        base = Path(fresh)
        runner = runner or StandInRunner(base / "runs")
        models = models or StandInModels()
        service = SpineService(
            runner=runner,
            models=models,
            settings=Settings(**changes),
            folder=lambda: _made(base / "uploads"),
        )
        # Outside of a running loop, Gradio opens loops for its locks and never closes them.
        with ThreadPoolExecutor(1) as builder:
            app = builder.submit(asyncio.run, _build(service)).result()
        root_path = service.settings.root_path
        with (
            service.open(),
            served(app, root_path) as url,
            httpx.Client(timeout=90) as http,
        ):
            yield SpineServer(
                url=url,
                service=service,
                runner=runner,
                models=models,
                folder=base,
                app=app,
                http=http,
            )


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


async def _build(service: SpineService) -> FastAPI:
    app = FastAPI()
    app.include_router(build_router(service))
    return mount(app, build_app(service), service.settings)
