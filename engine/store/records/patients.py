"""Patients, their samples, and what was found in them.

What tells who a patient is stays out of ``repr``, so that no log shows it by accident.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, final

from engine.store.documents import EMPTY
from engine.store.identity import now
from engine.store.records.base import Record

__all__ = ["InferenceStatus", "Patient", "PatientAnnotation", "Sample"]

InferenceStatus = Literal["pending", "processing", "completed", "failed"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Patient(Record):
    """A person whose samples are looked at. ``patient_id`` is the clinic's own number."""

    patient_id: str = field(repr=False)
    name: str = field(default="", repr=False)
    age: int | None = None
    gender: str = ""
    contact: str = field(default="", repr=False)
    comments: str = field(default="", repr=False)
    uploader_id: str = ""
    updated_at: datetime = field(default_factory=now)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Record):
    """One or many pictures of a patient's sample; ``inference_status`` is moved by the queue.

    ``patient_id`` is the id of the patient's *record*; ``s3_key`` the object that it came from.
    """

    job_id: str | None = None
    patient_id: str
    uploader_id: str = ""
    original_filename: str = field(default="", repr=False)
    s3_key: str = field(default="", repr=False)
    image_ids: tuple[str, ...] = ()
    inference_status: InferenceStatus = "pending"
    status_text: str = ""
    assigned_to: str | None = None
    updated_at: datetime = field(default_factory=now)
    details: Mapping[str, Any] = field(default=EMPTY, hash=False)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PatientAnnotation(Record):
    """What one person concluded about a patient: was there enough to see, and what is it."""

    patient_id: str
    user_id: str
    adequacy: Literal["adequate", "inadequate"]
    diagnosis: tuple[str, ...] = ()
    comments: str = field(default="", repr=False)
    updated_at: datetime = field(default_factory=now)
