"""Trained models: where their files lie, what they were trained on, how good they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, final

from engine.store.documents import EMPTY
from engine.store.records.base import Record

__all__ = ["ModelRecord", "NamedFile"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFile:
    """A stored file under the name that it has in a model's folder."""

    name: str
    sha256: str
    size_bytes: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord(Record):
    """One version of a model. ``status`` is of its training, ``stage`` of its use."""

    name: str
    task: str = ""
    version: int = 1
    dataset_id: str | None = None
    dataset_manifest_sha256: str | None = None
    parent_id: str | None = None
    job_id: str | None = None
    status: Literal["training", "completed", "failed"] = "training"
    stage: Literal["candidate", "active", "retired"] = "candidate"
    stage_reason: str = ""
    files: tuple[NamedFile, ...] = ()
    hyperparameters: Mapping[str, Any] = field(default=EMPTY, hash=False)
    metrics: Mapping[str, Any] = field(default=EMPTY, hash=False)
    card: Mapping[str, Any] = field(default=EMPTY, hash=False)
    code_version: str = ""
    trained_at: datetime | None = None
    created_by: str = ""
