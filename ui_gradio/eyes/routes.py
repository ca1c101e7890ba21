"""Plain routes of the eye check for clients of the older service: the same JSON, bare."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from api import bodies
from api.problems import response_of
from engine.errors import RequestError
from engine.settings import Settings
from ui_gradio.admission import Admission
from ui_gradio.eyes.requests import check
from ui_gradio.eyes.service import Document, EyeService, Screener
from ui_gradio.limits import body_limit

__all__ = ["build_router"]

_JSON = {"application/json": {"schema": {"type": "object"}}}
_PICTURE = {
    "image": {"type": "string", "description": "data:image/png;base64,…"},
    "report": {"type": "boolean", "default": False, "description": "Add a one-page HTML report."},
}
_FRAME = {
    "type": "object",
    "required": ["image"],
    "properties": {
        "image": {"type": "string", "description": "data:image/png;base64,…"},
        "score": {"type": "number"},
        "blur": {"type": "number"},
        "box": {
            "type": "object",
            "properties": {name: {"type": "number"} for name in ("x", "y", "w", "h")},
        },
    },
}
_PREDICT_BODY = {"application/json": {"schema": {"type": "array", "items": _FRAME}}}
_UPLOAD_BODY = {
    "application/json": {
        "schema": {"type": "object", "required": ["image"], "properties": _PICTURE}
    },
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["file"],
            "properties": {"file": {"type": "string", "format": "binary"}},
        }
    },
}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The bytes are not a picture.", "content": _JSON},
    413: {"description": "Too many bytes or pixels.", "content": _JSON},
    422: {"description": "A name or type is wrong.", "content": _JSON},
    429: {"description": "The queue is full; see Retry-After.", "content": _JSON},
    507: {"description": "Too little free memory.", "content": _JSON},
}


def build_router(
    screener: Screener, settings: Settings, *, admission: Admission | None = None
) -> APIRouter:
    """Return ``POST /predict``, ``POST /upload`` and ``GET /health``.

    Pass the ``admission`` of the Gradio page so that both doors count together.
    """
    service = EyeService(screener, settings, admission)
    # Waiting callers must not take the threads that other routes need.
    threads = CapacityLimiter(service.admission.capacity)
    router = APIRouter(tags=["eyes"])

    async def answer(read: Callable[[], Any], work: Callable[[Any], Document]) -> Response:
        try:
            with service.admission.visit():
                given = await read()
                document = await to_thread.run_sync(work, given, limiter=threads)
        except Exception as error:  # noqa: BLE001 – response_of logs what it does not know
            return response_of(error)
        return JSONResponse(document, headers={"Cache-Control": "no-store"})

    @router.post(
        "/predict", responses=_PROBLEMS, openapi_extra={"requestBody": {"content": _PREDICT_BODY}}
    )
    async def predict(request: Request) -> Response:
        """Check both eyes of a person in one or several frames; takes the list bare.

        The answer is `{"status_code": 200, "body": {"left_eye": EYE, "right_eye": EYE}}`.
        """

        async def read() -> dict[str, Any]:
            return await _arguments(request, "predict", settings, bare="frames")

        return await answer(read, lambda given: service.predict(**given))

    @router.post(
        "/upload", responses=_PROBLEMS, openapi_extra={"requestBody": {"content": _UPLOAD_BODY}}
    )
    async def upload(request: Request) -> Response:
        """Check the eyes in one picture, sent as a data URI or as a file in a form.

        The answer is `{"left_eye": EYE, "right_eye": EYE}`.
        """
        content_type = request.headers.get("content-type", "")
        if bodies.is_multipart(content_type):

            async def read_file() -> bytes:
                limit = settings.max_upload_mb * 1_000_000 + 10_000
                return bodies.first_file(await _body(request, limit), content_type)

            return await answer(read_file, service.upload_bytes)

        async def read() -> dict[str, Any]:
            return await _arguments(request, "upload", settings, bare="image")

        return await answer(read, lambda given: service.upload(**given))

    @router.get("/health")
    async def health() -> Response:
        """Say whether the eye check can be used, with versions, memory and models."""
        try:
            return JSONResponse(await to_thread.run_sync(service.health))
        except Exception as error:  # noqa: BLE001 – response_of logs what it does not know
            return response_of(error)

    return router


async def _body(request: Request, limit: int) -> bytes:
    return await bodies.read_limited(
        request.stream(), max_bytes=limit, declared=request.headers.get("content-length")
    )


async def _arguments(
    request: Request, endpoint: str, settings: Settings, *, bare: str
) -> dict[str, Any]:
    """Return the checked arguments; a body that is no object is the parameter ``bare``."""
    body = await _body(request, body_limit(settings))
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(
            f"The body must be JSON, but it cannot be read ({type(error).__name__}); "
            "send it with Content-Type: application/json."
        ) from error
    arguments: Mapping[str, Any] = document if isinstance(document, dict) else {bare: document}
    check(endpoint, arguments, settings)
    return dict(arguments)
