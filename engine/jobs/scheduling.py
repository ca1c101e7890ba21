"""What a worker does by the clock: a backup when one is due, and nothing during a restore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.people.actors import SYSTEM

if TYPE_CHECKING:
    from engine.jobs.queue import Queue
    from engine.settings import Settings
    from engine.store import Store
    from engine.store.records import Job

__all__ = ["is_restoring", "submit_due_backup"]

_TASK: Final = "backup"


def is_restoring(settings: Settings) -> bool:
    """Whether a backup is being put back at this moment."""
    from engine.backups.activity import current_activity

    activity = current_activity(settings.backup_folder)
    return activity is not None and activity.kind == "restore"


def submit_due_backup(queue: Queue, store: Store, settings: Settings) -> Job | None:
    """Return the job of the backup that the clock asks for, ``None`` when it asks for none.

    However many workers ask, one job comes of it.
    """
    if _TASK not in queue.tasks or not settings.backup_interval_h:
        return None
    from engine.backups import Backups
    from engine.people.audit import open_audit
    from engine.store.files import open_files

    key = Backups(settings, store, open_files(settings), open_audit(settings)).due()
    if key is None:
        return None
    return queue.submit(_TASK, {"reason": "interval"}, actor=SYSTEM, idempotency_key=key)
