"""Backups of one home: made, rehearsed, kept, looked at, removed and put back."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, final

from engine.backups.activity import Activity, Kind, Work, current_activity
from engine.backups.estate import Estate, reference_of
from engine.backups.history import History, archive_name, record_of
from engine.backups.maker import Maker
from engine.backups.opening import open_archive
from engine.backups.packing import PART_SUFFIX, sync_folder
from engine.backups.progress import Report
from engine.backups.restorer import Preview, Restored, Restorer, restored_of
from engine.backups.retention import prunable
from engine.backups.space import full_disk_told, require_space
from engine.backups.stopping import Running, recorded_as_running
from engine.backups.swapping import has_changed
from engine.errors import LightboxError, RequestError
from engine.people.actors import SYSTEM, Actor
from engine.people.audit import AuditLog
from engine.settings import Settings
from engine.store import Store, now
from engine.store.files import Files
from engine.store.records import BackupRecord

__all__ = ["BY_HAND", "INTERVAL", "Backups"]

_logger = logging.getLogger(__name__)

BY_HAND: Final = "by hand"
INTERVAL: Final = "interval"
_QUICK_BYTES: Final = 300_000_000
"""Stored files that a backup before shutdown takes along; above, it lists them: nobody waits."""


@final
class Backups:
    """The backups of one home; safe to use from threads and from several processes at once."""

    def __init__(self, settings: Settings, store: Store, files: Files, audit: AuditLog) -> None:
        history = History(settings.backup_folder, store)
        self._estate = Estate(
            settings=settings, store=store, files=files, audit=audit, history=history
        )
        self._history = history
        self._maker = Maker(self._estate)
        self._restorer = Restorer(self._estate)

    @property
    def folder(self) -> Path:
        """Where the archives lie."""
        return self._estate.folder

    # --- looking ---------------------------------------------------------------------------------

    def list(self) -> tuple[BackupRecord, ...]:
        """Return all backups, newest first."""
        return self._history.all()

    def get(self, name: str) -> BackupRecord:
        """Return one backup by its id, the beginning of its id, or ``latest`` (the last good one).

        Raises
        ------
        NotFoundError
            When there is none, or more than one.
        """
        return self._history.get(name)

    def archive(self, name: str) -> Path:
        """Return the file of a backup.

        Raises
        ------
        NotFoundError
            When there is no such backup or file.
        """
        return self._history.path(self.get(name))

    def activity(self) -> Activity | None:
        """Return what any process does with the backups just now."""
        return current_activity(self.folder)

    def last_restore(self) -> Restored | None:
        """Return the latest restore, if there was any."""
        done = [found for row in self.list() if (found := restored_of(row)) is not None]
        return max(done, key=lambda row: row.at, default=None)

    def due(self, *, at: datetime | None = None) -> str | None:
        """Return a key for the backup that the clock asks for; ``None`` when it asks for none.

        The first one is due at once. After one that failed, the next try is an hour later; the
        key is the same within an hour, so that whoever asks twice starts one.
        """
        at = at or now()
        interval = timedelta(hours=self._estate.settings.backup_interval_h)
        if not interval:
            return None
        rows = [row for row in self.list() if row.state != "found"]
        is_tried = any(at - row.created_at < timedelta(hours=1) for row in rows)
        is_covered = any(row.state == "good" and at - row.created_at < interval for row in rows)
        return None if is_tried or is_covered else f"backup-{at:%Y%m%dT%H}"

    def preview(
        self, name: str, *, actor: Actor = SYSTEM, running: Running = recorded_as_running
    ) -> Preview:
        """Return what a restore would take away and bring back; changes nothing.

        Raises
        ------
        NotFoundError, BackupError, DamagedStoreError
            When the backup or the present records cannot be read.
        """
        return self._restorer.preview(self.get(name), actor, running)

    # --- making ----------------------------------------------------------------------------------

    def make(
        self, reason: str = BY_HAND, *, actor: Actor = SYSTEM, progress: Report | None = None
    ) -> BackupRecord:
        """Make a backup, rehearse it, and remove what is older than need be.

        Raises
        ------
        BusyError
            When another backup or restore is under way.
        DiskShortError
            When it does not fit; nothing half-made is left.
        BackupError
            When the rehearsal failed; the archive stays and is called bad.
        DamagedStoreError
            When records are damaged.
        """
        with self._working("backup", progress) as report:
            record = self._maker.make(reason, actor, report)
            self._prune(SYSTEM)
            return record

    def before_shutdown(self) -> BackupRecord | None:
        """Make a backup if anything changed since the last good one; never raises.

        Stored files above 300 MB are listed and not taken along.
        """
        try:
            if not self._has_changed():
                return None
            takes_files = sum(file.size for file in self._estate.listed()) <= _QUICK_BYTES
            with self._working("backup") as report:
                return self._maker.make("before shutdown", SYSTEM, report, takes_files=takes_files)
        except (LightboxError, OSError) as problem:
            _logger.error("no backup before shutdown: %s", problem)
            return None

    def verify(
        self, name: str, *, actor: Actor = SYSTEM, progress: Report | None = None
    ) -> BackupRecord:
        """Rehearse a backup again and write down whether it is good.

        Raises
        ------
        NotFoundError, BusyError
            When there is no such archive, or another work is under way.
        BackupError
            When it is not good; that is written down.
        """
        with self._working("check", progress) as report:
            self._history.tidy()
            record = self._maker.check(self.get(name), report)
            self._estate.audit.write(
                actor, "backups.make", record=reference_of(record), text="Checked a backup: good"
            )
            return record

    def adopt(self, path: Path) -> BackupRecord:
        """Copy an archive from elsewhere into the folder of backups, after a look at all of it.

        Raises
        ------
        BackupError
            When it is no whole backup of Lightbox; nothing is kept of it.
        DiskShortError
            When it does not fit.
        """
        with open_archive(path) as archive:
            archive.check(lambda _: None)
            manifest = archive.manifest
        known = [row for row in self.list() if row.id == manifest.id and row.state != "bad"]
        if known:
            return known[0]
        with self._working("check"):
            require_space(self.folder, path.stat().st_size, what="the backup")
            target = self.folder / archive_name(manifest.id, manifest.created_at)
            _copy(path, target)
            return self._history.put(record_of(manifest, target))

    # --- removing --------------------------------------------------------------------------------

    def prune(self, *, actor: Actor = SYSTEM) -> tuple[BackupRecord, ...]:
        """Remove the backups that the rule of days and weeks lets go; returns them."""
        with self._working("clean-up"):
            self._history.tidy()
            return self._prune(actor)

    def remove(self, name: str, *, actor: Actor = SYSTEM) -> BackupRecord:
        """Remove one backup by hand.

        Raises
        ------
        RequestError
            When it is the only good one.
        """
        with self._working("clean-up"):
            record = self.get(name)
            if [row.id for row in self.list() if row.state == "good"] == [record.id]:
                raise RequestError(
                    "This is the only good backup, and it stays; make another one first."
                )
            self._removed(record, actor)
            return record

    # --- putting back ----------------------------------------------------------------------------

    def restore(
        self,
        name: str,
        *,
        actor: Actor = SYSTEM,
        progress: Report | None = None,
        running: Running = recorded_as_running,
        spare: Collection[str] = (),
    ) -> Restored:
        """Put a backup back: all of it, or nothing, even when killed midway.

        The present state is backed up first. Jobs that run are asked to stop, but those whose ids
        are in ``spare``. A backup of an older version is migrated on its way. What happened is
        not undone: jobs, activities, the audit log and the list of backups stay.

        Raises
        ------
        NotFoundError, BackupError
            When there is no such backup or it is not whole; nothing was changed.
        BusyError
            When another work is under way, or jobs did not stop; nothing was changed.
        DiskShortError, MemoryShortError
            When it does not fit; nothing was changed.
        """
        with self._working("restore", progress) as report:
            record = self.get(name)
            return self._restorer.restore(record, actor, report, running=running, spare=spare)

    # --- inside ----------------------------------------------------------------------------------

    @contextmanager
    def _working(self, kind: Kind, progress: Report | None = None) -> Iterator[Report]:
        with Work(self.folder, kind) as work:

            def report(fraction: float, stage: str) -> None:
                work.report(fraction, stage)
                if progress is not None:
                    progress(fraction, stage)

            yield report

    def _has_changed(self) -> bool:
        good = [row for row in self.list() if row.state == "good"]
        if not good:
            return any(len(snapshot) for snapshot in self._estate.store.read().values())
        return has_changed(self._estate.store, good[0].details.get("digests", {}))

    def _prune(self, actor: Actor) -> tuple[BackupRecord, ...]:
        settings = self._estate.settings
        gone = prunable(
            self.list(),
            at=now(),
            daily=settings.backup_keep_daily,
            weekly=settings.backup_keep_weekly,
        )
        for record in gone:
            self._removed(record, actor)
        return gone

    def _removed(self, record: BackupRecord, actor: Actor) -> None:
        self._history.remove(record)
        self._estate.audit.write(
            actor, "backups.delete", record=reference_of(record), text="Removed a backup"
        )


def _copy(source: Path, target: Path) -> None:
    """Copy a file to its place, whole or not at all."""
    part = target.with_name(target.name + PART_SUFFIX)
    try:
        with full_disk_told(target.parent, what="copying the backup"):
            shutil.copyfile(source, part)
            part.chmod(0o600)
            with part.open("rb") as stream:
                os.fsync(stream.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(target.parent)
