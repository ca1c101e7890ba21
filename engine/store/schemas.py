"""Versions of the stored form of each collection, and how an older one becomes the present one.

A field that is added with a default needs no new version. Renaming, removing or reinterpreting one
does: add a :class:`Migration` to the collection's tuple in :data:`SCHEMAS`, with a test that reads
a file of the older version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import orjson

from engine.errors import NewerStoreError
from engine.store.layout import line_of, raw_of

__all__ = ["ORIGINAL", "SCHEMAS", "Migration", "Schema", "migrated", "require_known"]

Stored = dict[str, Any]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step: ``change`` takes a record's stored form and returns the next version's.

    It may change what it is given. Returning ``None`` removes the record. It sees one record at a
    time, and must give the same answer whenever it is asked.
    """

    text: str
    change: Callable[[Stored], Stored | None]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The steps from version 1 to the present one, in order."""

    steps: tuple[Migration, ...] = ()

    @property
    def version(self) -> int:
        """The present version: 1 before the first migration."""
        return 1 + len(self.steps)


ORIGINAL: Final = Schema()
# Collections that ever changed their stored form; all others are of version 1.
SCHEMAS: Final[Mapping[str, Schema]] = {}


def require_known(version: int, schema: Schema, *, name: str) -> None:
    """Refuse records of a later version than ``schema`` describes.

    Raises
    ------
    NewerStoreError
        The message says which versions are known.
    """
    if version > schema.version:
        raise NewerStoreError(
            f"{name}.json is of version {version}, but this Lightbox knows {name} up to version "
            f"{schema.version}; start the newer Lightbox that wrote it, or restore a backup made "
            f"before the update. Nothing was changed."
        )


def migrated(lines: dict[str, bytes], version: int, schema: Schema) -> dict[str, bytes]:
    """Return the lines of records of ``version`` as the present version has them."""
    if version == schema.version:
        return lines
    steps = schema.steps[version - 1 :]
    changed = {
        name: _stepped(orjson.loads(raw_of(name, line)), steps) for name, line in lines.items()
    }
    return {
        name: line_of(name, orjson.dumps(stored))
        for name, stored in changed.items()
        if stored is not None
    }


def _stepped(stored: Stored, steps: tuple[Migration, ...]) -> Stored | None:
    for step in steps:
        after = step.change(stored)
        if after is None:
            return None
        stored = after
    return stored
