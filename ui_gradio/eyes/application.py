"""The Gradio application of the eye check, and how it is mounted on a server."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import Any, cast

import gradio as gr
from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response

from engine.errors import PictureError
from engine.settings import Settings
from ui_gradio.admission import Admission
from ui_gradio.eyes import page
from ui_gradio.eyes.endpoints import add_endpoints
from ui_gradio.eyes.examples import example_file
from ui_gradio.eyes.requests import check
from ui_gradio.eyes.service import EyeService, Screener
from ui_gradio.forgetful import forget_values, keep_no_statistics
from ui_gradio.frame import NOTHING_HERE, web_router
from ui_gradio.gate import Gate, GateRules
from ui_gradio.limits import body_limit
from ui_gradio.theme import page_theme

__all__ = ["build_app", "mount"]


class _EyeBlocks(gr.Blocks):
    """A Gradio page that knows the service behind it, for :func:`mount`."""

    service: EyeService


def build_app(
    screener: Screener,
    settings: Settings,
    *,
    admission: Admission | None = None,
    path: str = "/eyes",
) -> gr.Blocks:
    """Return the page with its endpoints; :func:`mount` puts it on a server.

    Parameters
    ----------
    screener
        The engine's eye check.
    settings
        Limits and places.
    admission
        Share it with :func:`ui_gradio.eyes.routes.build_router` so that both doors count together.
    path
        Where it will be mounted; links to the plain routes depend on it.
    """
    service = EyeService(screener, settings, admission)
    blocks = _EyeBlocks(
        title=page.FRAME.title,
        analytics_enabled=False,
        delete_cache=(600, 600),  # nothing of ours is there; this guards against Gradio's habits
        fill_width=True,
    )
    with blocks:
        gr.HTML(
            html_template=page.page_html(settings, path=path),
            js_on_load=page.START,
            apply_default_css=False,
        )
        add_endpoints(service)
    blocks.service = service
    blocks.queue(
        max_size=settings.queue_size,
        default_concurrency_limit=service.admission.work_places,
        api_open=False,
    )
    keep_no_statistics(blocks)
    queue = blocks._queue  # noqa: SLF001 – Gradio has no other way to count what waits
    service.admission.count_also(lambda: len(queue) + queue.get_active_worker_count())
    return blocks


def mount(app: FastAPI, blocks: gr.Blocks, settings: Settings, path: str = "/eyes") -> FastAPI:
    """Mount ``blocks`` of :func:`build_app` at ``path``, behind its gate, and return ``app``."""
    service = cast("_EyeBlocks", blocks).service
    app.include_router(_files_router(), prefix=path)
    with warnings.catch_warnings():
        # Gradio's agent server imports a name that its own dependency has renamed.
        warnings.simplefilter("ignore", DeprecationWarning)
        app = gr.mount_gradio_app(
            app,
            blocks,
            path=path,
            footer_links=["api"],
            run_history=False,
            allowed_paths=[],
            show_error=True,
            max_file_size=settings.max_upload_mb * 1_000_000,
            ssr_mode=False,
            enable_monitoring=False,
            pwa=True,
            mcp_server=settings.agents and find_spec("mcp") is not None,
            theme=page_theme(),
        )
    forget_values(app, blocks)
    rules = GateRules(
        path=path,
        root_path=settings.root_path,
        blocks=blocks,
        admission=service.admission,
        vault=service.vault,
        body_limit=body_limit(settings),
        upload_limit=settings.max_upload_mb * 1_000_000 + 10_000,
        check=lambda endpoint, arguments: check(endpoint, arguments, settings),
        polish=page.FRAME.polish,
    )
    app.add_middleware(cast("Any", Gate), rules=rules)
    _allow_origins(app, settings)
    return app


def _files_router() -> APIRouter:
    """Return the routes of our own files, which go before Gradio's."""
    router = web_router(page.FRAME, page.WEB)

    @router.get("/examples/{name}")
    def example(name: str) -> Response:
        try:
            data = example_file(name)
        except PictureError:
            return JSONResponse(NOTHING_HERE, status_code=404)
        headers = {"Cache-Control": "public, max-age=86400"}
        return Response(data, media_type="image/jpeg", headers=headers)

    return router


def _allow_origins(app: FastAPI, settings: Settings) -> None:
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.allowed_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Content-Type"],
            expose_headers=["Retry-After"],
        )
