"""The Gradio application of the eye check, and how it is mounted on a server."""

from __future__ import annotations

from typing import cast

import gradio as gr
from fastapi import APIRouter, FastAPI
from starlette.responses import JSONResponse, Response

from engine.errors import PictureError
from engine.settings import Settings
from ui_gradio.admission import Admission
from ui_gradio.eyes import page
from ui_gradio.eyes.endpoints import add_endpoints
from ui_gradio.eyes.examples import example_file
from ui_gradio.eyes.requests import check
from ui_gradio.eyes.service import EyeService, Screener
from ui_gradio.frame import NOTHING_HERE, web_router
from ui_gradio.gate import GateRules, into_vault
from ui_gradio.limits import body_limit
from ui_gradio.mounting import count_queue, mount_page, page_options

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
    blocks = _EyeBlocks(**page_options(page.FRAME.title))
    with blocks:
        gr.HTML(
            html_template=page.page_html(settings, path=path),
            js_on_load=page.START,
            apply_default_css=False,
        )
        add_endpoints(service)
    blocks.service = service
    count_queue(blocks, service.admission, max_size=settings.queue_size)
    return blocks


def mount(app: FastAPI, blocks: gr.Blocks, settings: Settings, path: str = "/eyes") -> FastAPI:
    """Mount ``blocks`` of :func:`build_app` at ``path``, behind its gate, and return ``app``."""
    service = cast("_EyeBlocks", blocks).service
    rules = GateRules(
        path=path,
        root_path=settings.root_path,
        blocks=blocks,
        admission=service.admission,
        body_limit=body_limit(settings),
        take_upload=into_vault(
            service.vault, max_bytes=settings.max_upload_mb * 1_000_000 + 10_000
        ),
        check=lambda endpoint, arguments: check(endpoint, arguments, settings),
        polish=page.FRAME.polish,
    )
    return mount_page(app, settings, rules=rules, files=_files_router())


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
