"""The forms that a dataset may come in: one module each, tried from the most special to plain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, final

from engine.datasets.entries import Entry, FileOutcome
from engine.datasets.opening import Opened
from engine.datasets.side_notes import with_notes
from engine.datasets.sources import coco, flat, folders, nnunet, objects, plain, qupath, voc, yolo
from engine.errors import DatasetError, RequestError

__all__ = ["SOURCES", "Source", "form_of"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One form: how it is recognised and read. ``entries`` also tells of files that it passes."""

    name: str
    title: str
    recognise: Callable[[Opened], bool]
    entries: Callable[[Opened], Iterator[Entry | FileOutcome]]


_MODULES: Final = (nnunet, coco, qupath, voc, yolo, objects, folders, flat, plain)


def _noted(
    read: Callable[[Opened], Iterator[Entry | FileOutcome]], opened: Opened
) -> Iterator[Entry | FileOutcome]:
    """Read a form, with groups and splits from the notes that an export leaves beside it."""
    return with_notes(opened, read(opened))


SOURCES: Final = tuple(
    Source(
        name=form.NAME,
        title=form.TITLE,
        recognise=form.recognise,
        entries=partial(_noted, form.entries),
    )
    for form in _MODULES
)
"""All forms, the most special first."""


def form_of(opened: Opened, name: str = "") -> Source:
    """Return the form of an upload: the first that recognises it, or the one that is named.

    Raises
    ------
    RequestError
        When there is no form of that name.
    DatasetError
        When nothing in the upload is a picture.
    """
    if name:
        for source in SOURCES:
            if source.name == name:
                return source
        names = ", ".join(source.name for source in SOURCES)
        raise RequestError(f"The form must be one of {names}, but is {name[:40]!r}.")
    for source in SOURCES:
        if source.recognise(opened):
            return source
    raise DatasetError(
        "Expected pictures (PNG, JPG, TIFF, BMP, DICOM, NIfTI), but the upload has none; see "
        "which forms of dataset are read, and pack it again."
    )
