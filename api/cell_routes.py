"""Cells over HTTP: look for them in a picture or sample; the list of cell types."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from api import bodies
from api.asking import Desk, Threads, asked_by, in_thread, json_fields
from api.schemas import PROBLEMS, body
from engine.cells.detecting import backend_of, limits_of
from engine.cells.documents import found_json
from engine.errors import RequestError

if TYPE_CHECKING:
    from engine.imaging.pictures import Picture
    from engine.people.actors import Actor
    from engine.settings import Settings
    from engine.store.records import CellType

__all__ = ["build_cell_router"]

_SOURCES: Final = ("image", "image_id", "sample_id")
_AT_ONCE: Final = 2
_TYPE_FIELDS: Final = ("name", "colour", "key", "description", "retired")


def build_cell_router(desk: Desk) -> APIRouter:
    """Return ``/api/v1/cells/…`` and ``/cells/``."""
    router = APIRouter(tags=["cells"], responses=PROBLEMS)
    _add_detection(router, desk)
    _add_types(router, desk)
    return router


def _add_detection(router: APIRouter, desk: Desk) -> None:
    detecting = Threads(_AT_ONCE)

    async def answer(actor: Actor, given: Mapping[str, Any]) -> Response:
        document = await detecting.run(lambda: _detected(desk, actor, given))
        return JSONResponse(document)

    fields = {"image": "string", "image_id": "string", "sample_id": "string"}
    fields |= {"backend": "string", "parameters": "object"}

    @router.post("/api/v1/cells/detect", openapi_extra=body(**fields))
    async def detect(request: Request) -> Response:
        """Look for cells in `image` (a data URI), `image_id` or the first picture of `sample_id`.

        `backend` is `network` (default) or `opencv`, `parameters` its settings by name. A picture
        may also be sent as a file in a form. Nothing is kept; the task `detect_cells` keeps.
        """
        actor = asked_by(request, "cells.detect")
        return await answer(actor, await _asked(request, desk.settings))

    @router.get("/api/v1/cells/dynamic-detect")
    async def dynamic_detect(request: Request) -> Response:
        """Look again with other settings: `image_id` or `sample_id`, `backend` (here `opencv`).

        Each parameter of the detector (`downscale`, `threshold`, `smallest_px`, …) may be given by
        its name.
        """
        actor = asked_by(request, "cells.detect")
        return await answer(actor, _queried(request.query_params))


def _add_types(router: APIRouter, desk: Desk) -> None:
    @router.get("/cells")
    @router.get("/cells/")
    async def kinds(request: Request) -> Response:
        """List the cell types; `retired=true` lists the retired ones too."""
        actor = asked_by(request, "cells.view")
        retired = request.query_params.get("retired", "") == "true"
        found = await in_thread(lambda: desk.workbench().cells.types.all(actor, retired=retired))
        return JSONResponse([_kind_json(one) for one in found])

    fields = {"name": "string", "colour": "string", "key": "string", "description": "string"}

    @router.post("/cells", status_code=201, openapi_extra=body("name", **fields))
    @router.post("/cells/", status_code=201, openapi_extra=body("name", **fields))
    async def add(request: Request) -> Response:
        """Add a cell type: `name`, `colour` (#rrggbb), `key` (one letter), `description`."""
        actor = asked_by(request, "cells.types")
        given = _kind_fields(await json_fields(request))
        if "retired" in given or "name" not in given:
            raise RequestError("A new cell type needs a 'name', and cannot be retired yet.")
        made = await in_thread(lambda: desk.workbench().cells.types.add(actor, **given))
        return JSONResponse(_kind_json(made), status_code=201)

    @router.put("/cells/{type_id}", openapi_extra=body(**fields, retired="boolean"))
    async def change(request: Request, type_id: str) -> Response:
        """Rename, recolour or retire a cell type; marked cells get the new name."""
        actor = asked_by(request, "cells.types")
        given = _kind_fields(await json_fields(request))
        changed = await in_thread(
            lambda: desk.workbench().cells.types.change(actor, type_id, given)
        )
        return JSONResponse(_kind_json(changed))


async def _asked(request: Request, settings: Settings) -> dict[str, Any]:
    """Return the fields of a request for detection; a form's file is the field ``file``."""
    limit = settings.max_upload_mb * 1_000_000
    content_type = request.headers.get("content-type", "")
    is_form = bodies.is_multipart(content_type)
    sent = await bodies.read_limited(
        request.stream(),
        max_bytes=limit + 64_000 if is_form else limit * 4 // 3 + 64_000,
        declared=request.headers.get("content-length"),
    )
    if is_form:
        asked: dict[str, Any] = {"file": bodies.first_file(sent, content_type)}
        if "backend" in request.query_params:
            asked["backend"] = request.query_params["backend"]
        return asked
    try:
        document = json.loads(sent)
    except (ValueError, RecursionError) as error:
        raise RequestError(
            f"The body must be JSON, but it cannot be read ({type(error).__name__}); "
            "send it with Content-Type: application/json."
        ) from error
    if not isinstance(document, dict):
        raise RequestError(f"The body must be a JSON object, but is a {type(document).__name__}.")
    unknown = sorted(set(document) - {*_SOURCES, "backend", "parameters"})
    if unknown:
        raise RequestError(
            f"{unknown[0][:40]!r} is no field here; fields are {', '.join(_SOURCES)}, backend and "
            "parameters."
        )
    return document


def _queried(asked: Mapping[str, str]) -> dict[str, Any]:
    """Return what an address asks for; every number is a parameter."""
    given: dict[str, Any] = {"backend": asked.get("backend", "opencv"), "parameters": {}}
    limits = limits_of(backend_of(given["backend"]))
    for name, text in asked.items():
        if name in ("image_id", "sample_id"):
            given[name] = text
        elif name in limits:
            given["parameters"][name] = _number(name, text)
        elif name != "backend":
            raise RequestError(
                f"{name[:40]!r} is no parameter here; there are image_id, sample_id, backend, "
                f"{', '.join(limits)}."
            )
    return given


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise RequestError(f"'{name}' must be a number, but is {text[:40]!r}.") from error


def _detected(desk: Desk, actor: Actor, given: Mapping[str, Any]) -> dict[str, Any]:
    cells = desk.workbench().cells
    backend, parameters = given.get("backend", "network"), given.get("parameters") or {}
    if not isinstance(backend, str) or not isinstance(parameters, dict):
        raise RequestError("'backend' must be a text and 'parameters' an object of numbers.")
    named, picture = _picture(desk, actor, given)
    began = time.perf_counter()
    found = cells.pictures.detect(actor, picture, backend_of(backend), parameters)
    took_ms = 1000 * (time.perf_counter() - began)
    return {**named, **found_json(found), "processing_time_ms": round(took_ms, 1)}


def _picture(desk: Desk, actor: Actor, given: Mapping[str, Any]) -> tuple[dict[str, str], Picture]:
    """Return which stored picture it is, if any, and its pixels."""
    from engine.imaging import pictures

    cells, settings = desk.workbench().cells, desk.settings
    if "file" in given:
        return {}, cells.pictures.decoded(given["file"])
    named = [name for name in _SOURCES if given.get(name) is not None]
    if len(named) != 1 or not isinstance(given[named[0]], str):
        raise RequestError(f"Expected one of {', '.join(_SOURCES)}, to say where to look.")
    if named[0] == "image":
        picture = pictures.decode_data_uri(
            given["image"],
            max_pixels=settings.max_megapixels * 1_000_000,
            max_bytes=settings.max_upload_mb * 1_000_000,
        )
        return {}, picture
    image_id = given[named[0]]
    if named[0] == "sample_id":
        image_id = cells.pictures.first_of_sample(actor, image_id)
    return {"image_id": image_id}, cells.pictures.pixels(actor, image_id)


def _kind_fields(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a cell type; ``color`` is taken too."""
    given = {("colour" if name == "color" else name): value for name, value in sent.items()}
    unknown = sorted(set(given) - set(_TYPE_FIELDS))
    if unknown:
        raise RequestError(
            f"{unknown[0][:40]!r} is no field of a cell type; fields are {', '.join(_TYPE_FIELDS)}."
        )
    return given


def _kind_json(kind: CellType) -> dict[str, Any]:
    return {
        "id": kind.id,
        "name": kind.name,
        "colour": kind.colour,
        "color": kind.colour,
        "key": kind.key,
        "description": kind.description,
        "retired": kind.retired,
        "created_at": kind.created_at.isoformat(),
        "updated_at": kind.updated_at.isoformat(),
    }
