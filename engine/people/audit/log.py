"""Writing the audit log: one line at a time, from any thread and process, whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, final

from engine.errors import DiskShortError, SettingsError
from engine.people.actors import SYSTEM, Actor
from engine.people.audit import exporting, reading, verification
from engine.people.audit.anchor import Anchor, write_anchor
from engine.people.audit.ending import find_end
from engine.people.audit.filters import EVERYTHING, Filters
from engine.people.audit.lines import Entry, encode
from engine.people.audit.segments import last_segment, name_after, segments
from engine.people.secret_files import audit_key_file, kept_secret
from engine.settings import Settings
from engine.store.disk import sync_folder
from engine.store.locks import is_held_here, locked

__all__ = ["AuditLog", "open_audit"]

_SEGMENT_BYTES: Final = 4_000_000


def open_audit(settings: Settings) -> AuditLog:
    """Return the audit log of this home: lines among the records, key and anchor elsewhere."""
    folder = settings.home / "records" / "audit"
    return AuditLog(folder, key_file=audit_key_file(settings))


@final
class AuditLog:
    """An append-only log in ``folder``; safe to share between threads, and between processes.

    Parameters
    ----------
    folder
        Where the log lies; made at the first line.
    key_file
        The key that seals the lines, made when there is none; the anchor lies beside it with the
        ending ``.end``. In the log's own folder when ``None``, but better kept elsewhere: who can
        write both can forge a log.
    segment_bytes
        Size after which a new file is begun.
    """

    def __init__(
        self, folder: Path, *, key_file: Path | None = None, segment_bytes: int = _SEGMENT_BYTES
    ) -> None:
        self._folder = folder
        self._key_file = key_file or folder / "audit.key"
        self._anchor_file = self._key_file.with_suffix(".end")
        self._segment_bytes = segment_bytes

    @property
    def folder(self) -> Path:
        """Where the files of the log lie."""
        return self._folder

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that make up the log, key and anchor among them; copy them when frozen."""
        beside = (self._key_file, self._anchor_file)
        return (*segments(self._folder), *(path for path in beside if path.exists()))

    def write(
        self,
        actor: Actor,
        action: str,
        *,
        record: str = "",
        text: str,
        details: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Append what ``actor`` did; it is on the disk when this returns.

        Give neither secrets nor e-mails nor patients' names: no line can be taken out afterwards.

        Parameters
        ----------
        actor
            Who did it; its address is kept too.
        action
            A name of :data:`engine.people.permissions.ACTIONS`, or of what the server did itself.
        record
            What it was done to, as ``users/ID``; empty when nothing in particular.
        text
            One sentence for people.
        details
            Plain JSON values for programs.

        Raises
        ------
        DiskShortError
            When the disk is full.
        SettingsError
            When folder or key cannot be written.
        """
        entry = Entry(
            number=0,
            at=datetime.now(UTC),
            actor_id=actor.id,
            actor_name=actor.name,
            role=actor.role or "",
            address=actor.address,
            action=action,
            record=record,
            text=text,
            details=dict(details or {}),
        )
        with self.frozen(), _explained(self._folder):
            return self._append(entry, self._sound_end())[0]

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Keep every other writer waiting, in all processes, so that the files can be copied.

        Raises
        ------
        BusyError
            When another process holds the log for a minute.
        SettingsError
            When the folder cannot be written.
        """
        lock = self._folder / "lock"
        if is_held_here(lock):
            yield
            return
        with _explained(self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(lock):
            yield

    def entries(
        self, filters: Filters = EVERYTHING, *, page: int = 1, size: int = 50
    ) -> reading.Page:
        """Return one page of what fits, newest first; ``page`` counts from 1."""
        return reading.page_of(self._folder, filters, page=page, size=size)

    def entry(self, number: int) -> Entry | None:
        """Return the line with that number, or ``None`` when there is none that can be read."""
        return reading.entry_of(self._folder, number)

    def export(self, filters: Filters = EVERYTHING, kind: exporting.Kind = "csv") -> bytes:
        """Return all that fits, oldest first: ``csv`` for a spreadsheet, ``jsonl`` as written."""
        return exporting.exported(reading.matching(self._folder, filters), kind)

    def verify(self, *, expected: str = "") -> verification.AuditReport:
        """Check every line, the chain, the seals and the end.

        Parameters
        ----------
        expected
            ``COUNT:HASH`` of an earlier report, noted outside this machine: the log must still
            hold that line.

        Raises
        ------
        RequestError
            When ``expected`` is not of that form.
        """
        return self._verified(newest_only=False, expected=expected)

    def verify_end(self) -> verification.AuditReport:
        """Check the newest file and the end only: quick however long the log has become."""
        return self._verified(newest_only=True, expected="")

    def _verified(self, *, newest_only: bool, expected: str) -> verification.AuditReport:
        if not self._folder.exists() and not self._anchor_file.exists():
            return verification.NOTHING_YET
        key = self._key() if self._key_file.exists() else None
        with self.frozen():  # a moment only: what was written by then is read outside the lock
            found = verification.look(self._folder, self._anchor_file, key)
        return verification.verified(found, newest_only=newest_only, expected=expected)

    def _sound_end(self) -> Anchor:
        """Return where to write on; a fault found there gets a line of its own first."""
        end = find_end(self._folder, self._anchor_file, self._key())
        if not end.fault:
            return end.anchor
        note = Entry(
            number=0,
            at=datetime.now(UTC),
            actor_id=SYSTEM.id,
            actor_name=SYSTEM.name,
            role="",
            address="",
            action="audit.fault",
            record="",
            text=f"The end of the log was not as its writers left it: {end.fault}.",
        )
        return self._append(note, end.anchor)[1]

    def _append(self, entry: Entry, end: Anchor) -> tuple[Entry, Anchor]:
        key = self._key()
        line, written = encode(replace(entry, number=end.count + 1, previous=end.hash), key)
        path = self._folder / end.segment
        if end.size and end.size + len(line) > self._segment_bytes:
            path = name_after(last_segment(self._folder))
        size = _append_line(path, line)
        anchor = Anchor(count=written.number, hash=written.hash, segment=path.name, size=size)
        write_anchor(self._anchor_file, anchor, key)
        return written, anchor

    def _key(self) -> bytes:
        return kept_secret(self._key_file)


def _append_line(path: Path, line: bytes) -> int:
    """Return the size of the file after ``line`` was added; a failure leaves it as it was."""
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        before = os.fstat(descriptor).st_size
        try:
            if os.write(descriptor, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)
    if is_new:
        sync_folder(path.parent)
    return before + len(line)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses into our errors."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskShortError(
                f"Nothing can be done that is not logged, but the disk of {folder} is full; "
                "make room, then try again."
            ) from error
        raise SettingsError(
            f"Expected an audit log at {folder}, but it cannot be written ({error.strerror}); "
            "make it writable or set LIGHTBOX_HOME to a folder that is."
        ) from error
