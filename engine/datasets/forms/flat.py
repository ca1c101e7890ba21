"""One folder with every picture beside its mask, ``name.png`` and ``name_mask.png``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from engine.datasets.entries import Entry, MaskFile
from engine.datasets.forms.archive import new_archive

__all__ = ["NAME", "SHOWS", "TITLE", "write"]

NAME: Final = "flat"
TITLE: Final = "one folder: name.png beside name_mask.png"
SHOWS: Final = "masks"


def write(entries: Iterable[Entry], path: Path, *, classes: tuple[str, ...]) -> None:
    """Write pictures as they are, and masks as grey PNG: the number of the class, 255 for none."""
    with new_archive(path, classes) as archive:
        for one in entries:
            entry = archive.take(one)
            archive.add_picture("pictures", entry)
            if isinstance(entry.labels, MaskFile):
                archive.add(f"pictures/{entry.name}_mask.png", entry.labels.read())
