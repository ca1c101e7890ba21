"""Patients over HTTP: list with counts, one patient's samples, add, conclude."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from api.asking import Desk, asked_by, in_thread, json_fields, text_of, whole_of
from api.patient_documents import finding_document, listed, patient_document, row_document
from api.sample_routes import age_of, samples_page
from api.schemas import PROBLEMS, body
from engine.catalogue.patient_fields import PatientFields
from engine.errors import RequestError

__all__ = ["build_patient_router"]


def build_patient_router(desk: Desk) -> APIRouter:
    """Return ``/api/v1/patients``, ``/patient/{patient_id}/samples`` and ``/annotate/patient``."""
    router = APIRouter(prefix="/api/v1", tags=["patients"], responses=PROBLEMS)

    @router.get("/patients")
    async def patients(request: Request) -> Response:
        """List patients with counts of samples, newest first; `search`, `page`, `size`.

        `name` and `contact` are null, unless `reveal` is true and they are yours to see; that you
        looked is written down.
        """
        actor = asked_by(request, "patients.view")
        asked = request.query_params
        page = whole_of(asked.get("page"), "page", otherwise=1, least=1, most=1_000_000)
        size = whole_of(asked.get("size"), "size", otherwise=50, least=1, most=200)
        words, reveal = asked.get("search", "")[:200], asked.get("reveal", "") in ("1", "true")

        def look() -> dict[str, Any]:
            catalogue = desk.workbench().patients
            found = catalogue.list(actor, words=words, page=page, size=size)
            documents = []
            for row in found.rows:
                is_open = reveal and catalogue.may_reveal(actor, row.patient)
                shown = catalogue.reveal(actor, row.patient.id) if is_open else None
                documents.append(row_document(row, shown))
            return listed("patients", documents, found)

        return JSONResponse(await in_thread(look))

    fields = dict.fromkeys(("patient_id", "name", "gender", "contact", "comments"), "string")

    @router.post(
        "/patients", status_code=201, openapi_extra=body("patient_id", **fields, age="integer")
    )
    async def add(request: Request) -> Response:
        """Add a patient: `patient_id` (the clinic's number), `name`, `age`, `gender`, `contact`."""
        actor = asked_by(request, "patients.manage")
        given = await json_fields(request)
        texts = {name: text_of(given, name, longest=4000, otherwise="") for name in fields}
        wanted = PatientFields(**texts, age=age_of(given.get("age")))
        patient = await in_thread(lambda: desk.workbench().patients.add(actor, wanted))
        return JSONResponse(patient_document(patient), status_code=201)

    @router.get("/patient/{patient_id}/samples")
    async def samples(request: Request, patient_id: str) -> Response:
        """List a patient's samples, newest first; `status`, `page`, `size` as for all samples.

        `patient_id` is the clinic's number, or the id of our record.
        """
        actor = asked_by(request, "patients.view")

        def look() -> dict[str, Any]:
            catalogue = desk.workbench().patients
            patient = catalogue.get(actor, patient_id)
            findings = catalogue.findings(actor, patient)
            return {
                "patient": patient_document(patient),
                **samples_page(desk, request, actor, patient.id),
                "annotations": [finding_document(finding) for finding in findings],
            }

        return JSONResponse(await in_thread(look))

    @router.get("/patient/{patient_id}/report", response_class=Response)
    async def report(request: Request, patient_id: str) -> Response:
        """Return a patient's report: `format` html (default) or pdf; `reveal` as in the list."""
        actor = asked_by(request, "patients.view")
        asked = request.query_params
        kind = _kind(asked.get("format", "html"))
        with_name = asked.get("reveal", "") in ("1", "true")
        catalogue = desk.workbench().patients
        content = await in_thread(
            lambda: catalogue.report(actor, patient_id, kind=kind, with_name=with_name)
        )
        return Response(
            content,
            media_type="application/pdf" if kind == "pdf" else "text/html; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="patient-report.{kind}"',
                "Cache-Control": "no-store",
            },
        )

    finding = {"patient_id": "string", "adequacy": "string", "diagnosis": "array"}

    @router.post(
        "/annotate/patient",
        status_code=201,
        openapi_extra=body("patient_id", "adequacy", **finding, comments="string"),
    )
    async def conclude(request: Request) -> Response:
        """Write your finding: `adequacy` adequate or inadequate, `diagnosis` codes, `comments`.

        The one that you wrote before is changed.
        """
        actor = asked_by(request, "patients.annotate")
        given = await json_fields(request)
        name = text_of(given, "patient_id", longest=128)
        adequacy = text_of(given, "adequacy", longest=40)
        comments = text_of(given, "comments", longest=4000, otherwise="")
        codes = given.get("diagnosis", [])
        if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
            raise RequestError("'diagnosis' must be a list of codes, such as [\"J84.1\"].")
        stored = await in_thread(
            lambda: desk.workbench().patients.conclude(
                actor, name, adequacy=adequacy, diagnosis=codes, comments=comments
            )
        )
        return JSONResponse(finding_document(stored), status_code=201)

    return router


def _kind(text: str) -> Literal["html", "pdf"]:
    if text == "html":
        return "html"
    if text == "pdf":
        return "pdf"
    raise RequestError(f"'format' must be html or pdf, but is {text[:40]!r}.")
