"""A backup while the store cannot be opened yet: before its records are rewritten."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

from engine.backups.activity import Work
from engine.backups.capturing import captured_audit, captured_files
from engine.backups.history import archive_name, note_rehearsed
from engine.backups.making import Order, write_archive
from engine.backups.rehearsing import rehearse
from engine.backups.space import require_space
from engine.people.audit import open_audit
from engine.settings import Settings
from engine.store import new_id
from engine.store.files import open_files

__all__ = ["keep_before_migration"]

_logger = logging.getLogger(__name__)
_WAIT_S = 60.0


def keep_before_migration(settings: Settings, reason: str) -> Path:
    """Save the records as they are, in their older form, and rehearse what was saved.

    Hand it to :class:`engine.store.Store` as ``before_migration``. A migration touches no stored
    file, so the archive lists these without holding them.

    Raises
    ------
    LightboxError
        When no good backup could be made; nothing is migrated then.
    """
    folder, at, name = settings.backup_folder, datetime.now(UTC), new_id()
    audit = open_audit(settings)
    with (
        Work(folder, "backup", id=name, wait_s=_WAIT_S),
        captured_files(settings.home / "records") as captured,
        captured_audit(audit) as (audit_parts, audit_count),
    ):
        size = sum(part.size for part in (*captured.parts, *audit_parts))
        require_space(folder, size, what="the backup before a migration")
        order = Order(
            path=folder / archive_name(name, at),
            id=name,
            created_at=at,
            reason="before migration",
            made_by="system",
            captured=captured,
            audit=audit_parts,
            audit_count=audit_count,
            files=None,
            listed=tuple(open_files(settings).list()),
        )
        saved = write_archive(order, packed=lambda _: None)
        rehearse(order.path, settings, lambda _fraction, _stage: None)
        note_rehearsed(order.path, saved.sha256)
    _logger.info("backup %s was made %s", name, reason)
    return order.path
