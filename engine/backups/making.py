"""Writes what was captured into one archive, with the stored files unless they live elsewhere."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, final

import engine
from engine.backups.capturing import Captured, Part
from engine.backups.manifest import FILES_LIST, Content, Manifest, Member, file_member
from engine.backups.packing import CHUNK_BYTES, ArchiveWriter, Packed, deflates_well
from engine.errors import NotFoundError
from engine.store.files import Files, StoredFile

__all__ = ["Order", "Saved", "write_archive"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be saved, and as what.

    ``files`` hands out the stored files; ``None`` when the archive only lists them. ``drawings``
    are the journals of the pictures, ``None`` when they are left alone.
    """

    path: Path
    id: str
    created_at: datetime
    reason: str
    made_by: str
    captured: Captured
    audit: tuple[Part, ...]
    audit_count: int
    files: Files | None
    listed: Sequence[StoredFile]
    drawings: tuple[Part, ...] | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A finished archive. ``left_out`` names stored files that are damaged themselves."""

    manifest: Manifest
    sha256: str
    size: int
    left_out: tuple[str, ...]


def write_archive(order: Order, *, packed: Packed) -> Saved:
    """Write one archive, whole or not at all; ``packed`` is told the bytes as they go in.

    Raises
    ------
    DiskShortError
        When the disk ran full; nothing is left of the archive.
    """
    with (
        ArchiveWriter(order.path, created_at=order.created_at) as writer,
        tempfile.TemporaryFile(dir=order.path.parent) as rows,
    ):
        parts = (*order.captured.parts, *order.audit, *(order.drawings or ()))
        members = [_added(writer, part, packed) for part in parts]
        listed, left_out = _add_files(writer, order, rows, packed)
        rows.seek(0)
        members.append(writer.add(FILES_LIST, rows, size=0, packed=lambda _: None))
        manifest = _manifest(order, listed, members)
        sha256 = writer.finish(manifest)
    size = order.path.stat().st_size
    return Saved(manifest=manifest, sha256=sha256, size=size, left_out=tuple(left_out))


def _added(writer: ArchiveWriter, part: Part, packed: Packed) -> Member:
    return writer.add(part.name, part.open(), size=part.size, packed=packed)


def _add_files(
    writer: ArchiveWriter, order: Order, rows: IO[bytes], packed: Packed
) -> tuple[tuple[int, int], list[str]]:
    """Add the files and write the list of them to ``rows``; returns (count, bytes) and the rest."""
    count = total = 0
    left_out = []
    for file in order.listed:
        if order.files is not None and not _add_file(writer, order.files, file, packed):
            left_out.append(file.sha256)
            continue
        rows.write(json.dumps({"sha256": file.sha256, "size": file.size}).encode() + b"\n")
        count, total = count + 1, total + file.size
    return (count, total), left_out


def _add_file(writer: ArchiveWriter, files: Files, file: StoredFile, packed: Packed) -> bool:
    """Add one stored file; false when it is damaged or was removed meanwhile.

    It is read twice: what is in the archive cannot be taken out again.
    """
    try:
        if not files.verify(file.sha256).ok:
            return False
        with closing(files.open(file.sha256)) as stream:
            start = stream.read(CHUNK_BYTES)
            source = _Rejoined(start, stream)
            deflate = deflates_well(start)
            name = file_member(file.sha256)
            writer.add(name, source, size=file.size, packed=packed, deflate=deflate)
    except NotFoundError:
        return False
    return True


def _manifest(order: Order, listed: tuple[int, int], members: Iterable[Member]) -> Manifest:
    return Manifest(
        id=order.id,
        created_at=order.created_at,
        reason=order.reason,
        made_by=order.made_by,
        program=engine.__version__,
        content=Content(
            counts=order.captured.counts,
            digests=order.captured.digests,
            audit_count=order.audit_count,
        ),
        file_count=listed[0],
        file_bytes=listed[1],
        files_inside=order.files is not None,
        members=tuple(members),
        drawings=None if order.drawings is None else len(order.drawings),
    )


@final
class _Rejoined:
    """A stream whose first bytes were read already."""

    def __init__(self, start: bytes, rest: IO[bytes]) -> None:
        self._start, self._rest = io.BytesIO(start), rest

    def read(self, count: int) -> bytes:
        return self._start.read(count) or self._rest.read(count)
