"""Puts a backup back: checked first, the present state saved, then everything in one step."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import final

from engine.backups.drawings import bring_drawings_back
from engine.backups.estate import Estate, reference_of
from engine.backups.maker import BEFORE_RESTORE, Maker
from engine.backups.opening import Archive, open_archive
from engine.backups.progress import Report, Span, part_of
from engine.backups.rehearsing import opened_store, scratch_home
from engine.backups.restoring import bring_audit_back, bring_files_back, require_files
from engine.backups.stopping import Running, stop_jobs
from engine.backups.swapping import Lost, compared, door_of, has_changed, swap
from engine.people.actors import Actor
from engine.store import Store, now
from engine.store.records import BackupRecord

__all__ = ["Preview", "Restored", "Restorer", "restored_of"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a restore would do; nothing was changed.

    ``lost`` has a row for each collection that would change, ``running`` the ids of jobs that
    would be stopped. ``actor_stays`` tells whether the one who asks stays signed in: had the same
    account, password and role then.
    """

    backup: BackupRecord
    lost: tuple[Lost, ...]
    running: tuple[str, ...]
    actor_stays: bool


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A restore that took place; ``kept_id`` is the backup of the state before it."""

    backup_id: str
    kept_id: str
    at: datetime
    by: str


@final
class Restorer:
    """Puts backups back; whoever calls ``restore`` holds the lock of the folder of backups."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._maker = Maker(estate)

    def preview(self, record: BackupRecord, actor: Actor, running: Running) -> Preview:
        """Return what a restore would take away and bring back."""
        store = self._estate.store
        with (
            open_archive(self._estate.history.path(record)) as archive,
            scratch_home(archive, self._estate.settings) as home,
        ):
            saved = opened_store(archive, home)
            now_user = store.users.read().get(actor.id)
            then_user = saved.users.read().get(actor.id)
            return Preview(
                backup=record,
                lost=compared(store, saved),
                running=tuple(running(store)),
                actor_stays=now_user is None
                or (then_user is not None and door_of(now_user) == door_of(then_user)),
            )

    def restore(
        self,
        record: BackupRecord,
        actor: Actor,
        report: Report,
        *,
        running: Running,
        spare: Collection[str],
    ) -> Restored:
        """Put a backup back, all of it or nothing; see :meth:`engine.backups.Backups.restore`."""
        estate = self._estate
        with open_archive(estate.history.path(record)) as archive:
            archive.check(Span(report, "checking", archive.unpacked_bytes, start=0.0, end=0.2))
            require_files(archive, estate.files)
            with scratch_home(archive, estate.settings) as home:
                saved = opened_store(archive, home)
                bring_audit_back(estate.audit, home)
                report(0.2, "asking running jobs to stop")
                stop_jobs(estate.store, running=running, spare=spare)
                kept = self._keep_present(actor, part_of(report, 0.2, 0.6))
                total = archive.manifest.file_bytes
                span = Span(report, "bringing stored files back", total, start=0.6, end=0.9)
                bring_files_back(archive, estate.files, packed=span)
                report(0.9, "putting the records in place")
                stop_jobs(estate.store, running=running, spare=spare)  # begun meanwhile
                restored = self._swap(archive, saved, record, kept, actor)
                # After the records: cut off before this, strokes are there that were drawn since.
                if archive.manifest.drawings is not None:
                    bring_drawings_back(home / "drawings", estate.drawings)
                return restored

    def _keep_present(self, actor: Actor, report: Report) -> BackupRecord:
        """Back the present state up, be it damaged."""
        damaged = self._estate.damaged()
        if not damaged:
            return self._maker.make(BEFORE_RESTORE, actor, report)
        text = f"Saved as it was before a restore, with damaged records: {', '.join(damaged)}."
        record = self._maker.save_as_is(actor, are_whole=False)
        record = replace(record, state="bad", error=text)
        return record if "backups" in damaged else self._estate.history.put(record)

    def _swap(
        self, archive: Archive, saved: Store, record: BackupRecord, kept: BackupRecord, actor: Actor
    ) -> Restored:
        estate, at = self._estate, now()
        damaged = estate.damaged()
        late: list[BackupRecord] = []

        def just_before() -> None:
            # What was written since the state was saved, a moment ago, is saved as well.
            digests = kept.details.get("digests", {})
            if not damaged and has_changed(estate.store, digests):
                late.append(self._maker.save_as_is(actor, are_whole=True))

        swap(estate.store, saved, damaged=damaged, at=at, just_before=just_before)
        # A collection of garbage may have taken files before records named them again.
        bring_files_back(archive, estate.files, packed=lambda _: None)
        for extra in late:
            kept = self._maker.check(estate.history.put(extra), lambda _f, _s: None)
        details = {
            **record.details,
            "restored_at": at.isoformat(),
            "restored_by": actor.id,
            "kept_id": kept.id,
        }
        estate.history.put(replace(record, details=details))
        estate.audit.write(
            actor,
            "backups.restore",
            record=reference_of(record),
            text=f"Put a backup back; the state before it is backup {kept.id}",
        )
        return Restored(backup_id=record.id, kept_id=kept.id, at=at, by=actor.id)


def restored_of(record: BackupRecord) -> Restored | None:
    """Return the latest restore of a backup, if there was one."""
    try:
        return Restored(
            backup_id=record.id,
            kept_id=record.details["kept_id"],
            at=datetime.fromisoformat(record.details["restored_at"]),
            by=record.details["restored_by"],
        )
    except (KeyError, TypeError, ValueError):
        return None
