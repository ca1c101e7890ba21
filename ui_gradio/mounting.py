"""How a Gradio page of ours is set up and put on a server, behind its gate.

What the pages have in common; knows nothing of what an endpoint computes.
"""

from __future__ import annotations

import warnings
from typing import Any, cast

import gradio as gr
from fastapi import APIRouter, FastAPI

from api.cors import allow_origins
from engine.settings import Settings
from ui_gradio.admission import Admission
from ui_gradio.agents import are_offered, introduce_agents
from ui_gradio.forgetful import forget_values, keep_no_statistics
from ui_gradio.gate import Gate, GateRules
from ui_gradio.theme import page_theme

__all__ = ["count_queue", "mount_page", "page_options"]


def page_options(title: str) -> dict[str, Any]:
    """Return the arguments of ``gr.Blocks`` that all pages have in common."""
    return {
        "title": title,
        "analytics_enabled": False,
        "delete_cache": (600, 600),  # nothing of ours is there; a guard against Gradio's habits
        "fill_width": True,
    }


def count_queue(blocks: gr.Blocks, admission: Admission, *, max_size: int) -> None:
    """Bound the queue of a page, and let what waits there count as inside the house."""
    blocks.queue(max_size=max_size, default_concurrency_limit=admission.work_places, api_open=False)
    keep_no_statistics(blocks)
    queue = blocks._queue  # noqa: SLF001 – Gradio has no other way to count what waits
    admission.count_also(lambda: len(queue) + queue.get_active_worker_count())


def mount_page(app: FastAPI, settings: Settings, *, rules: GateRules, files: APIRouter) -> FastAPI:
    """Mount the page of ``rules`` at its path and return ``app``.

    ``files`` are routes below that path that go before Gradio's. Several pages may be mounted on
    one application.
    """
    app.include_router(files, prefix=rules.path)
    with_agents = settings.agents and are_offered()
    if with_agents:
        introduce_agents()
    with warnings.catch_warnings():
        # Gradio's agent server imports a name that its own dependency has renamed.
        warnings.simplefilter("ignore", DeprecationWarning)
        app = gr.mount_gradio_app(
            app,
            rules.blocks,
            path=rules.path,
            footer_links=["api"],
            run_history=False,
            allowed_paths=[],
            show_error=True,
            max_file_size=settings.max_upload_mb * 1_000_000,
            ssr_mode=False,
            enable_monitoring=False,
            pwa=True,
            mcp_server=with_agents,
            theme=page_theme(),
        )
    forget_values(app, rules.blocks)
    app.add_middleware(cast("Any", Gate), rules=rules)
    allow_origins(app, settings)
    return app
