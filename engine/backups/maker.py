"""Makes a backup and says whether it is good: written, rehearsed, written down."""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import final

from engine.backups.capturing import Captured, captured_audit, captured_files, captured_store
from engine.backups.drawings import captured_drawings
from engine.backups.estate import Estate, reference_of
from engine.backups.history import archive_name
from engine.backups.making import Order, Saved, write_archive
from engine.backups.packing import CHUNK_BYTES
from engine.backups.progress import Report, Span, part_of
from engine.backups.rehearsing import rehearse
from engine.backups.space import require_space
from engine.errors import BackupError, LightboxError
from engine.people.actors import Actor
from engine.store import new_id, now
from engine.store.records import BackupRecord

__all__ = ["BEFORE_RESTORE", "Maker"]

_logger = logging.getLogger(__name__)

BEFORE_RESTORE = "before restore"


@final
class Maker:
    """Makes backups; whoever calls holds the lock of the folder of backups."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._history = estate.history

    def make(
        self, reason: str, actor: Actor, report: Report, *, takes_files: bool = True
    ) -> BackupRecord:
        """Make a backup, rehearse it, and return its record: good.

        Raises
        ------
        BackupError
            When the rehearsal failed; the archive stays and is called bad.
        LightboxError
            When it could not be written; nothing half-made is left.
        """
        self._history.tidy()
        record = self._history.put(BackupRecord(reason=reason, created_by=actor.id))
        try:
            saved = self._save(record, takes_files, part_of(report, 0.0, 0.5))
        except BaseException as problem:
            self._note_failure(record, problem)
            raise
        record = self._history.put(replace(_described(record, saved), state="rehearsing"))
        record = self.check(record, part_of(report, 0.5, 1.0))
        self._estate.audit.write(
            actor, "backups.make", record=reference_of(record), text=f"Made a backup ({reason})"
        )
        return record

    def check(self, record: BackupRecord, report: Report) -> BackupRecord:
        """Rehearse an archive that was written and write down whether it is good.

        Raises
        ------
        NotFoundError
            When it is gone.
        BackupError
            When it is not good.
        DiskShortError, MemoryShortError
            When the rehearsal does not fit; the record stays as it was.
        """
        path = self._history.path(record)
        try:
            sha256 = _sha256_of(path, part_of(report, 0.0, 0.2))
            if record.sha256 not in ("", sha256):
                raise BackupError(
                    f"The SHA-256 of {path.name} is not the one that was written down when it was "
                    "made; the archive is damaged or was altered."
                )
            found = rehearse(path, self._estate.settings, part_of(report, 0.2, 1.0))
        except BackupError as problem:
            self._history.put(replace(record, state="bad", error=str(problem), finished_at=now()))
            raise
        details = {
            **record.details,
            "rehearsed_at": now().isoformat(),
            "missing_files": list(found.missing[:100]),
            "missing_file_count": len(found.missing),
            "audit_fault": found.audit_fault,
            "drawings": asdict(found.drawings),
        }
        good = replace(
            record, state="good", error="", sha256=sha256, finished_at=now(), details=details
        )
        return self._history.put(good)

    def save_as_is(self, actor: Actor, *, are_whole: bool) -> BackupRecord:
        """Write the records alone as they lie on the disk, and a list of the stored files.

        The store is not asked and nothing is written down: for damaged records, and while a
        transaction holds their locks.
        """
        record = BackupRecord(id=new_id(), reason=BEFORE_RESTORE, created_by=actor.id)
        with captured_files(self._estate.store.folder, are_whole=are_whole) as captured:
            saved = self._write(record, captured, None, lambda _fraction, _stage: None)
        return replace(_described(record, saved), state="found", finished_at=now())

    def _save(self, record: BackupRecord, takes_files: bool, report: Report) -> Saved:
        report(0.0, "looking at the records")
        captured = captured_store(self._estate.store)
        is_inside = takes_files and not self._estate.files_are_remote
        return self._write(record, captured, self._estate if is_inside else None, report)

    def _write(
        self, record: BackupRecord, captured: Captured, inside: Estate | None, report: Report
    ) -> Saved:
        # Files are listed after records and strokes: what these name was stored before.
        drawings = captured_drawings(self._estate.drawings)
        listed = self._estate.listed()
        with captured_audit(self._estate.audit) as (audit, audit_count):
            size = sum(part.size for part in (*captured.parts, *audit, *drawings))
            size += sum(file.size for file in listed) if inside else 0
            require_space(self._estate.folder, size, what="the backup")
            order = Order(
                path=self._estate.folder / archive_name(record.id, record.created_at),
                id=record.id,
                created_at=record.created_at,
                reason=record.reason,
                made_by=record.created_by,
                captured=captured,
                audit=audit,
                audit_count=audit_count,
                files=inside.files if inside else None,
                listed=listed,
                drawings=drawings,
            )
            return write_archive(
                order, packed=Span(report, "writing the archive", size, start=0.0, end=1.0)
            )

    def _note_failure(self, record: BackupRecord, problem: BaseException) -> None:
        text = str(problem) if isinstance(problem, LightboxError) else "It was interrupted."
        with suppress(LightboxError):  # a full disk takes no note either; the error itself is told
            self._history.put(replace(record, state="bad", error=text, finished_at=now()))
        _logger.error("backup %s was not made: %s", record.id, text)


def _described(record: BackupRecord, saved: Saved) -> BackupRecord:
    manifest = saved.manifest
    return replace(
        record,
        file=archive_name(record.id, record.created_at),
        sha256=saved.sha256,
        size_bytes=saved.size,
        record_counts=dict(manifest.content.counts),
        file_count=manifest.file_count,
        file_bytes=manifest.file_bytes,
        files_included=manifest.files_inside,
        details={
            "audit_lines": manifest.content.audit_count,
            "digests": dict(manifest.content.digests),
            "left_out_files": list(saved.left_out[:100]),
            "left_out_file_count": len(saved.left_out),
        },
    )


def _sha256_of(path: Path, report: Report) -> str:
    digest = hashlib.sha256()
    span = Span(report, "reading the archive", path.stat().st_size, start=0.0, end=1.0)
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            span(len(chunk))
    return digest.hexdigest()
