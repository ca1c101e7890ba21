"""What an administrator of the older cell-annotation service does over HTTP."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final, final, get_args

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from api.asking import Desk, asked_by, in_thread
from api.schemas import PROBLEMS
from engine.errors import MissingBackendError
from engine.people.actors import Actor
from engine.people.permissions import require
from engine.store import now
from engine.store.records import InferenceStatus, Job, Sample

if TYPE_CHECKING:
    from engine.jobs.intake import Intake

__all__ = ["build_administration_router"]

_AT_WORK: Final = frozenset({"pending", "processing", "stuck"})


def build_administration_router(desk: Desk) -> APIRouter:
    """Return ``/admin/…``, and the same below ``/api/v1``."""
    inner = APIRouter(prefix="/admin", tags=["administration"], responses=PROBLEMS)
    reader = _Reader(desk)

    @inner.post("/modelprocessing/process-sqs")
    async def process(request: Request) -> Response:
        """Look into the outside queue now, beside the worker's own rounds."""
        actor = asked_by(request, "jobs.intake")
        return JSONResponse(await in_thread(lambda: reader.look(actor)))

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


@final
class _Reader:
    """Reads the outside queue on demand; it holds what it has received until the job is done."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._intake: Intake | None = None

    def look(self, actor: Actor) -> dict[str, Any]:
        """Go one round and return what was found."""
        from engine.jobs.intake import Intake

        workbench = self._desk.workbench()
        if not self._desk.settings.sqs_queue_url:
            raise MissingBackendError(
                "There is no outside queue here; set LIGHTBOX_SQS_QUEUE_URL to one."
            )
        with self._lock:
            if self._intake is None:
                self._intake = Intake(self._desk.settings, workbench.store, workbench.queue)
            found = self._intake.step()
        workbench.audit.write(actor, "jobs.intake", text="Looked into the outside queue")
        return {"status": "ok", **asdict(found)}


def _status(desk: Desk) -> dict[str, Any]:
    from engine.jobs.intake import intake_status

    workbench = desk.workbench()
    counts, workers = workbench.queue.counts(), workbench.queue.workers()
    found = Counter(sample.inference_status for sample in workbench.store.samples.read())
    return {
        "status": "processing" if counts["processing"] else "idle",
        "worker_running": any(worker.is_alive for worker in workers),
        "jobs": counts,
        "samples": {state: found[state] for state in get_args(InferenceStatus)},
        "oldest_pending_s": round(workbench.queue.oldest_pending_age_s(), 1),
        "intake": intake_status(desk.settings),
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
