"""One folder with pictures and their masks, told apart by ``_mask`` at the end of the name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from engine.datasets.entries import Entry, FileOutcome, MaskFile
from engine.datasets.opening import Opened
from engine.datasets.sources.naming import group_of, is_picture, split_of, stem_of

__all__ = ["NAME", "TITLE", "entries", "recognise"]

NAME: Final = "flat"
TITLE: Final = "pictures beside their masks (name_mask)"
_MASK: Final = re.compile(r"(.+?)[ _.-](?:mask|seg|segmentation|labels?|gt)$", re.IGNORECASE)


def recognise(opened: Opened) -> bool:
    """Tell whether a mask lies beside its picture."""
    names = _by_place(opened)
    return any(_picture_of(name) in names for name in opened.names)


def entries(opened: Opened) -> Iterator[Entry | FileOutcome]:
    """Yield every picture with the mask beside it, and masks without a picture as refused."""
    pictures = _by_place(opened)
    masks = {
        place: name
        for name in opened.names
        if is_picture(name) and (place := _picture_of(name)) in pictures
    }
    taken = set(masks.values())
    for name in opened.names:
        if name in taken:
            continue
        if not is_picture(name):
            yield FileOutcome(name=name, outcome="left_out", sentences=("No picture.",))
        elif _picture_of(name) is not None:
            reason = "There is no picture of this mask's name beside it."
            yield FileOutcome(name=name, outcome="refused", sentences=(reason,))
        else:
            mask = masks.get(_place(name))
            yield Entry(
                name=stem_of(name),
                image=opened.picture(name),
                labels=MaskFile(name=mask, read=opened.reader(mask)) if mask else None,
                group=group_of(PurePosixPath(name).parts[:-1][-1:]),
                split=split_of(name),
            )


def _place(name: str) -> tuple[str, str]:
    return str(PurePosixPath(name).parent), stem_of(name)


def _by_place(opened: Opened) -> set[tuple[str, str]]:
    return {_place(name) for name in opened.names if is_picture(name) and _picture_of(name) is None}


def _picture_of(name: str) -> tuple[str, str] | None:
    """Return the folder and stem of the picture that a mask's name tells, ``None`` for others."""
    found = _MASK.match(stem_of(name)) if is_picture(name) else None
    return (str(PurePosixPath(name).parent), found.group(1)) if found else None
