"""Serve the eye check alone: ``python -m ui_gradio.eyes``."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.responses import RedirectResponse

import engine
from api.entrance import add_door, desk_of
from engine.eyes.screening import EyeScreener
from engine.settings import Settings
from ui_gradio.admission import Admission
from ui_gradio.eyes import build_app, mount
from ui_gradio.eyes.routes import build_router

__all__ = ["create_app", "main"]


def create_app(settings: Settings) -> FastAPI:
    """Return the page at ``/eyes``, the plain routes, and a way from ``/`` to the page."""
    screener = EyeScreener(settings)
    admission = Admission(capacity=settings.queue_size, work_places=2)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with screener.warming():
            yield

    app: FastAPI = FastAPIOffline(
        title="Lightbox eye check", version=engine.__version__, lifespan=lifespan
    )
    app.include_router(build_router(screener, settings, admission=admission))

    @app.get("/", include_in_schema=False)
    async def home() -> RedirectResponse:
        return RedirectResponse("eyes/")

    app = mount(app, build_app(screener, settings, admission=admission), settings)
    if settings.auth:
        add_door(app, desk_of(settings))
    return app


def main() -> None:
    """Serve until interrupted."""
    settings = Settings.from_env()
    logging.basicConfig(level=settings.log_level)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        root_path=settings.root_path,
        proxy_headers=False,
    )


if __name__ == "__main__":
    main()
