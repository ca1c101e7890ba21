"""The page's own routes below /spine: uploads, runs and their events, pictures and files.

Ids are capability tokens: who knows one may see and cancel that run, and nobody can guess one.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from fastapi import APIRouter, Request
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, JSONResponse, Response

from api import bodies
from api.problems import response_of
from engine.errors import NotFoundError, RequestError
from engine.spine import pictures
from engine.spine.examples import EXAMPLES, find_example
from ui_gradio.frame import NOTHING_HERE
from ui_gradio.gate import TakeUpload
from ui_gradio.spine.requests import check, wish_of
from ui_gradio.spine.service import Document, Source, SpineService, require_result
from ui_gradio.spine.streaming import event_stream
from ui_gradio.spine.uploads import Sent, Uploads

if TYPE_CHECKING:
    from engine.spine.saved import SavedDetection

__all__ = [
    "OWN_PATHS",
    "add_routes",
    "answer",
    "json_object",
    "receive",
    "reports_of_download",
    "take_upload",
]

OWN_PATHS: Final = re.compile(r"/(?:uploads|runs|examples|models)(?:/.*)?")
"""Paths below the mount that these routes answer."""

_SMALL_BODY: Final = 64_000
_PRIVATE: Final = {"Cache-Control": "private, max-age=3600"}
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_WINDOWS_DEFAULT: Final = "bone"
# A report is a page of its own: no script runs in it, and it reaches nobody.
_FILE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox"
    ),
}


def add_routes(router: APIRouter, service: SpineService) -> None:
    """Add the page's routes to a router that is mounted where the page is."""

    @router.post("/uploads")
    async def upload(request: Request) -> Response:
        async def work() -> Response:
            with service.admission.visit():
                sent = await receive(request, service.uploads)
                return JSONResponse(await service.look(sent.name))

        return await answer(work)

    @router.delete("/uploads/{name}")
    async def forget(name: str) -> Response:
        service.uploads.forget(name)
        return Response(status_code=204)

    @router.post("/runs")
    async def start(request: Request) -> Response:
        async def work() -> Response:
            arguments = await json_object(request)
            check("run", arguments)
            upload, example = arguments.get("upload"), arguments.get("example")
            if (upload is None) == (example is None):
                raise RequestError("Name either an 'upload' or an 'example'.")
            source: Source = find_example(example) if upload is None else [str(upload)]
            run = await service.start(source, wish_of(arguments))
            return JSONResponse({"run": run.id}, status_code=202)

        return await answer(work)

    @router.get("/runs/{name}/events")
    async def events(name: str) -> Response:
        async def work() -> Response:
            return event_stream(service.follow(service.find(name)))

        return await answer(work)

    @router.get("/runs/{name}")
    async def result(name: str) -> Response:
        async def work() -> Response:
            run = service.find(name)
            state = run.state
            if not state.has_ended:
                return JSONResponse(state.document(), status_code=202)
            require_result(run)
            return JSONResponse(await service.result(run))

        return await answer(work)

    @router.delete("/runs/{name}")
    async def cancel(name: str) -> Response:
        async def work() -> Response:
            service.find(name).cancel()
            return Response(status_code=204)

        return await answer(work)

    @router.post("/runs/{name}/shift")
    async def shift(name: str, request: Request) -> Response:
        async def work() -> Response:
            run = service.find(name)
            arguments = await json_object(request)
            check("shift", arguments)
            return JSONResponse(await service.shift(run, int(cast("Any", arguments["steps"]))))

        return await answer(work)

    @router.get("/examples")
    async def examples() -> Response:
        known = [{"name": one.name, "title": one.title, "text": one.text} for one in EXAMPLES]
        return JSONResponse(known)

    @router.get("/examples/{name}")
    async def look_at_example(name: str) -> Response:
        async def work() -> Response:
            with service.admission.visit():
                return JSONResponse(await service.look_at_example(name))

        return await answer(work)

    @router.get("/examples/{name}/ct.nii.gz")
    async def example_file(name: str) -> Response:
        async def work() -> Response:
            with service.admission.visit():
                path = await service.example_file(name)
            return FileResponse(path, filename=f"{name}.nii.gz", media_type="application/gzip")

        return await answer(work)

    @router.post("/models/{name}/download")
    async def download(name: str) -> Response:
        return await reports_of_download(service, name)

    _add_pictures(router, service)

    _add_dead_ends(router)


def _add_dead_ends(router: APIRouter) -> None:
    """Answer in our words where Gradio, which comes next, would answer in its own."""

    async def nothing() -> Response:
        return JSONResponse(NOTHING_HERE, status_code=404)

    for place in ("uploads", "runs", "examples", "models"):
        for path in (f"/{place}", f"/{place}/{{rest:path}}"):
            router.add_api_route(path, nothing, methods=list(_METHODS))


def _add_pictures(router: APIRouter, service: SpineService) -> None:
    def finished(name: str) -> SavedDetection:
        run = service.find(name)
        require_result(run)
        return run.saved

    @router.get("/runs/{name}/slices/{plane}/{index}.png")
    async def ct_slice(
        name: str, plane: str, index: str, window: str = _WINDOWS_DEFAULT
    ) -> Response:
        async def work() -> Response:
            saved, at = finished(name), _whole(index)
            _require_plane(plane)
            return _png(await service.picture(lambda: pictures.slice_png(saved, plane, at, window)))

        return await answer(work)

    @router.get("/runs/{name}/labels/{plane}/{index}.png")
    async def label_slice(name: str, plane: str, index: str) -> Response:
        async def work() -> Response:
            saved, at = finished(name), _whole(index)
            _require_plane(plane)
            return _png(await service.picture(lambda: pictures.label_slice_png(saved, plane, at)))

        return await answer(work)

    @router.get("/runs/{name}/spine.png")
    async def spine(
        name: str, azimuth: str = "0", width: str = "640", height: str = "640"
    ) -> Response:
        async def work() -> Response:
            saved = finished(name)
            angle = _number("azimuth", azimuth, -3600, 3600)
            sides = [
                int(_number(side, text, 64, 1600))
                for side, text in (("width", width), ("height", height))
            ]
            return _png(await service.picture(lambda: pictures.spine_png(saved, angle, *sides)))

        return await answer(work)

    @router.get("/runs/{name}/files/{file}")
    async def file(name: str, file: str) -> Response:
        async def work() -> Response:
            file_name, media_type, data = await service.file(service.find(name), file)
            disposition = f'attachment; filename="{file_name}"'
            headers = {**_FILE_HEADERS, "Content-Disposition": disposition}
            return Response(data, media_type=media_type, headers=headers)

        return await answer(work)


async def answer(work: Callable[[], Awaitable[Response]]) -> Response:
    """Return what ``work`` returns, or its error as a status, a code and a sentence."""
    try:
        response = await work()
    except Exception as error:  # noqa: BLE001 – response_of logs what it does not know
        return response_of(error)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


async def receive(request: Request, uploads: Uploads) -> Sent:
    """Write the files of a form to a private folder while they arrive."""
    return await uploads.receive(
        request.headers.get("content-type", ""),
        _chunks(request),
        declared=request.headers.get("content-length"),
    )


def take_upload(uploads: Uploads) -> TakeUpload:
    """Return a keeper for what arrives at Gradio's own address for uploads."""

    async def take(headers: Headers, chunks: AsyncIterator[bytes]) -> list[str]:
        sent = await uploads.receive(
            headers.get("content-type", ""), chunks, declared=headers.get("content-length")
        )
        return [sent.name]

    return take


async def json_object(request: Request) -> Mapping[str, object]:
    """Return the JSON object in a small body.

    Raises
    ------
    RequestError
        When it is no JSON, or no object.
    """
    body = await bodies.read_limited(
        _chunks(request), max_bytes=_SMALL_BODY, declared=request.headers.get("content-length")
    )
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(
            f"The body must be JSON, but it cannot be read ({type(error).__name__}); "
            "send it with Content-Type: application/json."
        ) from error
    if not isinstance(document, dict):
        raise RequestError("The body must be a JSON object.")
    return document


async def reports_of_download(service: SpineService, name: str) -> Response:
    """Return the progress of a download as events; it stops when the reader leaves."""

    def told(error: Exception) -> Document:
        problem = json.loads(bytes(response_of(error).body))
        return {"status": "failed", "progress": 0.0, **problem}

    async def work() -> Response:
        service.require_model(name)
        return event_stream(service.download(name), told=told)

    return await answer(work)


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect as error:
        raise RequestError("The request broke off before its end; send it again.") from error


def _png(data: bytes) -> Response:
    return Response(data, media_type="image/png", headers=_PRIVATE)


def _require_plane(plane: str) -> None:
    if plane not in ("sagittal", "coronal", "axial"):
        raise NotFoundError("There is no such plane; there are sagittal, coronal and axial.")


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise NotFoundError("There is no such slice; slices are counted from 0.")
    return int(text)


def _number(name: str, text: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise RequestError(f"'{name}' must be a number from {low:g} to {high:g}.")
    return value
