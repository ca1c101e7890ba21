"""Damaged collections: finding them, and putting back what was good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, final

from engine.errors import DamagedStoreError, NotFoundError
from engine.store import intents
from engine.store.collections import Collection
from engine.store.disk import sync_folder, told_failures, write_aside
from engine.store.locks import locked
from engine.store.reading import good_versions

__all__ = ["Damage", "Recovery", "damage_of", "recover"]

_NEVER: Final = 0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A collection that cannot be read, and the good version that ``recover`` would put back.

    ``good_version`` is 0 when there is none; then only a backup helps.
    """

    name: str
    path: Path
    text: str
    good_version: int = _NEVER
    good_count: int = 0
    good_written_at: datetime | None = None

    def __str__(self) -> str:
        return self.text


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What was put back, and where the damaged file lies now (``None``: it was gone)."""

    name: str
    version: int
    count: int
    written_at: datetime
    damaged_path: Path | None


def damage_of(collection: Collection[Any]) -> Damage | None:
    """Read every record of a collection; return what is wrong, or ``None``."""
    try:
        collection.read().values()
    except DamagedStoreError as error:
        return _damage(collection, str(error))
    return None


def _damage(collection: Collection[Any], text: str) -> Damage:
    good = good_versions(collection.paths)
    if not good:
        return Damage(name=collection.name, path=collection.paths.current, text=text)
    about = good[0][1]
    return Damage(
        name=collection.name,
        path=collection.paths.current,
        text=text,
        good_version=about.version,
        good_count=about.count,
        good_written_at=about.written_at,
    )


def recover(collection: Collection[Any]) -> Recovery:
    """Put the last good version back; the damaged file is kept under another name.

    Raises
    ------
    NotFoundError
        When the collection is not damaged, so nothing was done.
    DamagedStoreError
        When no earlier version is whole; nothing was done.
    """
    intents.await_settled(collection.folder, collection.name)
    paths = collection.paths
    with intents.alone(collection.folder, collection.name), locked(paths.lock):
        found = damage_of(collection)
        if found is None:
            raise NotFoundError(
                f"{collection.name} is not damaged: {len(collection.read()):,} records, all of "
                f"them readable. Nothing was changed."
            )
        good = good_versions(paths)
        if not good:
            raise DamagedStoreError(found.text)
        source, about = good[0]
        with told_failures(paths.current):
            content = source.read_bytes()
        write_aside(paths.aside, [content])
        aside = paths.set_aside()
        with told_failures(paths.current):
            paths.aside.replace(paths.current)
        sync_folder(collection.folder)
    return Recovery(
        name=collection.name,
        version=about.version,
        count=about.count,
        written_at=about.written_at,
        damaged_path=aside,
    )
