"""One FastAPI application on one port: landing page, eye check, vertebrae, studio, plain routes.

``lightbox serve`` runs it; so does ``python app.py`` (the entry of a Hugging Face Space).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import FileResponse, HTMLResponse

import engine
from engine.home import own_temp_folder
from engine.settings import Settings
from engine.shipped import shipped

__all__ = ["create_app"]

_ACCOUNT_LINKS = '<a href="password">Your password</a>\n    <a href="logout">Sign out</a>'


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the whole application; models load in the background once it runs."""
    # Imported here because the front ends take seconds: `import app` stays free.
    from fastapi_offline import FastAPIOffline

    from api.entrance import add_door, add_routes, desk_of
    from api.opening import at_work
    from engine.eyes.screening import EyeScreener
    from ui_gradio import eyes, spine
    from ui_gradio.admission import Admission
    from ui_gradio.eyes.routes import build_router as eye_routes
    from ui_gradio.spine.routes import build_router as spine_routes
    from ui_streamlit.studio.serving import open_studio

    settings = settings or Settings.from_env()
    # Uploads stay in memory; should a library write one all the same, it is gone at the next start.
    os.environ["GRADIO_TEMP_DIR"] = str(own_temp_folder(settings))
    screener = EyeScreener(settings)
    screener.check()
    admission = Admission(capacity=settings.queue_size, work_places=2)
    vertebrae = spine.open_service(settings)
    studio = open_studio(path=f"{settings.root_path}/studio")
    desk = desk_of(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with screener.warming(), vertebrae.open():
            async with at_work(desk), studio.lifespan()(app):
                yield

    app = FastAPIOffline(
        title="Lightbox",
        version=engine.__version__,
        description="Medical-imaging demos that run for real. Not a medical device.",
        lifespan=lifespan,
    )
    app.include_router(eye_routes(screener, settings, admission=admission))
    app.include_router(spine_routes(vertebrae))
    add_routes(app, desk)
    _add_landing(app, settings)
    page = eyes.build_app(screener, settings, admission=admission, path="/eyes")
    app = eyes.mount(app, page, settings, path="/eyes")
    app = spine.mount(app, spine.build_app(vertebrae), settings)
    app.mount("/studio", studio)
    add_door(app, desk)
    return app


def _add_landing(app: FastAPI, settings: Settings) -> None:
    page = shipped("pages", "landing.html").read_text(encoding="utf-8")
    if settings.auth:
        page = page.replace("<footer>", f"<footer>\n    {_ACCOUNT_LINKS}", 1)

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def landing() -> str:
        return page

    @app.get("/favicon.ico", include_in_schema=False)
    async def favicon() -> FileResponse:
        return FileResponse(shipped("pages", "icon.svg"), media_type="image/svg+xml")


if __name__ == "__main__":
    import uvicorn

    _settings = Settings.from_env()
    uvicorn.run(
        create_app(_settings),
        host=_settings.host,
        port=_settings.port,
        root_path=_settings.root_path,
        proxy_headers=False,  # the door believes them as far as the settings say
        timeout_graceful_shutdown=5,
    )
