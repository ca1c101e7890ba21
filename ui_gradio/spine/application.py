"""The Gradio application of the vertebra finder, and how it is mounted on a server."""

from __future__ import annotations

from typing import cast

import gradio as gr
from fastapi import APIRouter, FastAPI

from engine.settings import Settings
from ui_gradio.frame import web_router
from ui_gradio.gate import GateRules
from ui_gradio.mounting import count_queue, mount_page, page_options
from ui_gradio.spine import page
from ui_gradio.spine.endpoints import add_endpoints
from ui_gradio.spine.requests import check
from ui_gradio.spine.runs_routes import OWN_PATHS, add_routes, take_upload
from ui_gradio.spine.service import SpineService

__all__ = ["build_app", "mount"]

_BODY_LIMIT = 4_000_000
"""A call names its uploads: 10,000 of them with everything that a client says about each."""


class _SpineBlocks(gr.Blocks):
    """A Gradio page that knows the service behind it, for :func:`mount`."""

    service: SpineService


def build_app(service: SpineService) -> gr.Blocks:
    """Return the page with its endpoints; :func:`mount` puts it on a server.

    The service is shared with :func:`ui_gradio.spine.routes.build_router`, so that all doors count
    together.
    """
    settings = service.settings
    blocks = _SpineBlocks(**page_options(page.FRAME.title))
    with blocks:
        gr.HTML(
            html_template=page.page_html(settings, path=service.mount),
            js_on_load=page.START,
            apply_default_css=False,
        )
        add_endpoints(service)
    blocks.service = service
    count_queue(blocks, service.admission, max_size=settings.queue_size)
    return blocks


def mount(app: FastAPI, blocks: gr.Blocks, settings: Settings) -> FastAPI:
    """Mount ``blocks`` of :func:`build_app`, behind its gate, and return ``app``."""
    service = cast("_SpineBlocks", blocks).service
    rules = GateRules(
        path=service.mount,
        root_path=settings.root_path,
        blocks=blocks,
        admission=service.admission,
        body_limit=_BODY_LIMIT,
        take_upload=take_upload(service.uploads),
        check=check,
        polish=page.FRAME.polish,
        own=OWN_PATHS,
    )
    app = mount_page(app, settings, rules=rules, files=_own_router(service))
    # By Gradio's newest protocol, its Python client takes every object with a "path" for a file
    # and replaces it; a model has a path, too. By the one before, only marked files are files.
    blocks.config["protocol"] = "sse_v2.1"
    return app


def _own_router(service: SpineService) -> APIRouter:
    router = web_router(page.FRAME, page.WEB)
    add_routes(router, service)
    return router
