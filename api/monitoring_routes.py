"""How the server is doing, for programs: parts, resources, figures for Prometheus."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

import engine
from api.asking import Desk, asked_by, in_thread, whole_of
from api.schemas import PROBLEMS

__all__ = ["build_monitoring_router"]

_PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"


def build_monitoring_router(desk: Desk) -> APIRouter:
    """Return ``/monitoring/…``, ``/metrics`` and the health routes below ``/api/v1``."""
    router = APIRouter(tags=["monitoring"], responses=PROBLEMS)

    @router.get("/monitoring/status")
    async def status(request: Request) -> Response:
        """Say how each part is, how long the queue is, and how fast the models answer."""
        asked_by(request, "monitoring.view")
        return JSONResponse(await in_thread(lambda: desk.workbench().monitor.status()))

    @router.get("/monitoring/resources")
    async def resources(request: Request) -> Response:
        """Say what is used and left; `minutes` (at most 60) adds what it was before."""
        asked_by(request, "monitoring.view")
        asked = request.query_params.get("minutes")
        minutes = whole_of(asked, "minutes", otherwise=0, least=0, most=60)
        document = await in_thread(lambda: desk.workbench().monitor.resources(minutes=minutes))
        return JSONResponse(document)

    @router.get("/metrics", response_class=Response)
    async def metrics(request: Request) -> Response:
        """Return the same figures in the text form of Prometheus."""
        asked_by(request, "monitoring.view")
        text = await in_thread(lambda: desk.workbench().monitor.prometheus())
        return Response(text, media_type=_PROMETHEUS)

    @router.get("/api/v1/health")
    async def health() -> Response:
        """Say that the server answers; who may see more reads `/monitoring/status`."""
        return JSONResponse({"status": "ok", "version": engine.__version__})

    @router.get("/api/v1/health/background-processes")
    async def background(request: Request) -> Response:
        """Say which workers live, what they do, and what waits."""
        asked_by(request, "monitoring.view")
        return JSONResponse(await in_thread(lambda: background_document(desk)))

    return router


def background_document(desk: Desk) -> dict[str, Any]:
    """Return the workers and the queue; ``healthy`` when a worker lives or nothing waits."""
    queue = desk.workbench().queue
    workers, counts = queue.workers(), queue.counts()
    living = [worker for worker in workers if worker.is_alive]
    is_healthy = bool(living) or not (counts["pending"] or counts["processing"])
    return {
        "status": "healthy" if is_healthy else "unhealthy",
        "processes": [
            {
                "name": "worker",
                "id": worker.worker,
                "running": worker.is_alive,
                "jobs": list(worker.jobs),
                "started_at": worker.started_at.isoformat(),
                "last_seen_at": worker.seen_at.isoformat(),
            }
            for worker in workers
        ],
        "queue": {**counts, "oldest_pending_s": round(queue.oldest_pending_age_s(), 1)},
    }
