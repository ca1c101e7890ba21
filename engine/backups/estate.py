"""All of one home that a backup has to do with, handed about together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from engine.backups.history import History
from engine.people.audit import AuditLog
from engine.settings import Settings
from engine.store import Store
from engine.store.files import Files, StoredFile, are_remote
from engine.store.records import BackupRecord

__all__ = ["Estate", "reference_of"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """Records, stored files, audit log and backups of one home."""

    settings: Settings
    store: Store
    files: Files
    audit: AuditLog
    history: History

    @property
    def folder(self) -> Path:
        """Where the archives lie."""
        return self.settings.backup_folder

    @property
    def drawings(self) -> Path:
        """Where the strokes of each picture are kept as they end."""
        return self.settings.home / "drawings"

    @property
    def files_are_remote(self) -> bool:
        """Whether stored files lie in a bucket, so that archives only list them."""
        return are_remote(self.settings)

    def listed(self) -> tuple[StoredFile, ...]:
        """Return all stored files."""
        return tuple(self.files.list())

    def damaged(self) -> tuple[str, ...]:
        """Return the collections that cannot be read."""
        return tuple(damage.name for damage in self.store.damage())


def reference_of(record: BackupRecord) -> str:
    """Return how the audit log names a backup."""
    return f"backups/{record.id}"
