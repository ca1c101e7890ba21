"""Backups: what was saved, and whether it could be read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, final

from engine.store.documents import EMPTY
from engine.store.records.base import Record

__all__ = ["BackupRecord"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRecord(Record):
    """One backup; ``good`` only after it was restored into a scratch home and compared.

    ``found`` is an archive that lay in the folder of backups and has not been looked at yet.
    """

    state: Literal["making", "rehearsing", "good", "bad", "found"] = "making"
    reason: str = ""
    created_by: str = ""
    finished_at: datetime | None = None
    file: str = ""
    sha256: str = ""
    size_bytes: int = 0
    record_counts: Mapping[str, Any] = field(default=EMPTY, hash=False)
    file_count: int = 0
    file_bytes: int = 0
    files_included: bool = True
    error: str = ""
    details: Mapping[str, Any] = field(default=EMPTY, hash=False)
