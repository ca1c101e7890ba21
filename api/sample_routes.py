"""Samples over HTTP: send pictures, list, look, mark cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, get_args

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from api.asking import Desk, asked_by, in_thread, json_fields, text_of, whole_of
from api.patient_documents import cell_document, listed, sample_document
from api.schemas import PROBLEMS, body
from api.sent_pictures import SentForm, read_pictures
from engine.catalogue.marking import CellMark
from engine.catalogue.patient_fields import PatientFields
from engine.errors import RequestError
from engine.people.actors import Actor
from engine.store.records import InferenceStatus, Sample

if TYPE_CHECKING:
    from engine.catalogue.sample_pictures import Taken
    from engine.workbench import Workbench

__all__ = ["age_of", "build_sample_router", "samples_page"]

_MOST_MARKS: Final = 500
_SIDES: Final = ("x", "y", "width", "height")
_PARTS: Final = {
    "file": {"type": "string", "format": "binary"},
    "patient_id": {"type": "string"},
    **{name: {"type": "string"} for name in ("name", "gender", "contact", "comments")},
    "age": {"type": "integer"},
    "one_sample": {"type": "boolean"},
}
_FORM: Final = {
    "type": "object",
    "required": ["file", "patient_id"],
    "properties": _PARTS,
}
_UPLOAD: Final = {
    "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}
}


def build_sample_router(desk: Desk) -> APIRouter:
    """Return ``/api/v1/upload_img``, ``/samples`` and ``/annotate``."""
    router = APIRouter(prefix="/api/v1", tags=["samples"], responses=PROBLEMS)

    @router.post("/upload_img", status_code=201, openapi_extra=_UPLOAD)
    async def upload(request: Request) -> Response:
        """Send pictures of a patient as a form: `patient_id`, and one part `file` for each.

        Each picture is a sample, or all of them are one with `one_sample` true. A patient who is
        not there yet is added, with `name`, `age`, `gender`, `contact` and `comments`. What tells
        who or where in the files is left out and listed under `removed`.
        """
        actor = asked_by(request, "samples.add")
        form = await read_pictures(request, desk.settings)
        root = str(request.scope.get("root_path", ""))
        return JSONResponse(
            await in_thread(lambda: _sent(desk.workbench(), actor, form, root)), status_code=201
        )

    @router.get("/samples")
    async def samples(request: Request) -> Response:
        """List samples, newest first; `status`, `page` (from 1) and `size` (at most 200)."""
        actor = asked_by(request, "samples.view")
        return JSONResponse(await in_thread(lambda: samples_page(desk, request, actor)))

    @router.get("/samples/{sample_id}")
    async def sample(request: Request, sample_id: str) -> Response:
        """Return one sample with its pictures and marked cells; its job's id will do too."""
        actor = asked_by(request, "samples.view")
        root = str(request.scope.get("root_path", ""))

        def look() -> dict[str, Any]:
            workbench = desk.workbench()
            found = workbench.patients.sample(actor, sample_id)
            cells = workbench.patients.cells(actor, found)
            return {
                **_told(workbench, actor, found, root),
                "annotations": [cell_document(cell) for cell in cells],
            }

        return JSONResponse(await in_thread(look))

    fields = {"sample_id": "string", "image_id": "string", "cell_type": "string"}
    fields |= {"cell_coordinates": "object", "comments": "string"}

    @router.post("/annotate", status_code=201, openapi_extra=body("sample_id", **fields))
    async def annotate(request: Request) -> Response:
        """Mark a cell of a sample: `cell_coordinates` {x, y, width, height} in pixels, `cell_type`.

        Several at once, all or none: `annotations`, a list of such objects, beside `sample_id`.
        A sample of many pictures needs `image_id`.
        """
        actor = asked_by(request, "cells.annotate")
        given = await json_fields(request)
        name, marks = text_of(given, "sample_id", longest=128), _marks(given)
        stored = await in_thread(lambda: desk.workbench().patients.mark(actor, name, marks))
        documents = [cell_document(cell) for cell in stored]
        if "annotations" in given:
            return JSONResponse({"annotations": documents}, status_code=201)
        return JSONResponse(documents[0], status_code=201)

    return router


def samples_page(desk: Desk, request: Request, actor: Actor, patient: str = "") -> dict[str, Any]:
    """Return one page of samples, of all patients or of one."""
    asked = request.query_params
    page = whole_of(asked.get("page"), "page", otherwise=1, least=1, most=1_000_000)
    size = whole_of(asked.get("size"), "size", otherwise=50, least=1, most=200)
    status = asked.get("status", "")
    if status and status not in get_args(InferenceStatus):
        raise RequestError(
            f"'status' must be one of {', '.join(get_args(InferenceStatus))}, "
            f"but is {status[:40]!r}."
        )
    workbench, root = desk.workbench(), str(request.scope.get("root_path", ""))
    found = workbench.patients.samples(actor, patient=patient, state=status, page=page, size=size)
    documents = [_told(workbench, actor, sample, root) for sample in found.rows]
    return listed("samples", documents, found)


def age_of(value: object) -> int | None:
    """Return an age in years; nothing, null and an empty text are unknown.

    Raises
    ------
    RequestError
        When it is no whole number.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return whole_of(value.strip(), "age", otherwise=0, least=0, most=130)
    if isinstance(value, bool) or not isinstance(value, int):
        raise RequestError(f"'age' must be a whole number of years, but is {str(value)[:40]}.")
    return value


def _sent(workbench: Workbench, actor: Actor, form: SentForm, root: str) -> dict[str, Any]:
    texts = form.texts
    fields = PatientFields(
        patient_id=text_of(texts, "patient_id", longest=64),
        age=age_of(texts.get("age")),
        **{n: texts.get(n, "") for n in ("name", "gender", "contact", "comments")},
    )
    together = texts.get("one_sample", "").strip().lower() in ("1", "true", "yes", "on")
    taken = workbench.patients.send_for(actor, fields, form.pictures, together=together)
    documents = [_told(workbench, actor, sample, root) for sample in taken.samples]
    # The first one's fields stand at the top too: older clients send one picture.
    return {**documents[0], "samples": documents, **_left_out(taken)}


def _left_out(taken: Taken) -> dict[str, Any]:
    return {
        "refused": [{"name": one.name, "reason": one.why} for one in taken.refused],
        "removed": {name: list(fields) for name, fields in taken.removed},
    }


def _told(workbench: Workbench, actor: Actor, sample: Sample, root: str) -> dict[str, Any]:
    patient = workbench.patients.get(actor, sample.patient_id)
    images = workbench.patients.pictures(actor, sample)
    return sample_document(sample, patient.patient_id, images, root=root)


def _marks(given: Mapping[str, Any]) -> list[CellMark]:
    many = given.get("annotations")
    if many is None:
        return [_mark(given)]
    if not isinstance(many, list) or not 1 <= len(many) <= _MOST_MARKS:
        raise RequestError(f"'annotations' must be a list of 1 to {_MOST_MARKS} objects.")
    return [_mark(one) for one in many]


def _mark(given: object) -> CellMark:
    if not isinstance(given, Mapping):
        raise RequestError("Each of 'annotations' must be an object with 'cell_coordinates'.")
    box = given.get("cell_coordinates")
    if not isinstance(box, Mapping):
        raise RequestError("'cell_coordinates' must be an object with x, y, width and height.")
    sides = {side: _number(box.get(side), side) for side in _SIDES}
    image_id = given.get("image_id")
    return CellMark(
        **sides,
        cell_type=text_of(given, "cell_type", longest=60),
        comments=text_of(given, "comments", longest=2000, otherwise=""),
        image_id=None if image_id is None else text_of(given, "image_id", longest=128),
    )


def _number(value: object, side: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e9:
        raise RequestError(
            f"'{side}' of 'cell_coordinates' must be a number of pixels, but is {str(value)[:40]}."
        )
    return float(value)
