"""Datasets, their pictures and the masks drawn on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, final

from engine.store.documents import EMPTY
from engine.store.identity import now
from engine.store.records.base import Record

__all__ = ["Dataset", "Image", "Mask"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset(Record):
    """A named set of pictures. ``manifest_sha256`` names the file that froze its last version."""

    name: str
    description: str = ""
    status: Literal["uploaded", "importing", "ready", "error"] = "uploaded"
    status_text: str = ""
    source: str = ""
    file_count: int = 0
    total_bytes: int = 0
    classes: tuple[str, ...] = ()
    version: int = 0
    manifest_sha256: str | None = None
    is_sample: bool = False
    created_by: str = ""
    updated_at: datetime = field(default_factory=now)
    details: Mapping[str, Any] = field(default=EMPTY, hash=False)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Record):
    """One picture: its file by content hash, its size in pixels, and where it belongs.

    ``group`` is what must not be split between training and test (a patient, a slide).
    ``pixel_size_um`` is the edge of a pixel in micrometres, ``None`` when unknown.
    """

    name: str = field(repr=False)
    sha256: str
    media_type: str
    size_bytes: int = 0
    width_px: int = 0
    height_px: int = 0
    channels: int = 3
    bits: int = 8
    pixel_size_um: float | None = None
    dataset_id: str | None = None
    sample_id: str | None = None
    thumbnail_sha256: str | None = None
    perceptual_hash: str | None = None
    group: str = ""
    split: Literal["", "train", "validation", "test"] = ""
    status: Literal["new", "in_progress", "to_review", "sent_back", "approved"] = "new"
    assigned_to: str | None = None
    uploader_id: str = ""
    updated_at: datetime = field(default_factory=now)
    details: Mapping[str, Any] = field(default=EMPTY, hash=False)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Mask(Record):
    """One revision of the mask of a picture: who, when, and from which earlier one.

    ``sha256`` names the file of one byte per pixel; ``parent`` is the id of the revision that it
    was made from, ``None`` for the first; ``counts`` are pixels per state.
    """

    image_id: str
    sha256: str
    revision: int = 1
    author: str = ""
    at: datetime = field(default_factory=now)
    parent: str | None = None
    origin: Literal["human", "model", "edited", "imported", "drawn"] = "human"
    model_id: str | None = None
    strokes_sha256: str | None = None
    state: Literal["draft", "submitted", "approved", "sent_back"] = "draft"
    comment: str = ""
    counts: Mapping[str, Any] = field(default=EMPTY, hash=False)
    details: Mapping[str, Any] = field(default=EMPTY, hash=False)
