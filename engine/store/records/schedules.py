"""Trainings that start by themselves: when, on which dataset, and what they did so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, final

from engine.store.documents import EMPTY
from engine.store.records.base import Record

__all__ = ["TrainingSchedule"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSchedule(Record):
    """When a training is to start.

    ``at``: once, at the time ``at``. ``after_new_masks``: each time when ``new_masks`` more
    pictures have a mask than ``seen_masks``, the number when it last started. ``after_import``:
    each time when pictures were brought into the dataset. ``last_cause`` names what it started for
    last, so that nothing starts it twice.
    """

    dataset_id: str
    kind: Literal["at", "after_new_masks", "after_import"]
    name: str = ""
    wishes: Mapping[str, Any] = field(default=EMPTY, hash=False)
    at: datetime | None = None
    new_masks: int = 0
    seen_masks: int = 0
    created_by: str = ""
    started: int = 0
    last_job_id: str | None = None
    last_cause: str = ""
    problem: str = ""
