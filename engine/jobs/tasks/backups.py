"""``backup``, ``verify_backup`` and ``restore``: backups made, checked and put back by a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from engine.errors import RequestError
from engine.jobs.task import Need, Payload, Task

if TYPE_CHECKING:
    from collections.abc import Collection

    from engine.backups import Backups, Running
    from engine.jobs.context import JobContext
    from engine.settings import Settings
    from engine.store import Store

__all__ = [
    "BACKUP",
    "RESTORE",
    "VERIFY_BACKUP",
    "make_backup",
    "restore_backup",
    "running_jobs",
    "verify_backup",
]

_REASONS: Final = ("by hand", "interval")
_LONGEST_ID: Final = 64
_BASE_MB: Final = 150.0
_MEMORY_TIMES: Final = 10  # records in memory, twice, to their bytes on the disk


def _checked_reason(payload: Payload) -> dict[str, Any]:
    """Return why the backup is made, by hand when nothing is said."""
    reason = payload.get("reason", _REASONS[0])
    if set(payload) - {"reason"} or reason not in _REASONS:
        raise RequestError(
            f"A backup takes 'reason', one of {', '.join(_REASONS)}, and nothing else."
        )
    return {"reason": reason}


def _checked_id(payload: Payload) -> dict[str, Any]:
    """Return which backup it is about."""
    name = payload.get("backup")
    if set(payload) != {"backup"} or not isinstance(name, str) or not 0 < len(name) <= _LONGEST_ID:
        raise RequestError("This task takes 'backup', the id of a backup, and nothing else.")
    return {"backup": name}


def _forecast(payload: Payload, settings: Settings) -> Need:  # noqa: ARG001 – a forecast's form
    paths = (settings.home / "records").glob("*.json")
    size = sum(path.stat().st_size for path in paths if path.name.count(".") == 1)
    return Need(memory_mb=_BASE_MB + _MEMORY_TIMES * size / 1e6)


BACKUP: Final = Task(
    name="backup",
    title="Make a backup",
    description="Saves records, audit log and files, then restores them on trial and compares.",
    run="engine.jobs.tasks.backups:make_backup",
    action="backups.make",
    check=_checked_reason,
    forecast=_forecast,
)

VERIFY_BACKUP: Final = Task(
    name="verify_backup",
    title="Check a backup",
    description="Restores a backup on trial again and compares every byte.",
    run="engine.jobs.tasks.backups:verify_backup",
    action="backups.make",
    check=_checked_id,
    forecast=_forecast,
)

RESTORE: Final = Task(
    name="restore",
    title="Put a backup back",
    description="Saves the present state, stops other jobs and puts a backup in its place.",
    run="engine.jobs.tasks.backups:restore_backup",
    action="backups.restore",
    check=_checked_id,
    forecast=_forecast,
    # Cut off, it has changed nothing, and whoever asked decides anew.
    max_attempts=1,
)


def running_jobs(settings: Settings) -> Running:
    """Return what tells the jobs that living workers have in hand."""
    from engine.jobs.presence import workers_seen

    def running(store: Store) -> Collection[str]:
        alive = {seen.worker for seen in workers_seen(settings) if seen.is_alive}
        jobs = store.jobs.read().where(state="processing")
        return [job.id for job in jobs if job.worker in alive]

    return running


def make_backup(context: JobContext) -> str:
    """Make and rehearse a backup."""
    record = _backups(context).make(
        str(context.payload["reason"]), actor=context.actor, progress=context.report
    )
    context.result("backup", record.id, f"Backup of {record.created_at:%Y-%m-%d %H:%M} UTC")
    records = sum(n for name, n in record.record_counts.items() if name != "backups")
    return (
        f"Backup {record.id} is good. Records: {records:,}, files: {record.file_count:,}, "
        f"size: {record.size_bytes / 1e6:,.1f} MB."
    )


def verify_backup(context: JobContext) -> str:
    """Rehearse a backup again."""
    record = _backups(context).verify(
        str(context.payload["backup"]), actor=context.actor, progress=context.report
    )
    context.result("backup", record.id, f"Backup of {record.created_at:%Y-%m-%d %H:%M} UTC")
    return f"Backup {record.id} is good: every byte was read, and it was restored on trial."


def restore_backup(context: JobContext) -> str:
    """Put a backup back, after the present state was saved."""
    done = _backups(context).restore(
        str(context.payload["backup"]),
        actor=context.actor,
        progress=context.report,
        running=running_jobs(context.settings),
        spare=(context.job.id,),
    )
    context.result("backup", done.backup_id, "The backup that was put back")
    context.result("backup", done.kept_id, "The state before, for the way back")
    return (
        f"Backup {done.backup_id} is back. The state before it is backup {done.kept_id}: put that "
        "back to undo."
    )


def _backups(context: JobContext) -> Backups:
    from engine.backups import Backups
    from engine.people.audit import open_audit

    audit = open_audit(context.settings)
    return Backups(context.settings, context.store, context.files, audit)
