"""Files that are either wholly there or not: written aside, synced, moved into place."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from engine.durable import sync_folder, told_failures
from engine.store.identity import now

__all__ = ["Paths", "put_in_place", "sync_folder", "told_failures", "write_aside", "write_whole"]

_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
_NO_LINKS: Final = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)


class Paths:
    """The files of one collection in the folder of records."""

    __slots__ = ("aside", "current", "joint", "kept", "lock", "previous")

    def __init__(self, folder: Path, name: str) -> None:
        self.current = folder / f"{name}.json"
        self.previous = folder / f"{name}.previous.json"
        self.lock = folder / f".{name}.lock"
        # Not yet in place: of a transaction of this collection alone, and of one of several.
        self.aside = folder / f".{name}.new"
        self.joint = folder / f".{name}.joint"
        # The version before, on its way to being the previous one.
        self.kept = folder / f".{name}.kept"

    def keep_form(self, version: int) -> None:
        """Keep the current file, which has a stored form that is about to be left behind."""
        copy = self.current.with_name(f"{self.current.stem}.form{version}.json")
        with told_failures(copy):
            copy.unlink(missing_ok=True)
            _name_also(self.current, copy)

    def set_aside(self) -> Path | None:
        """Give the current file a name that says that it is damaged; return it if there was one.

        Killed just after, the collection is known to be gone, and its previous version is offered.
        """
        moment = f"{now():%Y%m%dT%H%M%S%f}"
        aside = self.current.with_name(f"{self.current.stem}.damaged-{moment}.json")
        with told_failures(self.current):
            try:
                self.current.rename(aside)
            except FileNotFoundError:
                return None
        return aside


def write_aside(path: Path, parts: Iterable[bytes]) -> None:
    """Write ``parts`` to ``path`` and wait until they are on the disk.

    Raises
    ------
    DiskShortError
        When the disk, the quota or the largest allowed file is full; nothing is left of ``path``.
    StoreError
        When the folder cannot be written.
    """
    with told_failures(path):
        try:
            descriptor = os.open(path, _NEW_FILE, 0o600)
            try:
                _write_all(descriptor, parts)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except BaseException:
            with suppress(OSError):
                path.unlink()
            raise


def put_in_place(paths: Paths, new: Path) -> None:
    """Move a written file into the place of the current one, which becomes the previous one.

    Killed at any moment, there is a current file; and the previous one is never the same file as
    the current one, so damage to one of them leaves the other.
    """
    with told_failures(paths.current):
        with suppress(FileNotFoundError):
            paths.kept.unlink()
        had_one = _keep(paths)
        new.replace(paths.current)
        if had_one:
            paths.kept.replace(paths.previous)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there wholly or, killed before the end, as it was before."""
    aside = path.with_name(f"{path.name}.new")
    write_aside(aside, [content])
    with told_failures(path):
        aside.replace(path)
    sync_folder(path.parent)


def _write_all(descriptor: int, parts: Iterable[bytes]) -> None:
    rest = [memoryview(part) for part in parts if part]
    while rest:
        written = os.writev(descriptor, rest)
        while rest and written >= len(rest[0]):
            written -= len(rest.pop(0))
        if rest:
            rest[0] = rest[0][written:]


def _keep(paths: Paths) -> bool:
    """Give the current file a second name; return whether there was one."""
    try:
        _name_also(paths.current, paths.kept)
    except FileNotFoundError:
        return False
    return True


def _name_also(path: Path, other: Path) -> None:
    try:
        os.link(path, other)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copyfile(path, other)  # a file system without hard links
