"""Plain routes of the vertebra finder for clients of the older service: the same JSON, bare."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from api import bodies
from engine.spine.examples import Example
from ui_gradio.spine.requests import Wish, check, import_source, wish_from_form, wish_of
from ui_gradio.spine.runs_routes import answer, json_object, receive, reports_of_download
from ui_gradio.spine.schemas import (
    DETECT_ANSWER,
    DETECT_BODY,
    DOWNLOAD_ANSWER,
    HEALTH_ANSWER,
    MODELS_ANSWER,
    PROBLEMS,
)
from ui_gradio.spine.service import Document, Source, SpineService

__all__ = ["build_router"]


def build_router(service: SpineService) -> APIRouter:
    """Return ``/api/health``, ``/api/models/…`` and ``/api/detect-vertebrae``."""
    router = APIRouter(prefix="/api", tags=["spine"])

    @router.get("/health", responses=HEALTH_ANSWER)
    async def health() -> Response:
        """Say whether vertebrae can be found, with versions, memory, models and the line."""

        async def work() -> Response:
            return JSONResponse(await service.health())

        return await answer(work)

    @router.get("/models/status", responses=MODELS_ANSWER)
    async def models_status() -> Response:
        """Say which weights are there; `vertebrae` is the older service's name of `total_fast`."""

        async def work() -> Response:
            return JSONResponse(await service.models_status())

        return await answer(work)

    @router.post(
        "/models/download/{name}",
        response_class=StreamingResponse,
        responses={**DOWNLOAD_ANSWER, **PROBLEMS},
    )
    async def download(name: str) -> Response:
        """Download weights, with progress as server-sent events; stops when the reader leaves.

        The last event has the status `complete`, or `failed` with an `error`.
        """
        return await reports_of_download(service, name)

    @router.post(
        "/detect-vertebrae",
        responses={**DETECT_ANSWER, **PROBLEMS},
        openapi_extra={"requestBody": {"required": True, "content": DETECT_BODY}},
    )
    async def detect(request: Request) -> Response:
        """Find and name the vertebrae in a CT; answers when it is done.

        Send the CT as a form: one NIfTI, NRRD, MHA or ZIP, or all files of a DICOM series. A path
        on the server is accepted only inside of the folder that the operator set. Leaving cancels.
        """

        async def work() -> Response:
            with service.admission.visit():
                source, wish = await _asked(request, service)
                return await _until_gone(request, service, source, wish)

        return await answer(work)

    return router


async def _asked(request: Request, service: SpineService) -> tuple[Source, Wish]:
    """Return the CT that a request brings or names, and how to look at it."""
    if bodies.is_multipart(request.headers.get("content-type", "")):
        sent = await receive(request, service.uploads)
        try:
            return [sent.name], wish_from_form(sent.fields)
        except Exception:
            service.uploads.forget(sent.name)
            raise
    arguments = await json_object(request)
    check("detect_by_path", arguments)
    return import_source(arguments["file_path"], service.settings), wish_of(arguments)


async def _until_gone(
    request: Request, service: SpineService, source: Source, wish: Wish
) -> Response:
    """Answer with the result, or stop when the client has gone."""

    async def last() -> Document:
        async with aclosing(service.detect(source, wish)) as documents:  # type: ignore[type-var]
            return [document async for document in documents][-1]

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.create_task(last()), asyncio.create_task(gone())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            return Response(status_code=499)  # nobody reads it
        return JSONResponse(working.result())
    finally:
        for task in (working, leaving):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
        if not isinstance(source, Path | Example):
            for name in source:  # where the line was full
                service.uploads.forget(name)
