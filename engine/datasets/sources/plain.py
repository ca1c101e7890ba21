"""Pictures without labels: whatever else is in the upload is passed over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from engine.datasets.entries import Entry, FileOutcome
from engine.datasets.opening import Opened
from engine.datasets.sources.naming import (
    IMAGE_FOLDERS,
    group_of,
    has_no_ending,
    is_picture,
    split_of,
    stem_of,
)
from engine.imaging.volume_files.sources import sniff

__all__ = ["NAME", "TITLE", "entries", "recognise"]

NAME: Final = "plain"
TITLE: Final = "pictures without labels"


def recognise(opened: Opened) -> bool:
    """Tell whether there is a picture at all."""
    return any(_is_taken(opened, name) for name in opened.names)


def entries(opened: Opened) -> Iterator[Entry | FileOutcome]:
    """Yield every picture; the folder that it lies in is its group."""
    for name in opened.names:
        if not _is_taken(opened, name):
            yield FileOutcome(name=name, outcome="left_out", sentences=("No picture.",))
            continue
        inner = [p for p in PurePosixPath(name).parts[:-1] if p.lower() not in IMAGE_FOLDERS]
        yield Entry(
            name=stem_of(name),
            image=opened.picture(name),
            group=group_of(tuple(inner[-1:])),
            split=split_of(name),
        )


def _is_taken(opened: Opened, name: str) -> bool:
    """DICOM often has no ending, so a single file is tried, and what looks like DICOM inside."""
    if is_picture(name) or len(opened.names) == 1:
        return True
    return has_no_ending(name) and sniff(opened.read(name)[:4096]) == "dicom"
