"""Reading a collection's file: whole or not at all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import final

from engine.errors import DamagedStoreError, StoreError
from engine.store.disk import Paths
from engine.store.layout import FIRST_LINE_BYTES, About, TornError, unpack

__all__ = ["FileVersion", "damaged", "good_versions", "is_unchanged", "read_file", "version_of"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FileVersion:
    """What tells one version of a file from every other: its first line and its place on disk."""

    first: bytes
    inode: int
    size_bytes: int
    changed_ns: int


def read_file(path: Path) -> tuple[FileVersion, About, dict[str, bytes]]:
    """Return the version, first line and lines by id of a whole file.

    Raises
    ------
    FileNotFoundError
        When there is none.
    TornError
        When it is not whole, or cannot be read.
    """
    try:
        with path.open("rb", buffering=0) as file:
            content = file.readall()
            version = _version(file.fileno(), content[:FIRST_LINE_BYTES])
    except FileNotFoundError:
        raise
    except PermissionError as error:
        raise StoreError(
            f"{path} may not be read by the user that runs Lightbox; give it back to that user."
        ) from error
    except OSError as error:
        raise TornError(f"it cannot be read ({error.strerror})") from error
    return version, *unpack(content)


def is_unchanged(path: Path, version: FileVersion) -> bool:
    """Whether ``path`` is still the file that was read: costs a few microseconds."""
    try:
        return version_of(path) == version
    except OSError:
        return False


def version_of(path: Path) -> FileVersion:
    """Return the version of a file without reading more than its first line."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _version(descriptor, os.read(descriptor, FIRST_LINE_BYTES))
    finally:
        os.close(descriptor)


def _version(descriptor: int, first: bytes) -> FileVersion:
    status = os.fstat(descriptor)
    return FileVersion(
        first=first,
        inode=status.st_ino,
        size_bytes=status.st_size,
        changed_ns=status.st_mtime_ns,
    )


def good_versions(paths: Paths) -> list[tuple[Path, About]]:
    """Return the earlier versions that are whole, the latest first."""
    found = []
    for path in (paths.kept, paths.previous):
        try:
            found.append((path, read_file(path)[1]))
        except (FileNotFoundError, TornError, StoreError):
            continue
    return sorted(found, key=lambda item: item[1].version, reverse=True)


def damaged(paths: Paths, name: str, reason: str) -> DamagedStoreError:
    """Return the error that names a damaged file and the good version that can be had."""
    good = good_versions(paths)
    if good:
        about = good[0][1]
        offer = (
            f"Version {about.version} of {about.written_at:%Y-%m-%d %H:%M:%S} UTC with "
            f"{about.count:,} records is whole: `lightbox store recover {name}` puts it back "
            f"and keeps the damaged file aside."
        )
    else:
        offer = "No earlier version is there; restore a backup."
    return DamagedStoreError(f"{paths.current} is damaged: {reason}. {offer}")
