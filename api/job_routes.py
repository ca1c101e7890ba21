"""Jobs over HTTP: list, start, look, cancel, retry."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, cast, get_args

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from api.asking import Desk, asked_by, in_thread, json_fields, text_of, whole_of
from api.schemas import PROBLEMS, body
from engine.errors import RequestError
from engine.store.records import Job, JobState

__all__ = ["build_job_router", "job_document"]

_LOG_LINES: Final = 200
_KNOWN: Final = frozenset({"task", "payload", "title", "priority", "idempotency_key", "after"})

# What is told of a job; who works on it on which machine is not a caller's matter.
_TOLD: Final = (
    *("id", "task", "title", "payload", "state", "priority", "idempotency_key", "after"),
    *("created_at", "created_by", "started_at", "finished_at", "heartbeat_at"),
    *("attempts", "max_attempts", "fraction", "stage", "message", "eta_s", "paused_because"),
    *("error_code", "error", "cancel_requested", "retry_of", "need_memory_mb", "need_cores"),
)


def build_job_router(desk: Desk) -> APIRouter:
    """Return ``/api/v1/jobs`` and what lies below it."""
    router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], responses=PROBLEMS)

    @router.get("")
    async def jobs(request: Request) -> Response:
        """List jobs, newest first; `state`, `task`, `page` (from 1) and `size` (at most 200)."""
        asked_by(request, "jobs.view")
        asked = request.query_params
        state = _state(asked.get("state"))
        page = whole_of(asked.get("page"), "page", otherwise=1, least=1, most=1_000_000)
        size = whole_of(asked.get("size"), "size", otherwise=50, least=1, most=200)
        found = [
            job
            for job in await in_thread(desk.workbench().queue.all)
            if state in (None, job.state) and asked.get("task") in (None, job.task)
        ]
        shown = found[(page - 1) * size : page * size]
        documents = [job_document(job) for job in shown]
        return JSONResponse(
            {"jobs": documents, "count": len(found), "page": page, "pages": -(-len(found) // size)}
        )

    fields = {"task": "string", "payload": "object", "title": "string", "priority": "integer"}
    fields |= {"idempotency_key": "string", "after": "array"}

    @router.post("", status_code=201, openapi_extra=body("task", **fields))
    async def submit(request: Request) -> Response:
        """Start a job: `task`, `payload`, `title`, `priority`, `idempotency_key`, `after`.

        The same `idempotency_key` again answers with the job that it made, not a second one.
        """
        actor = asked_by(request, "jobs.submit")
        given = _checked(await json_fields(request))
        job = await in_thread(lambda: desk.workbench().queue.submit(actor=actor, **given))
        address = f"{request.scope.get('root_path', '')}/api/v1/jobs/{job.id}"
        return JSONResponse(job_document(job), status_code=201, headers={"Location": address})

    @router.get("/{job_id}")
    async def job(request: Request, job_id: str) -> Response:
        """Return one job with its progress and the last lines of its log."""
        asked_by(request, "jobs.view")
        queue = desk.workbench().queue
        found = await in_thread(lambda: queue.get(job_id))
        lines = await in_thread(lambda: queue.log_tail(job_id, _LOG_LINES))
        return JSONResponse({**job_document(found), "log": list(lines)})

    @router.post("/{job_id}/cancel")
    async def cancel(request: Request, job_id: str) -> Response:
        """Cancel a job: at once when it waits, within moments when it runs."""
        actor = asked_by(request, "jobs.control_own")
        found = await in_thread(lambda: desk.workbench().queue.cancel(job_id, actor))
        return JSONResponse(job_document(found))

    @router.post("/{job_id}/retry", status_code=201)
    async def retry(request: Request, job_id: str) -> Response:
        """Start a failed or cancelled job again, as a new job."""
        actor = asked_by(request, "jobs.control_own")
        found = await in_thread(lambda: desk.workbench().queue.retry(job_id, actor))
        return JSONResponse(job_document(found), status_code=201)

    return router


def job_document(job: Job) -> dict[str, Any]:
    """Return a job as JSON: moments in ISO 8601, results as objects."""
    told = {name: _plain(getattr(job, name)) for name in _TOLD}
    return {**told, "results": [asdict(result) for result in job.results]}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple | frozenset):
        return [_plain(one) for one in value]
    if hasattr(value, "items"):
        return {str(name): _plain(one) for name, one in value.items()}
    return value


def _state(text: str | None) -> JobState | None:
    for state in get_args(JobState):
        if text == state:
            return cast("JobState", state)
    if text:
        raise RequestError(
            f"'state' must be one of {', '.join(get_args(JobState))}, but is {text[:40]!r}."
        )
    return None


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a submission; their values are checked by the queue."""
    unknown = sorted(set(fields) - _KNOWN)
    if unknown:
        raise RequestError(
            f"{unknown[0][:40]!r} is no field of a job; fields are {', '.join(sorted(_KNOWN))}."
        )
    given: dict[str, Any] = {"task": text_of(fields, "task", longest=100)}
    given["title"] = text_of(fields, "title", longest=200, otherwise="")
    payload, priority = fields.get("payload", {}), fields.get("priority", 0)
    after, key = fields.get("after", []), fields.get("idempotency_key")
    if not isinstance(payload, dict):
        raise RequestError(f"'payload' must be an object, but is a {type(payload).__name__}.")
    if not isinstance(priority, int) or isinstance(priority, bool):
        raise RequestError(f"'priority' must be a whole number, but is {str(priority)[:40]!r}.")
    if not isinstance(after, list) or not all(isinstance(name, str) for name in after):
        raise RequestError("'after' must be a list of ids of jobs.")
    if key is not None and not isinstance(key, str):
        raise RequestError(f"'idempotency_key' must be a text, but is a {type(key).__name__}.")
    return {**given, "payload": payload, "priority": priority, "after": after} | (
        {"idempotency_key": key} if key else {}
    )
