"""Small files of the kernel, read so that a missing one is no error."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["lines", "number", "table", "unescaped"]


def lines(path: Path) -> list[str]:
    """Return the lines of a kernel file; none when there is no such file or no right to read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def number(path: Path) -> int | None:
    """Return the number in a file; None for ``max``, and when there is no such file."""
    text = "".join(lines(path)).strip()
    return int(text) if text.isdigit() else None


def table(path: Path) -> dict[str, int]:
    """Return lines such as ``inactive_file 4096`` and ``MemTotal: 12 kB`` as a mapping."""
    rows = (re.match(r"([\w()]+):?\s+(\d+)", line) for line in lines(path))
    return {row.group(1): int(row.group(2)) for row in rows if row}


def unescaped(text: str) -> str:
    r"""Undo the octal escapes of mountinfo: ``\040`` is a space."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), text)
