"""``lightbox.json``: what most forms of dataset have no place for, beside their own files.

Groups, splits, pixel sizes and the names of classes travel in it, so that a dataset that went out
comes back as it was. Programs that do not know it pass it over.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, Final

from engine.datasets.entries import Entry, FileOutcome, MaskFile
from engine.datasets.opening import Opened
from engine.errors import DatasetError

__all__ = ["NAME", "content", "with_notes"]

NAME: Final = "lightbox.json"
_FORMAT: Final = "lightbox-notes-1"
_SPLITS: Final = ("train", "validation", "test")
_NOT_ANNOTATED: Final = {255: "not_annotated"}


def content(entries: Iterable[Entry], *, classes: tuple[str, ...]) -> bytes:
    """Return the notes about ``entries`` under the names that their files have."""
    pictures: dict[str, dict[str, Any]] = {}
    for entry in entries:
        told = {
            "group": entry.group,
            "split": entry.split,
            "pixel_size_um": entry.pixel_size_um,
        }
        pictures[entry.name] = {key: value for key, value in told.items() if value}
    document = {"format": _FORMAT, "classes": list(classes), "pictures": pictures}
    return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True).encode()


def with_notes(
    opened: Opened, items: Iterable[Entry | FileOutcome]
) -> Iterator[Entry | FileOutcome]:
    """Yield ``items`` with what the notes of the upload say about them, where it has any.

    Raises
    ------
    DatasetError
        When the notes cannot be read.
    """
    places = [name for name in opened.names if PurePosixPath(name).name == NAME]
    notes = _read(opened.read(min(places, key=len))) if places else {}
    names = {**dict(enumerate(notes.get("classes", ()))), **_NOT_ANNOTATED}
    for item in items:
        if not notes or not isinstance(item, Entry):
            if not (isinstance(item, FileOutcome) and item.name in places):
                yield item
            continue
        yield _noted(item, notes["pictures"].get(item.name, {}), names)


def _noted(entry: Entry, told: Mapping[str, Any], names: Mapping[int, str]) -> Entry:
    labels = entry.labels
    if isinstance(labels, MaskFile) and not labels.names and len(names) > 1:
        labels = replace(labels, names=names)
    split, size = told.get("split"), told.get("pixel_size_um")
    return replace(
        entry,
        labels=labels,
        group=str(told.get("group", "")) or entry.group,
        split=split if split in _SPLITS else entry.split,
        pixel_size_um=float(size)
        if isinstance(size, int | float) and size > 0
        else None or entry.pixel_size_um,
    )


def _read(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
        if document["format"] != _FORMAT:
            raise DatasetError(
                f"{NAME} must say “{_FORMAT}”, but says “{str(document['format'])[:40]}”; it may "
                "be of a newer Lightbox. Leave it out to import without groups and splits."
            )
        classes, pictures = document["classes"], document["pictures"]
        if not all(isinstance(name, str) for name in classes):
            raise TypeError("classes")
        return {"classes": classes, "pictures": {str(k): dict(v) for k, v in pictures.items()}}
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise DatasetError(
            f"{NAME} cannot be read; leave it out to import without groups and splits."
        ) from problem
