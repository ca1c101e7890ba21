"""Reads an archive that may be damaged, foreign or malicious: everything is checked before use.

Names, kinds, sizes and the list of members are checked when the archive is opened; the bytes of a
member while they are read. Nothing is ever unpacked to a name that the archive chose.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, cast, final

from engine.backups.manifest import (
    FILES_LIST,
    MANIFEST,
    Manifest,
    Member,
    file_member,
    file_sha256,
    is_member_name,
)
from engine.backups.packing import CHUNK_BYTES, Packed
from engine.backups.space import full_disk_told
from engine.errors import BackupError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Archive", "ListedFile", "open_archive"]

_MOST_ENTRIES = 1_000_000
_MOST_DIRECTORY_BYTES = 300 * _MOST_ENTRIES
_MOST_MANIFEST_BYTES = 16_000_000
_MOST_LINE_BYTES = 1_000
_MOST_TIMES = 1_040
"""Deflate cannot pack better than 1 : 1,032; what claims more is a bomb."""
_TAIL_BYTES = 70_000
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    ValueError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    OSError,  # a place before the file's beginning, or a disk that cannot be read
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """One line of ``files.jsonl``."""

    sha256: str
    size: int


@final
class Archive:
    """An open archive whose members are those that its manifest lists; see :func:`open_archive`."""

    def __init__(self, path: Path, opened: zipfile.ZipFile) -> None:
        self.path = path
        self._zip = opened
        self._entries = {entry.filename: entry for entry in opened.infolist()}
        self.manifest = Manifest.unpacked(self._read_small(MANIFEST, _MOST_MANIFEST_BYTES))
        self._check_members()

    def check(self, packed: Packed) -> None:
        """Read every byte and compare every sum; ``packed`` is told how many bytes were read.

        Raises
        ------
        BackupError
            When a member is damaged, altered, missing or too many.
        """
        for member in self.manifest.members:
            self._copy(member, None, packed)
        for file in self.files():
            if self.manifest.files_inside:
                self.copy_file(file, None, packed)

    def unpack(self, folder: Path, *, below: str, packed: Packed) -> None:
        """Write the members whose names begin with ``below`` into ``folder``.

        Raises
        ------
        BackupError
            When one of them is damaged.
        DiskShortError
            When the disk ran full.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with full_disk_told(folder, what="unpacking the backup"):
            for member in self.manifest.members:
                if not member.name.startswith(below):
                    continue
                with (folder / Path(member.name).name).open("xb") as target:
                    self._copy(member, target.write, packed)

    def files(self) -> Iterator[ListedFile]:
        """Yield the stored files that belong to the backup.

        Raises
        ------
        BackupError
            When the list is damaged.
        """
        seen = 0
        with self._opened(FILES_LIST) as stream:
            while line := stream.readline(_MOST_LINE_BYTES):
                seen += 1
                yield _stored_file(line)
        if seen != self.manifest.file_count:
            raise BackupError(
                f"Expected {self.manifest.file_count:,} files in the backup's list, but it has "
                f"{seen:,}; the archive was altered. Take another one."
            )

    @contextmanager
    def file(self, file: ListedFile) -> Iterator[BinaryIO]:
        """Open one stored file; whoever reads it compares its SHA-256."""
        with self._opened(file_member(file.sha256)) as stream:
            yield stream

    def copy_file(
        self, file: ListedFile, write: Callable[[bytes], object] | None, packed: Packed
    ) -> None:
        """Read one stored file, hand its bytes to ``write`` and compare its sum."""
        name = file_member(file.sha256)
        self._copy(Member(name=name, size=file.size, sha256=file.sha256), write, packed)

    @property
    def unpacked_bytes(self) -> int:
        """Size of all members, unpacked."""
        return sum(entry.file_size for entry in self._entries.values())

    def bytes_below(self, start: str) -> int:
        """Size of the members whose names begin with ``start``, unpacked."""
        entries = self._entries.values()
        return sum(entry.file_size for entry in entries if entry.filename.startswith(start))

    def _check_members(self) -> None:
        """Compare the archive's own list with the manifest's, without reading the members."""
        listed = {member.name: member for member in self.manifest.members}
        present = {name for name in self._entries if file_sha256(name) is None} - {MANIFEST}
        for name in sorted(present ^ listed.keys()):
            state = "more than" if name in present else "less than"
            raise BackupError(
                f"The backup holds {state} its manifest lists: {name}. It is incomplete or was "
                "altered; take another one."
            )
        wrong = [name for name in listed if self._entries[name].file_size != listed[name].size]
        if wrong:
            raise _altered(wrong[0])
        files = len(self._entries) - len(present) - 1
        expected = self.manifest.file_count if self.manifest.files_inside else 0
        if FILES_LIST not in listed or files != expected:
            raise BackupError(
                f"Expected {expected:,} stored files in the backup, but it holds {files:,}; it is "
                "incomplete or was altered. Take another one."
            )

    def _copy(
        self, member: Member, write: Callable[[bytes], object] | None, packed: Packed
    ) -> None:
        digest, done = hashlib.sha256(), 0
        with self._opened(member.name) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
                done += len(chunk)
                if write is not None:
                    write(chunk)
                packed(len(chunk))
        if done != member.size or digest.hexdigest() != member.sha256:
            raise _altered(member.name)

    def _read_small(self, name: str, most_bytes: int) -> bytes:
        with self._opened(name) as stream:
            data = stream.read(most_bytes + 1)
        if len(data) > most_bytes:
            raise BackupError(
                f"Expected at most {most_bytes / 1e6:.0f} MB in {name}, but it holds more; this "
                "is no backup that Lightbox made."
            )
        return data

    @contextmanager
    def _opened(self, name: str) -> Iterator[BinaryIO]:
        """Open a member; what is wrong with the packing becomes a sentence."""
        entry = self._entries.get(name)
        if entry is None:
            raise BackupError(
                f"Expected {name} in the backup, but it is missing; the archive is incomplete or "
                "no backup of Lightbox. Take another one."
            )
        try:
            opened = self._zip.open(entry)
        except _BROKEN as problem:
            raise _damaged(f"{name}: {problem}") from problem
        with opened, io.BufferedReader(_Telling(name, opened), CHUNK_BYTES) as stream:
            yield cast("BinaryIO", stream)


@final
class _Telling(io.RawIOBase):
    """A member's bytes; what is wrong with their packing becomes a sentence.

    zipfile stops at the size that the entry declares, so that nothing outgrows it.
    """

    def __init__(self, name: str, source: IO[bytes]) -> None:
        self._name, self._source = name, source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        try:
            data = self._source.read(len(view))
        except _BROKEN as problem:
            raise _damaged(f"{self._name}: {problem}") from problem
        view[: len(data)] = data
        return len(data)


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open a backup for reading, after checks of all that can be known without its members.

    Raises
    ------
    BackupError
        When it is no whole ZIP, unsafe, altered, of a newer form, or no backup of Lightbox.
    """
    with _stream(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        _check_directory(stream, size)
        try:
            opened = zipfile.ZipFile(stream)
        except _BROKEN as problem:
            raise _damaged(str(problem)) from problem
        with opened:
            _check_entries(opened.infolist(), size)
            yield Archive(path, opened)


@contextmanager
def _stream(path: Path) -> Iterator[BinaryIO]:
    try:
        # Neither a link out of the folder of backups nor a pipe that never ends.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as problem:
        raise BackupError(
            f"Expected a backup at {path.name}, but it cannot be opened ({problem.strerror}); it "
            "was removed, is a link, or may not be read. Choose another one."
        ) from problem
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise BackupError(
                f"Expected a file at {path.name}, but it is something else; choose another one."
            )
        yield stream


def _check_directory(stream: BinaryIO, size: int) -> None:
    """Refuse an endless list of entries before it is loaded (PKWARE APPNOTE 4.3.14, 4.3.16)."""
    stream.seek(max(0, size - _TAIL_BYTES))
    tail = stream.read(_TAIL_BYTES)
    stream.seek(0)
    for mark, at, width in ((b"PK\x05\x06", 12, 4), (b"PK\x06\x06", 40, 8)):
        start = tail.rfind(mark)
        length = int.from_bytes(tail[start + at : start + at + width], "little")
        if start >= 0 and length != 0xFFFFFFFF and length > _MOST_DIRECTORY_BYTES:
            raise BackupError(
                f"Expected a backup, but the archive's list alone has {length / 1e6:,.0f} MB; it "
                "looks like a bomb. Take another one."
            )


def _check_entries(entries: list[zipfile.ZipInfo], size: int) -> None:
    names = [entry.filename for entry in entries]
    if MANIFEST not in names:
        raise BackupError(
            f"Expected a backup that Lightbox made, but the archive has no {MANIFEST}; choose a "
            "file from the folder of backups."
        )
    if len(entries) > _MOST_ENTRIES:
        raise BackupError(
            f"Expected at most {_MOST_ENTRIES:,} members in a backup, but this archive has "
            f"{len(entries):,}; it looks like a bomb. Take another one."
        )
    if len(set(names)) != len(names):
        raise BackupError("The archive has two members of one name; take another one.")
    for entry in entries:
        _check_entry(entry)
    # Members that share their packed bytes are how a small file becomes an endless one.
    if sum(entry.compress_size for entry in entries) > size:
        raise BackupError(
            "The members of the archive lie over each other; it looks like a bomb. Take another "
            "one."
        )


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename
    is_file = stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG)
    if not is_member_name(name) or not is_file or entry.flag_bits & _ENCRYPTED:
        raise BackupError(
            f"The archive holds {name[:100]!r}: a name that no backup has, a link, or an encrypted "
            "member. Nothing was unpacked; take another one."
        )
    if entry.compress_type not in _METHODS:
        raise BackupError(
            f"Expected deflate in the backup, but {name[:100]!r} is packed by method "
            f"{entry.compress_type}; Lightbox did not make it. Take another one."
        )
    if entry.file_size > _MOST_TIMES * entry.compress_size + 1_000:
        raise BackupError(
            f"The archive says that {name[:100]!r} unpacks to {entry.file_size / 1e6:,.0f} MB from "
            f"{entry.compress_size / 1e6:,.3f} MB; it is a bomb. Take another one."
        )


def _stored_file(line: bytes) -> ListedFile:
    try:
        row = json.loads(line)
        sha256, size = row["sha256"], row["size"]
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise _altered(FILES_LIST) from problem
    is_size = isinstance(size, int) and not isinstance(size, bool) and size >= 0
    is_sum = isinstance(sha256, str) and is_member_name(file_member(sha256))
    if not is_size or not is_sum:
        raise _altered(FILES_LIST)
    return ListedFile(sha256=sha256, size=size)


def _altered(name: str) -> BackupError:
    return BackupError(
        f"The SHA-256 or size of {name} in the backup is not the one that was written down when "
        "it was made; the archive is damaged or was altered. Take another one."
    )


def _damaged(detail: str) -> BackupError:
    return BackupError(
        "Expected a whole backup, but the archive is cut off or damaged "
        f"({detail[:150]}); take another one."
    )
