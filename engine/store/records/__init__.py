"""What the store remembers, one frozen dataclass per kind. Times are aware and in UTC.

To change a record, make a new one with :func:`dataclasses.replace` and put it in a transaction.
A field may be added with a default at any time; renaming, removing or reinterpreting one needs a
migration (:mod:`engine.store.schemas`).
"""

from __future__ import annotations

from engine.store.records.backups import BackupRecord
from engine.store.records.base import Record
from engine.store.records.cells import CellAnnotation, CellCoordinates, CellType, DetectorPreset
from engine.store.records.jobs import Job, JobState, ResultRef
from engine.store.records.models import ModelRecord, NamedFile
from engine.store.records.patients import InferenceStatus, Patient, PatientAnnotation, Sample
from engine.store.records.people import Activity, OneTimeLink, Role, Session, User
from engine.store.records.pictures import Dataset, Image, Mask
from engine.store.records.predictions import Prediction
from engine.store.records.schedules import TrainingSchedule

__all__ = [
    "Activity",
    "BackupRecord",
    "CellAnnotation",
    "CellCoordinates",
    "CellType",
    "Dataset",
    "DetectorPreset",
    "Image",
    "InferenceStatus",
    "Job",
    "JobState",
    "Mask",
    "ModelRecord",
    "NamedFile",
    "OneTimeLink",
    "Patient",
    "PatientAnnotation",
    "Prediction",
    "Record",
    "ResultRef",
    "Role",
    "Sample",
    "Session",
    "TrainingSchedule",
    "User",
]
