"""The backups that there are: what was written down of them, and what lies in their folder.

The archives are the truth: one that nobody wrote down (made before a migration, copied here from
another disk) is found, and a record whose archive is gone says so.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import final

from engine.backups.manifest import Manifest
from engine.backups.opening import open_archive
from engine.backups.packing import PART_SUFFIX
from engine.errors import BackupError, LightboxError, NotFoundError
from engine.settings import Settings
from engine.store import Store
from engine.store.records import BackupRecord

__all__ = ["History", "archive_name", "note_rehearsed", "record_of", "referenced_files"]

_logger = logging.getLogger(__name__)


@final
class History:
    """All backups of one home."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder, self._store = folder, store
        self._seen: dict[str, tuple[int, int, BackupRecord | None]] = {}

    def all(self) -> tuple[BackupRecord, ...]:
        """Return all backups, newest first."""
        written = self._written()
        files = {record.file for record in written if record.file}
        known = {record.id for record in written}
        found = [
            record
            for path in self._archives()
            if path.name not in files and (record := self._found(path)) and record.id not in known
        ]
        rows = [*(self._with_loss(record) for record in written), *found]
        return tuple(sorted(rows, key=lambda record: (record.created_at, record.id), reverse=True))

    def get(self, name: str) -> BackupRecord:
        """Return the backup with this id, or whose id alone begins with it; ``latest`` is a name.

        Raises
        ------
        NotFoundError
            When there is none, or more than one.
        """
        rows = self.all()
        if name == "latest":
            rows = tuple(record for record in rows if record.state == "good")[:1]
        else:
            exact = tuple(record for record in rows if record.id == name)
            rows = exact or tuple(r for r in rows if len(name) >= 4 and r.id.startswith(name))
        if len(rows) != 1:
            raise NotFoundError(
                f"Expected the id of one backup, but {name[:64]!r} fits {len(rows)}; take one from "
                "the list of backups."
            )
        return rows[0]

    def path(self, record: BackupRecord) -> Path:
        """Return the archive of a backup.

        Raises
        ------
        NotFoundError
            When it has none, or it is gone.
        """
        path = self._folder / Path(record.file).name
        if not record.file or not path.is_file():
            raise NotFoundError(
                f"Expected the archive of backup {record.id} in {self._folder}, but there is none; "
                f"{record.error or 'it was removed'}. Choose another backup."
            )
        return path

    def put(self, record: BackupRecord) -> BackupRecord:
        """Write a backup down."""
        with self._store.backups.transaction() as backups:
            return backups.put(record)

    def remove(self, record: BackupRecord) -> None:
        """Remove an archive and what is written of it."""
        if record.file:
            path = self._folder / Path(record.file).name
            path.unlink(missing_ok=True)
            _note(path).unlink(missing_ok=True)
        with self._store.backups.transaction() as backups:
            backups.remove(record.id)

    def tidy(self) -> None:
        """Put right what a killed program left; only the holder of the lock may."""
        for path in self._folder.glob(f"*{PART_SUFFIX}"):
            path.unlink(missing_ok=True)
        written = {record.id for record in self._written()}
        for record in self.all():
            if record.id not in written:
                self.put(record)
        for record in self._written():
            if record.state == "making":
                text = "It was interrupted before it was complete; nothing was kept of it."
                self.put(replace(record, state="bad", error=text, file=""))
            elif record.state == "rehearsing":
                self.put(replace(record, state="found"))

    def _written(self) -> tuple[BackupRecord, ...]:
        try:
            return self._store.backups.read().values()
        except LightboxError as problem:  # a damaged list must not stand in the way of a restore
            _logger.error("the list of backups cannot be read: %s", problem)
            return ()

    def _archives(self) -> list[Path]:
        try:
            return sorted(path for path in self._folder.glob("*.zip") if path.is_file())
        except OSError:
            return []

    def _found(self, path: Path) -> BackupRecord | None:
        """Return what an archive says of itself; ``None`` when it is none of ours."""
        status = path.stat()
        seen = self._seen.get(path.name)
        if seen is None or seen[:2] != (status.st_size, status.st_mtime_ns):
            record = _read(path)
            seen = self._seen[path.name] = (status.st_size, status.st_mtime_ns, record)
        return seen[2]

    def _with_loss(self, record: BackupRecord) -> BackupRecord:
        if record.state not in ("good", "found") or (self._folder / record.file).is_file():
            return record
        text = f"Its archive {record.file} is no longer in the folder of backups."
        return replace(record, state="bad", error=text)


def archive_name(backup_id: str, created_at: datetime) -> str:
    """Return the name of an archive: the moment for people, the id for programs."""
    return f"{created_at.astimezone(UTC):%Y%m%d-%H%M%S}-{backup_id}.zip"


def note_rehearsed(path: Path, sha256: str) -> None:
    """Leave word beside an archive that it was rehearsed, where there is no store to write to."""
    _note(path).write_text(json.dumps({"size": path.stat().st_size, "sha256": sha256}))


def record_of(manifest: Manifest, path: Path) -> BackupRecord:
    """Return the record of an archive that nobody has written down."""
    sha256 = _rehearsed_sha256(path)
    return BackupRecord(
        id=manifest.id,
        created_at=manifest.created_at,
        state="good" if sha256 else "found",
        sha256=sha256,
        reason=manifest.reason,
        created_by=manifest.made_by,
        file=path.name,
        size_bytes=path.stat().st_size,
        record_counts=dict(manifest.content.counts),
        file_count=manifest.file_count,
        file_bytes=manifest.file_bytes,
        files_included=manifest.files_inside,
    )


def referenced_files(settings: Settings) -> set[str]:
    """Return the stored files that backups list without holding them: garbage they are not."""
    found: set[str] = set()
    for path in settings.backup_folder.glob("*.zip"):
        try:
            with open_archive(path) as archive:
                if not archive.manifest.files_inside:
                    found |= {file.sha256 for file in archive.files()}
        except BackupError as problem:
            _logger.warning("%s in the folder of backups cannot be read: %s", path.name, problem)
    return found


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.rehearsed")


def _rehearsed_sha256(path: Path) -> str:
    """Return the sum of an archive that was rehearsed as it is; empty for any other."""
    try:
        note = json.loads(_note(path).read_bytes())
        return str(note["sha256"]) if note["size"] == path.stat().st_size else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _read(path: Path) -> BackupRecord | None:
    try:
        with open_archive(path) as archive:
            return record_of(archive.manifest, path)
    except BackupError as problem:
        _logger.warning("%s in the folder of backups is passed over: %s", path.name, problem)
        return None
