"""Who sees which samples and patients.

Administrators see all, uploaders what they sent, annotators and reviewers what is assigned to
them. What somebody may not see is not there for them: the sentence is the same for both.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.errors import NotFoundError
from engine.people.actors import Actor
from engine.people.permissions import allowed
from engine.store.records import Image, Patient, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.store import Store

__all__ = [
    "hidden",
    "may_reveal",
    "require_patient",
    "require_sample",
    "sees_patient",
    "sees_sample",
    "visible_images",
    "visible_patients",
    "visible_samples",
]


def sees_sample(actor: Actor, sample: Sample) -> bool:
    """Say whether a sample is there for ``actor``."""
    if actor.role == "ADMIN":
        return True
    if actor.role == "UPLOADER":
        return sample.uploader_id == actor.id
    return actor.role is not None and sample.assigned_to == actor.id


def sees_patient(actor: Actor, patient: Patient, samples: Iterable[Sample]) -> bool:
    """Say whether a patient with these ``samples`` is there for ``actor``."""
    if actor.role == "ADMIN":
        return True
    if actor.role == "UPLOADER" and patient.uploader_id == actor.id:
        return True
    return any(sees_sample(actor, sample) for sample in samples)


def may_reveal(actor: Actor, patient: Patient) -> bool:
    """Say whether ``actor`` may see the name and contact: administrators, and who brought it."""
    return actor.role == "ADMIN" or (
        allowed(actor, "patients.manage") and patient.uploader_id == actor.id
    )


def hidden(patient: Patient) -> Patient:
    """Return the record without name and contact."""
    return replace(patient, name="", contact="")


def visible_samples(store: Store, actor: Actor) -> tuple[Sample, ...]:
    """Return the samples that are there for ``actor``, the newest first."""
    records = store.samples.read()
    if actor.role == "UPLOADER":
        found: Iterable[Sample] = records.where(uploader_id=actor.id)
    elif actor.role == "ADMIN":
        found = records.values()
    else:
        found = records.where(assigned_to=actor.id) if actor.role else ()
    return tuple(sorted(found, key=lambda sample: (sample.created_at, sample.id), reverse=True))


def visible_images(store: Store, actor: Actor, images: Iterable[Image]) -> list[Image]:
    """Return those of ``images`` that are there for ``actor``: of no sample, or of one they see."""
    samples = store.samples.read()
    found = []
    for image in images:
        sample = samples.get(image.sample_id) if image.sample_id else None
        if not image.sample_id or (sample is not None and sees_sample(actor, sample)):
            found.append(image)
    return found


def visible_patients(store: Store, actor: Actor) -> tuple[Patient, ...]:
    """Return the patients that are there for ``actor``, the newest first."""
    named = {sample.patient_id for sample in visible_samples(store, actor)}
    found = [
        patient
        for patient in store.patients.read()
        if actor.role == "ADMIN" or patient.id in named or sees_patient(actor, patient, ())
    ]
    return tuple(sorted(found, key=lambda patient: (patient.created_at, patient.id), reverse=True))


def require_sample(store: Store, actor: Actor, name: str) -> Sample:
    """Return the sample with that id, or that of its job.

    Raises
    ------
    NotFoundError
        When there is none, or none for this actor.
    """
    records = store.samples.read()
    found = records.get(name)
    for sample in (found,) if found else records.where(job_id=name):
        if sample is not None and sees_sample(actor, sample):
            return sample
    raise NotFoundError(
        f"There is no sample {name[:80]!r} for you; it was removed, or belongs to somebody else. "
        "Choose one from the list."
    )


def require_patient(store: Store, actor: Actor, name: str) -> Patient:
    """Return the patient with that id, or with that number of the clinic.

    Raises
    ------
    NotFoundError
        When there is none, or none for this actor.
    """
    records = store.patients.read()
    found = records.get(name)
    candidates = (found,) if found else records.where(patient_id=name)
    for patient in candidates:
        samples = store.samples.read().where(patient_id=patient.id)
        if sees_patient(actor, patient, samples):
            return patient
    raise NotFoundError(
        "There is no such patient for you; the record was removed, or belongs to somebody else. "
        "Choose one from the list."
    )
