"""A file of lines that only grows: each line is on the disk before it counts, and checked.

A line is eight hexadecimal digits of its CRC-32, a space, JSON and a newline. What a killed
writer left half written at the end is not a line; the next writer takes it away.
"""

from __future__ import annotations

import fcntl
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from engine.durable import sync_folder, told_failures

__all__ = ["append_line", "held", "read_lines", "replace_file"]

_STROKE: Final = {"what": "The stroke", "again": "draw it again"}
_WHOLE: Final = 9  # digits and space before the JSON


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep every other writer, in all processes, waiting; the lock ends with its process."""
    with told_failures(path, **_STROKE):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def append_line(path: Path, value: Mapping[str, Any]) -> None:
    """Write one line; when this returns, it survives a power cut. Hold the lock.

    Raises
    ------
    DiskShortError, StoreError
        When it could not be written; the file is as it was.
    """
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    line = b"%08x %s\n" % (zlib.crc32(text), text)
    with told_failures(path, **_STROKE):
        is_new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            end = _end_of_lines(descriptor)
            os.ftruncate(descriptor, end)
            try:
                _write_at(descriptor, line, end)
                os.fsync(descriptor)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(descriptor, end)
                raise
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(path.parent)


def read_lines(path: Path, start: int = 0) -> tuple[list[dict[str, Any]], int, int]:
    """Return the whole lines from byte ``start`` on, where they end, and how many are damaged.

    A damaged line is left out; those after it are read.
    """
    try:
        with path.open("rb") as file:
            file.seek(start)
            data = file.read()
    except FileNotFoundError:
        return [], start, 0
    whole = data.rfind(b"\n") + 1
    found, damaged = [], 0
    for line in data[:whole].splitlines():
        value = _value(line)
        if value is None:
            damaged += 1
        else:
            found.append(value)
    return found, start + whole, damaged


def replace_file(path: Path, value: Mapping[str, Any]) -> None:
    """Write a small file that is there wholly or as it was before. Hold the lock."""
    aside = path.with_name(f"{path.name}.new")
    with told_failures(path, **_STROKE):
        aside.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
        aside.replace(path)


def _value(line: bytes) -> dict[str, Any] | None:
    text = line[_WHOLE:]
    try:
        if int(line[: _WHOLE - 1], 16) != zlib.crc32(text):
            return None
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _end_of_lines(descriptor: int) -> int:
    """Return where the last whole line ends."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - 65536)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _write_at(descriptor: int, data: bytes, place: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, place)
        rest, place = rest[written:], place + written
