"""Bytes on their way in: written once to a local file and named on the way, in constant memory."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, final

from engine.errors import NotFoundError, RequestError

__all__ = ["CHUNK_BYTES", "Spooled", "hash_stream", "spooled", "sweep"]

CHUNK_BYTES: Final = 1 << 20
_PREFIX: Final = "part-"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """A local file whose bytes are safely on the disk, and its name to be."""

    path: Path
    sha256: str
    size: int


@contextmanager
def spooled(data: bytes | BinaryIO | Path, folder: Path) -> Iterator[Spooled]:
    """Write ``data`` to a new file in ``folder`` and sync it; removed at exit if still there.

    Raises
    ------
    NotFoundError
        When ``data`` is a path that cannot be read.
    RequestError
        When reading ``data`` breaks off.
    """
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(prefix=_PREFIX, dir=folder)
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as out, _opened(data) as source:
            sha256, size = hash_stream(source, then=out.write)
            out.flush()
            # Stored bytes never change: their name says what they are.
            os.fchmod(out.fileno(), 0o400)
            os.fsync(out.fileno())
        yield Spooled(path=path, sha256=sha256, size=size)
    finally:
        path.unlink(missing_ok=True)


def hash_stream(
    source: BinaryIO, *, then: Callable[[bytes], object] | None = None
) -> tuple[str, int]:
    """Return SHA-256 (hex) and length of what ``source`` still gives; ``then`` gets each chunk."""
    digest, size = hashlib.sha256(), 0
    while chunk := _next_chunk(source):
        digest.update(chunk)
        size += len(chunk)
        if then is not None:
            then(chunk)
    return digest.hexdigest(), size


def _next_chunk(source: BinaryIO) -> bytes:
    try:
        return source.read(CHUNK_BYTES)
    except OSError as error:
        raise RequestError(
            f"Expected all bytes of a file, but its sender broke off ({type(error).__name__}); "
            "send it again."
        ) from error


def sweep(folder: Path, *, older_than_s: float, dry_run: bool) -> int:
    """Count, and unless it is a dry run remove, what killed writers left in ``folder``."""
    count, limit = 0, time.time() - older_than_s
    for path in folder.glob(f"{_PREFIX}*"):
        try:
            if path.stat().st_mtime > limit:
                continue
            if not dry_run:
                path.unlink()
        except FileNotFoundError:  # its writer finished just now
            continue
        count += 1
    return count


@contextmanager
def _opened(data: bytes | BinaryIO | Path) -> Iterator[BinaryIO]:
    if isinstance(data, bytes):
        yield io.BytesIO(data)
    elif isinstance(data, Path):
        with _opened_path(data) as source:
            yield source
    else:
        yield data


def _opened_path(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise NotFoundError(
            f"Expected a file at {path}, but it cannot be read ({error.strerror}); check the path."
        ) from error
