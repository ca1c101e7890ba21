"""The ZIP that a form is written into: whole or not there, names that fit, notes beside."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final, final

from engine.datasets import side_notes
from engine.datasets.entries import Entry

__all__ = ["Archive", "new_archive"]

_UNFIT: Final = re.compile(r"[^\w .()+-]+")
_PACKED: Final = (".png", ".jpg", ".jpeg", ".webp")


@final
class Archive:
    """A ZIP under construction."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names: set[str] = set()
        self._entries: list[Entry] = []

    def take(self, entry: Entry) -> Entry:
        """Return ``entry`` under a name that no other has and that every disk can keep."""
        plain = _UNFIT.sub("_", entry.name).strip(" .")[:120] or "picture"
        name, number = plain, 1
        while name.casefold() in self._names:
            number += 1
            name = f"{plain}_{number}"
        self._names.add(name.casefold())
        taken = replace(entry, name=name)
        self._entries.append(replace(taken, labels=None))
        return taken

    def add(self, name: str, data: bytes) -> None:
        """Add a file; what is packed already is stored as it is."""
        is_packed = name.lower().endswith(_PACKED)
        kind = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
        # A fixed moment: the same dataset gives the same file, which is then stored once.
        info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
        info.external_attr = 0o644 << 16
        self._archive.writestr(info, data, compress_type=kind)

    def add_picture(self, folder: str, entry: Entry) -> str:
        """Add the picture of ``entry`` as it is below ``folder``; return its file's name."""
        name = f"{entry.name}{PurePosixPath(entry.image.name).suffix.lower() or '.png'}"
        self.add(f"{folder}/{name}", entry.image.read())
        return name

    def add_notes(self, classes: tuple[str, ...]) -> None:
        """Add groups, splits, pixel sizes and names of classes of all entries taken."""
        self.add(side_notes.NAME, side_notes.content(self._entries, classes=classes))


@contextmanager
def new_archive(path: Path, classes: tuple[str, ...]) -> Iterator[Archive]:
    """Give an archive that is at ``path`` when the context ends well, and nowhere when not."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as stream:
            with zipfile.ZipFile(stream, "w", allowZip64=True) as archive:
                made = Archive(archive)
                yield made
                made.add_notes(classes)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
