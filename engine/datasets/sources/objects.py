"""A picture and a folder of masks, one for each object, which are merged.

``x/images/x.png`` with ``x/masks/*.png`` (Data Science Bowl 2018), ``masks/x/*.png`` beside
``images/x.png``, or ``x_mask_1.png``, ``x_mask_2.png`` beside ``x.png``. A mask in a folder may
be called after its class, as in ``masks/gland_0001.png``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from engine.datasets.entries import Entry, FileOutcome, MaskFile, ObjectMasks
from engine.datasets.opening import Opened
from engine.datasets.sources.naming import MASK_FOLDERS, is_picture, split_of, stem_of

__all__ = ["NAME", "TITLE", "entries", "recognise"]

NAME: Final = "objects"
TITLE: Final = "one mask per object"
_NUMBERED: Final = re.compile(r"(.+?)[ _.-](?:mask|seg|label)[ _.-]?\d+$", re.IGNORECASE)

_CALLED: Final = re.compile(r"(.*[^\W\d_].*?)[ _.-]\d+$")
_OBJECT: Final = "object"
_PLAIN: Final = MASK_FOLDERS | {"mask", "seg", "label", "object", "obj", "instance", "segment"}


def recognise(opened: Opened) -> bool:
    """Tell whether a picture has a folder, or numbers, of masks."""
    return bool(_masks(opened))


def entries(opened: Opened) -> Iterator[Entry | FileOutcome]:
    """Yield every picture with the masks of its objects."""
    masks = _masks(opened)
    used = {name for files in masks.values() for name in files}
    for name in opened.names:
        if name in used:
            continue
        if not is_picture(name):
            yield FileOutcome(name=name, outcome="left_out", sentences=("No picture.",))
            continue
        if _is_mask(name):
            reason = "No picture has this object's mask."
            yield FileOutcome(name=name, outcome="refused", sentences=(reason,))
            continue
        files = tuple(MaskFile(name=file, read=opened.reader(file)) for file in masks.get(name, []))
        yield Entry(
            name=stem_of(name),
            image=opened.picture(name),
            labels=_objects(files, stem_of(name)) if files else None,
            split=split_of(name),
        )


def _objects(files: tuple[MaskFile, ...], picture: str) -> ObjectMasks:
    return ObjectMasks(
        files=files, class_names=tuple(_class_of(file.name, picture) for file in files)
    )


def _class_of(name: str, picture: str) -> str:
    """Return the class that the name of an object's mask tells, else that of all objects."""
    called = _CALLED.match(stem_of(name))
    word = called.group(1) if called else ""
    is_plain = not word or word == picture or word.lower() in _PLAIN
    return _OBJECT if is_plain or _NUMBERED.match(stem_of(name)) else word[:80]


def _is_mask(name: str) -> bool:
    parts = [part.lower() for part in PurePosixPath(name).parts[:-1]]
    return bool(MASK_FOLDERS.intersection(parts)) or bool(_NUMBERED.match(stem_of(name)))


def _masks(opened: Opened) -> dict[str, list[str]]:
    """Return the object masks of each picture that has some."""
    pictures: dict[tuple[str, str], str] = {}
    for name in opened.names:
        if is_picture(name) and not _is_mask(name):
            pictures[_home(name), stem_of(name)] = name
            parts = PurePosixPath(name).parts
            if len(parts) >= 3 and parts[-3] == stem_of(name):
                pictures["/".join(parts[:-2]), ""] = name
    found: dict[str, list[str]] = defaultdict(list)
    for name in opened.names:
        if is_picture(name) and _is_mask(name):
            for key in _keys(name):
                if key in pictures:
                    found[pictures[key]].append(name)
                    break
    return dict(found)


def _home(name: str) -> str:
    """Return the folder above the pictures' own one, or the folder itself where they lie flat."""
    parent = PurePosixPath(name).parent
    return str(parent.parent) if parent.name.lower().startswith(("image", "img")) else str(parent)


def _keys(name: str) -> Iterator[tuple[str, str]]:
    path = PurePosixPath(name)
    numbered = _NUMBERED.match(stem_of(name))
    if numbered:
        yield str(path.parent), numbered.group(1)
    parts = path.parts
    if len(parts) >= 3 and parts[-3].lower() in MASK_FOLDERS:  # masks/x/1.png
        yield str(path.parent.parent.parent), parts[-2]
    if len(parts) >= 3 and parts[-2].lower() in MASK_FOLDERS:  # x/masks/1.png
        yield str(path.parent.parent), ""
