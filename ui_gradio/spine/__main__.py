"""Serve the vertebra finder alone: ``python -m ui_gradio.spine``."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.responses import RedirectResponse

import engine
from api.entrance import add_door, desk_of
from engine.home import own_temp_folder
from engine.settings import Settings
from ui_gradio.spine import build_app, mount, open_service
from ui_gradio.spine.routes import build_router

__all__ = ["create_app", "main"]


def create_app(settings: Settings) -> FastAPI:
    """Return the page at ``/spine``, the plain routes, and a way from ``/`` to the page."""
    os.environ["GRADIO_TEMP_DIR"] = str(own_temp_folder(settings))
    service = open_service(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with service.open():
            yield

    app: FastAPI = FastAPIOffline(
        title="Lightbox vertebrae", version=engine.__version__, lifespan=lifespan
    )
    app.include_router(build_router(service))

    @app.get("/", include_in_schema=False)
    async def home() -> RedirectResponse:
        return RedirectResponse("spine/")

    app = mount(app, build_app(service), settings)
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
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main()
