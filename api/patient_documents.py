"""Patients, samples and what was found, as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from engine.catalogue.patient_rows import PatientRow
from engine.store.records import CellAnnotation, Image, Patient, PatientAnnotation, Sample

if TYPE_CHECKING:
    from engine.catalogue.paging import Page

__all__ = [
    "cell_document",
    "finding_document",
    "listed",
    "patient_document",
    "row_document",
    "sample_document",
]


def patient_document(patient: Patient, *, is_open: bool = False) -> dict[str, Any]:
    """Return a patient; name and contact are null unless ``is_open``.

    ``patient_id`` is the clinic's number, ``id`` that of our record.
    """
    return {
        "id": patient.id,
        "patient_id": patient.patient_id,
        "name": patient.name if is_open else None,
        "age": patient.age,
        "gender": patient.gender,
        "contact": patient.contact if is_open else None,
        "comments": patient.comments,
        "uploader_id": patient.uploader_id,
        "created_at": patient.created_at.isoformat(),
        "updated_at": patient.updated_at.isoformat(),
    }


def row_document(row: PatientRow, patient: Patient | None = None) -> dict[str, Any]:
    """Return a patient with counts of samples; ``patient`` is the record with its name."""
    last = row.last_sample_at
    return {
        **patient_document(patient or row.patient, is_open=patient is not None),
        "sample_count": row.sample_count,
        "picture_count": row.picture_count,
        "samples_by_status": dict(row.states),
        "last_sample_at": last.isoformat() if last else None,
        "annotation": finding_document(row.finding) if row.finding else None,
    }


def sample_document(
    sample: Sample, patient_number: str, images: Iterable[Image] = (), *, root: str = ""
) -> dict[str, Any]:
    """Return a sample; ``patient_id`` is the clinic's number as in the older service."""
    return {
        "id": sample.id,
        "sample_id": sample.id,
        "job_id": sample.job_id,
        "patient_id": patient_number,
        "patient_record_id": sample.patient_id,
        "uploader_id": sample.uploader_id,
        "original_filename": sample.original_filename,
        "s3_key": sample.s3_key,
        "inference_status": sample.inference_status,
        "status_text": sample.status_text,
        "assigned_to": sample.assigned_to,
        "created_at": sample.created_at.isoformat(),
        "updated_at": sample.updated_at.isoformat(),
        "images": [_image(image, root) for image in images],
    }


def cell_document(cell: CellAnnotation) -> dict[str, Any]:
    """Return a marked cell; coordinates in pixels of its picture."""
    return {
        "id": cell.id,
        "sample_id": cell.sample_id,
        "image_id": cell.image_id,
        "user_id": cell.user_id,
        "cell_coordinates": asdict(cell.cell_coordinates),
        "cell_type": cell.cell_type,
        "comments": cell.comments,
        "confidence": cell.confidence,
        "origin": cell.origin,
        "created_at": cell.created_at.isoformat(),
        "updated_at": cell.updated_at.isoformat(),
    }


def finding_document(finding: PatientAnnotation) -> dict[str, Any]:
    """Return what one person concluded."""
    return {
        "id": finding.id,
        "patient_record_id": finding.patient_id,
        "user_id": finding.user_id,
        "adequacy": finding.adequacy,
        "diagnosis": list(finding.diagnosis),
        "comments": finding.comments,
        "created_at": finding.created_at.isoformat(),
        "updated_at": finding.updated_at.isoformat(),
    }


def listed(name: str, documents: list[dict[str, Any]], page: Page[Any]) -> dict[str, Any]:
    """Return one page of a list under its name."""
    return {name: documents, "count": page.count, "page": page.page, "pages": page.pages}


def _image(image: Image, root: str) -> dict[str, Any]:
    return {
        "id": image.id,
        "name": image.name,
        "width": image.width_px,
        "height": image.height_px,
        "sha256": image.sha256,
        "url": f"{root}/files/{image.sha256}",
        "removed": list(image.details.get("removed", ())),
    }
