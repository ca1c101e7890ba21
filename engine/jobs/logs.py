"""A job's log: lines with a time, bounded, and its last lines."""

from __future__ import annotations

import os
from pathlib import Path

from engine.store import now

__all__ = ["append_line", "last_lines"]

_LONGEST_LOG = 2_000_000
_LONGEST_LINE = 2_000
_TAIL_BYTES = 64_000


def append_line(path: Path, text: str) -> None:
    """Add one line; above 2 MB the older half goes.

    Raises
    ------
    OSError
        When the disk is full or the folder is gone.
    """
    line = " ".join(text.split())[:_LONGEST_LINE]
    with path.open("ab") as file:
        file.write(f"{now():%Y-%m-%d %H:%M:%S} {line}\n".encode())
        size = file.tell()
    if size > _LONGEST_LOG:
        kept = path.read_bytes()[-_LONGEST_LOG // 2 :].partition(b"\n")[2]
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_bytes(b"(earlier lines were dropped)\n" + kept)
        temporary.replace(path)


def last_lines(path: Path, count: int) -> tuple[str, ...]:
    """Return up to ``count`` of the last lines, oldest first; none when nothing was logged."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - _TAIL_BYTES)
            file.seek(start)
            data = file.read(_TAIL_BYTES)
    except OSError:
        return ()
    lines = data.decode("utf-8", errors="replace").splitlines()
    if start:
        del lines[:1]  # most probably only the end of a line
    return tuple(lines[-count:]) if count > 0 else ()
