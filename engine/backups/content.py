"""What a state of the records holds, in figures that can be compared: counts and digests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from engine.errors import BackupError
from engine.store import Snapshot, Store
from engine.store.layout import TornError, unpack

__all__ = ["content_of", "content_of_file", "missing_files", "named_files"]


def content_of(lines: Mapping[str, bytes]) -> tuple[int, str]:
    """Return the number of records and the SHA-256 of all of them in the order of their ids."""
    digest = hashlib.sha256()
    for name in sorted(lines):
        digest.update(lines[name])
        digest.update(b"\n")
    return len(lines), digest.hexdigest()


def content_of_file(data: bytes, *, name: str) -> tuple[int, str]:
    """Return the same of a collection's file, whatever the version of its records.

    Raises
    ------
    BackupError
        When the file is torn or altered.
    """
    try:
        return content_of(unpack(data)[1])
    except TornError as problem:
        raise BackupError(
            f"Expected a whole file of {name} in the backup, but {problem}; take another backup."
        ) from problem


def named_files(snapshots: Mapping[str, Snapshot[Any]]) -> set[str]:
    """Return the names of the stored files that fields of the records name.

    Fields that name a file end in ``sha256``; those of backups name archives.
    """
    found: set[str] = set()
    for name, snapshot in snapshots.items():
        if name != "backups":
            for record in snapshot.values():
                fields = type(record).__dataclass_fields__
                found |= {getattr(record, f) or "" for f in fields if f.endswith("sha256")}
    return found - {""}


def missing_files(store: Store, there: set[str]) -> tuple[str, ...]:
    """Return the files that records name and that are not ``there``, in order."""
    return tuple(sorted(named_files(store.read()) - there))
