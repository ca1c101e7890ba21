"""Kinds of cells and the cells marked in pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, final

from engine.store.documents import EMPTY
from engine.store.identity import now
from engine.store.records.base import Record

__all__ = ["CellAnnotation", "CellCoordinates", "CellType", "DetectorPreset"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CellType(Record):
    """A kind of cell that people may choose. A retired one stays readable and is not offered."""

    name: str
    colour: str = "#808080"
    key: str = ""
    description: str = ""
    retired: bool = False
    updated_at: datetime = field(default_factory=now)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CellCoordinates:
    """A box in pixels of the original picture: left edge, upper edge, width, height."""

    x: float
    y: float
    width: float
    height: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CellAnnotation(Record):
    """One cell in a sample's picture: where, which kind, who says so (``SampleAnnotation``)."""

    sample_id: str | None = None
    image_id: str | None = None
    user_id: str
    cell_coordinates: CellCoordinates
    cell_type: str
    comments: str = ""
    confidence: float | None = None
    origin: Literal["human", "model", "edited", "imported"] = "human"
    updated_at: datetime = field(default_factory=now)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorPreset(Record):
    """Parameters of a detector under a name that people gave them."""

    name: str
    backend: str
    parameters: Mapping[str, Any] = field(default=EMPTY, hash=False)
    created_by: str = ""
    updated_at: datetime = field(default_factory=now)
