"""Writes an archive: a deflate ZIP, each member hashed on its way, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self, final

from engine.backups.manifest import MANIFEST, Manifest, Member
from engine.backups.space import full_disk_told
from engine.durable import sync_folder

__all__ = [
    "CHUNK_BYTES",
    "PART_SUFFIX",
    "ArchiveWriter",
    "Packed",
    "Readable",
    "deflates_well",
    "sync_folder",
]

PART_SUFFIX = ".part"
"""What an archive that is being written is called; such a file without a writer is rubbish."""

CHUNK_BYTES = 1 << 20
_LARGE_BYTES = 1 << 30
_RECORDS_LEVEL, _FILES_LEVEL = 6, 1
_SAMPLE_BYTES = 1 << 16
_WORTH_IT = 0.95

Packed = Callable[[int], None]
"""Told the bytes that were read since the last call; may raise to stop the work."""


def deflates_well(start: bytes) -> bool:
    """Tell from its beginning whether a file is worth deflating: pictures and ZIPs are not.

    >>> deflates_well(b"0" * 1000), deflates_well(zlib.compress(b"0" * 1000))
    (True, False)
    """
    sample = start[:_SAMPLE_BYTES]
    return len(zlib.compress(sample, _FILES_LEVEL)) < _WORTH_IT * len(sample)


class Readable(Protocol):
    """Whatever gives its bytes piece by piece."""

    def read(self, count: int, /) -> bytes:
        """Return the next bytes, at most ``count``; none at the end."""
        ...


@final
class ArchiveWriter:
    """Writes beside ``path`` and gives the file its name in :meth:`finish`.

    Left in any other way, ``with`` removes what was written. Memory does not depend on sizes.
    """

    def __init__(self, path: Path, *, created_at: datetime) -> None:
        self.path = path
        self.members: list[Member] = []
        self._part = path.with_name(path.name + PART_SUFFIX)
        self._date = created_at.timetuple()[:6]
        descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._stream = _Hashed(os.fdopen(descriptor, "wb"))
        self._zip = zipfile.ZipFile(self._stream, "w", zipfile.ZIP_DEFLATED)  # type: ignore[call-overload]  # writes and flushes only
        self._is_finished = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._is_finished:
            # The list of members is not written: it might fail again, and nobody would read it.
            self._zip.fp = None
            self._stream.discard()
            self._part.unlink(missing_ok=True)

    def add(
        self, name: str, source: Readable, *, size: int, packed: Packed, deflate: bool = True
    ) -> Member:
        """Copy a stream into the archive; ``size`` is what is expected of it, in bytes.

        Raises
        ------
        DiskShortError
            When the disk ran full.
        """
        entry = zipfile.ZipInfo(name, self._date)
        entry.compress_type = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
        level = _FILES_LEVEL if name.startswith("files/") else _RECORDS_LEVEL
        entry._compresslevel = level  # type: ignore[attr-defined]  # noqa: SLF001 – public only from 3.13
        entry.external_attr = 0o600 << 16
        digest, done = hashlib.sha256(), 0
        with (
            full_disk_told(self.path.parent, what="writing the backup"),
            self._zip.open(entry, "w", force_zip64=size > _LARGE_BYTES) as target,
        ):
            while chunk := source.read(CHUNK_BYTES):
                digest.update(chunk)
                target.write(chunk)
                done += len(chunk)
                packed(len(chunk))
        return Member(name=name, size=done, sha256=digest.hexdigest())

    def finish(self, manifest: Manifest) -> str:
        """Write the manifest, make all of it durable and name the file; returns its SHA-256.

        Raises
        ------
        DiskShortError
            When the disk ran full.
        """
        with full_disk_told(self.path.parent, what="writing the backup"):
            entry = zipfile.ZipInfo(MANIFEST, self._date)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            self._zip.writestr(entry, manifest.packed())
            self._zip.close()
            self._stream.sync()
        self._part.replace(self.path)
        self._is_finished = True
        sync_folder(self.path.parent)
        return self._stream.sha256


@final
class _Hashed:
    """A file that can only be appended to, and that knows the SHA-256 of what was written.

    Without ``tell`` and ``seek``, zipfile writes from front to back and patches nothing.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return self._stream.write(data)

    def flush(self) -> None:
        self._stream.flush()

    def sync(self) -> None:
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()

    def discard(self) -> None:
        with suppress(OSError):  # a full disk refuses the last bytes once more
            self._stream.close()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()
