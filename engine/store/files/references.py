"""Which files the records name: every 64 hexadecimal digits anywhere below ``records/`` count.

On purpose this knows nothing of fields: a record kind of tomorrow, a field of a newer version, the
previous version of a collection and an unfinished change keep their files too. The audit log is
left out; its hashes name lines, not files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

__all__ = ["in_json_files", "in_records", "names_in"]

_DIGITS: Final = 64
_RUN: Final = re.compile(rb"[0-9a-f]{64,}")
_CHUNK_BYTES: Final = 1 << 22
_LEFT_OUT: Final = ("audit",)


def in_records(records: Path) -> set[str]:
    """Return the names of all files that anything below the folder ``records`` refers to."""
    return _in_files(
        path
        for path in records.rglob("*")
        if path.relative_to(records).parts[0] not in _LEFT_OUT and path.is_file()
    )


def in_json_files(folder: Path) -> set[str]:
    """Return the names of all files that a JSON file below ``folder`` refers to."""
    return _in_files(folder.rglob("*.json"))


def _in_files(paths: Iterable[Path]) -> set[str]:
    found: set[str] = set()
    for path in paths:
        try:
            for text in _overlapping(path):
                found |= names_in(text)
        except FileNotFoundError:  # a temporary file that became its collection meanwhile
            continue
    return found


def names_in(text: bytes) -> set[str]:
    """Return every run of 64 hexadecimal digits; a longer run gives all that lie in it.

    >>> sorted(name[-2:] for name in names_in(b'"file": "' + b"0" * 63 + b'1a"'))
    ['01', '1a']
    """
    return {
        match.group()[start : start + _DIGITS].decode("ascii")
        for match in _RUN.finditer(text)
        for start in range(len(match.group()) - _DIGITS + 1)
    }


def _overlapping(path: Path) -> Iterator[bytes]:
    """Yield a file in chunks of which each begins with the end of the one before."""
    tail = b""
    with path.open("rb") as source:
        while chunk := source.read(_CHUNK_BYTES):
            text = tail + chunk
            yield text
            tail = text[-_DIGITS + 1 :]
