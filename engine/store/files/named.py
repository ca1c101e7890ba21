"""The files that records name in so many words: fields that end in ``sha256``.

Narrower than :mod:`engine.store.files.references`, which errs on the safe side for removal: this is
for finding what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

from engine.store.files.names import is_name

if TYPE_CHECKING:
    from engine.store.store import Store

__all__ = ["named_files"]

# An archive of a backup has a checksum, but lies in the folder of backups.
_ELSEWHERE = ("backups",)


def named_files(store: Store) -> dict[str, str]:
    """Return each named file and the first record (``images/ID``) that names it."""
    found: dict[str, str] = {}
    for name in store.names:
        if name in _ELSEWHERE:
            continue
        for record in store[name].read():
            for sha256 in _hashes(record):
                found.setdefault(sha256, f"{name}/{record.id}")
    return found


def _hashes(value: object) -> Iterator[str]:
    if is_dataclass(value):
        for item in fields(value):
            yield from _hash(item.name, getattr(value, item.name))
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _hash(str(key), part)
    elif isinstance(value, tuple):
        for part in value:
            yield from _hashes(part)


def _hash(name: str, value: object) -> Iterator[str]:
    if isinstance(value, str):
        if name.endswith("sha256") and is_name(value):
            yield value
    else:
        yield from _hashes(value)
