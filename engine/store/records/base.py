"""What every record has: an id, the moment of its making, and what a newer Lightbox put there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine.store.documents import EMPTY
from engine.store.identity import new_id, now

__all__ = ["Record"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Base of all records; never made itself.

    ``extra`` holds the fields of the stored form that this version does not know. They are kept
    when the record is written back, so an older Lightbox loses nothing of a newer one.
    """

    id: str = field(default_factory=new_id)
    created_at: datetime = field(default_factory=now)
    extra: Mapping[str, Any] = field(default=EMPTY, repr=False, hash=False)
