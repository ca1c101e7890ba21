"""Restores a backup into a scratch home, opens it with the real store, counts and compares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree
from typing import final

from engine.backups.content import content_of_file, missing_files
from engine.backups.drawings import Drawings, look_through
from engine.backups.opening import Archive, open_archive
from engine.backups.progress import Report, Span
from engine.backups.space import require_space
from engine.errors import BackupError, DamagedStoreError, NewerStoreError
from engine.home import private_folder
from engine.memory_guard import MemoryGuard
from engine.people.audit import open_audit
from engine.settings import Settings
from engine.store import Store
from engine.store.store import KINDS

__all__ = ["Rehearsal", "opened_store", "rehearse", "scratch_home"]

_MEMORY_TIMES = 8
"""Memory that an opened record takes, in multiples of its bytes; measured, rounded up."""
_MB = 1_000_000


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """A backup that can be restored.

    ``missing`` are files that records name and that were gone already when it was made;
    ``audit_fault`` is what was wrong with the audit log then, empty when nothing was.
    """

    counts: dict[str, int]
    audit_fault: str
    missing: tuple[str, ...]
    drawings: Drawings


def rehearse(path: Path, settings: Settings, report: Report) -> Rehearsal:
    """Read every byte of an archive, restore it into a scratch home and compare.

    Raises
    ------
    BackupError
        When anything differs from what was saved.
    DiskShortError, MemoryShortError
        When the scratch home does not fit.
    """
    with open_archive(path) as archive:
        archive.check(
            Span(report, "reading every byte", archive.unpacked_bytes, start=0.0, end=0.8)
        )
        report(0.8, "restoring into a scratch home")
        with scratch_home(archive, settings) as home:
            store = opened_store(archive, home)
            audit_fault = _audit_fault(archive, replace(settings, home=home))
            report(0.95, "comparing")
            missing = missing_files(store, {file.sha256 for file in archive.files()})
            counts = {name: len(snapshot) for name, snapshot in store.read().items()}
            drawings = look_through(home / "drawings")
    return Rehearsal(counts=counts, audit_fault=audit_fault, missing=missing, drawings=drawings)


@contextmanager
def scratch_home(archive: Archive, settings: Settings) -> Iterator[Path]:
    """Give a new home with the records and the audit log of a backup; removed at the end.

    The records are compared with the manifest as they come out of the archive, before anything
    opens (and perhaps migrates) them.

    Raises
    ------
    BackupError
        When they are not what was saved.
    DiskShortError, MemoryShortError
        When they do not fit.
    """
    records_bytes = archive.bytes_below("records/")
    MemoryGuard(settings.memory_floor_mb).require(
        records_bytes * _MEMORY_TIMES / _MB, what="opening the records of the backup"
    )
    home = private_folder(settings, "backups")
    try:
        need = 3 * records_bytes + archive.bytes_below("audit/")  # also for what a migration writes
        need += archive.bytes_below("drawings/")
        require_space(home, need, what="rehearsing the backup")
        archive.unpack(home / "records", below="records/", packed=lambda _: None)
        archive.unpack(home / "records" / "audit", below="audit/", packed=lambda _: None)
        archive.unpack(home / "drawings", below="drawings/", packed=lambda _: None)
        archive.unpack(home / "secrets", below="secrets/", packed=lambda _: None)
        _check_records(archive, home / "records")
        yield home
    finally:
        rmtree(home, ignore_errors=True)


def _check_records(archive: Archive, records: Path) -> None:
    """Compare counts and digests of the unpacked files with those of the saved state."""
    content = archive.manifest.content
    present = {path.stem for path in records.glob("*.json")}
    if present != content.counts.keys() or present != content.digests.keys():
        raise BackupError(
            "The collections in the backup are not those that were counted when it was made; it "
            "was altered, or saved from damaged records. Take another one."
        )
    for name in sorted(present):
        data = (records / f"{name}.json").read_bytes()
        count, digest = content_of_file(data, name=name)
        if count != content.counts[name] or digest != content.digests[name]:
            raise BackupError(
                f"Expected {content.counts[name]:,} records of {name} as they were saved, but the "
                f"backup gives {count:,} others; take another one."
            )


def opened_store(archive: Archive, home: Path) -> Store:
    """Open what was unpacked with the real store, which migrates older records; read all of it.

    Raises
    ------
    BackupError
        When the store cannot read it, or a newer Lightbox has written it.
    """
    unknown = sorted(set(archive.manifest.content.counts) - set(KINDS))
    if unknown:
        raise BackupError(
            f"The backup holds {', '.join(unknown)}, which this Lightbox does not know; a newer "
            "one made it. Update this one first."
        )
    try:
        store = Store(home / "records")
        for snapshot in store.read().values():
            snapshot.values()  # each record is read as what it must be
    except (DamagedStoreError, NewerStoreError) as problem:
        raise BackupError(
            f"The store cannot read the backup's records ({problem}); take another one."
        ) from problem
    return store


def _audit_fault(archive: Archive, scratch: Settings) -> str:
    """Compare the audit log; returns what was wrong with it already when it was saved.

    Its bytes were compared before: a fault that it carries is the living log's.
    """
    expected = archive.manifest.content.audit_count
    if not expected:
        return ""
    found = open_audit(scratch).verify()
    if not found.ok:
        return found.sentence
    if found.count != expected:
        raise BackupError(
            f"Expected {expected:,} lines of the audit log in the backup, but it has "
            f"{found.count:,}; take another one."
        )
    return ""
