"""What an administrator of the older cell-annotation service does over HTTP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, get_args

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from api.asking import Desk, asked_by, in_thread
from engine.people.actors import Actor
from engine.people.permissions import require
from engine.store import now
from engine.store.records import InferenceStatus, Job, Sample

__all__ = ["build_administration_router"]

_AT_WORK: Final = frozenset({"pending", "processing", "stuck"})


def build_administration_router(desk: Desk) -> APIRouter:
    """Return ``/admin/…``, and the same below ``/api/v1``."""
    inner = APIRouter(prefix="/admin", tags=["administration"])

    @inner.get("/modelprocessing/status-api")
    async def status(request: Request) -> Response:
        """Say what is processed and what waits; made to be asked every few seconds."""
        asked_by(request, "jobs.intake")
        return JSONResponse(await in_thread(lambda: _status(desk)))

    @inner.post("/cleanup-stuck-samples")
    async def cleanup(request: Request) -> Response:
        """Let stuck jobs start again, and samples without a living job wait again."""
        actor = asked_by(request, "samples.cleanup")
        return JSONResponse(await in_thread(lambda: _cleanup(desk, actor)))

    router = APIRouter()
    router.include_router(inner)
    router.include_router(inner, prefix="/api/v1")
    return router


def _status(desk: Desk) -> dict[str, Any]:
    workbench = desk.workbench()
    counts, workers = workbench.queue.counts(), workbench.queue.workers()
    found = Counter(sample.inference_status for sample in workbench.store.samples.read())
    return {
        "status": "processing" if counts["processing"] else "idle",
        "worker_running": any(worker.is_alive for worker in workers),
        "jobs": counts,
        "samples": {state: found[state] for state in get_args(InferenceStatus)},
        "oldest_pending_s": round(workbench.queue.oldest_pending_age_s(), 1),
        "queue_configured": bool(desk.settings.sqs_queue_url),
    }


def _cleanup(desk: Desk, actor: Actor) -> dict[str, Any]:
    require(actor, "samples.cleanup")
    workbench = desk.workbench()
    jobs_reset = workbench.queue.reset_stuck(None, actor)
    jobs = {job.id: job for job in workbench.store.jobs.read()}
    reset: list[str] = []
    with workbench.store.samples.transaction() as samples:
        for sample in samples.where(inference_status="processing"):
            if _is_left_alone(sample, jobs):
                text = "Its job ended without a result; it waits again."
                samples.put(
                    replace(sample, inference_status="pending", status_text=text, updated_at=now())
                )
                reset.append(sample.id)
    for name in reset:
        workbench.audit.write(
            actor, "samples.cleanup", record=f"samples/{name}", text="Reset a stuck sample"
        )
    return {"status": "ok", "jobs_reset": jobs_reset, "samples_reset": len(reset), "samples": reset}


def _is_left_alone(sample: Sample, jobs: Mapping[str, Job]) -> bool:
    """Return whether no job is at work on a sample."""
    job = jobs.get(sample.job_id or "")
    return job is None or job.state not in _AT_WORK
