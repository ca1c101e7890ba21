"""The files of the audit log: ``000001.jsonl``, ``000002.jsonl``, … in one folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["complete_lines", "last_segment", "name_after", "segments"]

_NAME = re.compile(r"\d{6}\.jsonl")


def segments(folder: Path) -> tuple[Path, ...]:
    """Return the files of the log, oldest first."""
    if not folder.is_dir():
        return ()
    return tuple(sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name)))


def last_segment(folder: Path) -> Path:
    """Return the file that is written to; it need not exist yet."""
    found = segments(folder)
    return found[-1] if found else folder / "000001.jsonl"


def name_after(path: Path) -> Path:
    """Return the file that comes after ``path``: ``000001.jsonl -> 000002.jsonl``."""
    return path.with_name(f"{int(path.stem) + 1:06d}.jsonl")


def complete_lines(path: Path, *, limit: int | None = None) -> Iterator[bytes]:
    """Yield the lines of a file without their ends, of the first ``limit`` bytes only if given.

    What comes after the last line end was not finished by whoever wrote it, and is left out.
    """
    with path.open("rb") as file:
        seen = 0
        for line in file:
            seen += len(line)
            if not line.endswith(b"\n") or (limit is not None and seen > limit):
                return
            yield line[:-1]
