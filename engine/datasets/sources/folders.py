"""``images/`` and ``masks/`` with files of the same name: MedSeg's form.

Names may also differ in their ends (``train_1`` and ``train_1_anno``, ``21_training`` and
``21_manual1``), as long as one mask alone fits a picture.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final, final, get_args

from engine.datasets.entries import Entry, FileOutcome, MaskFile, Split
from engine.datasets.opening import Opened
from engine.datasets.sources.json_files import read_json
from engine.datasets.sources.naming import (
    IMAGE_FOLDERS,
    MASK_FOLDERS,
    group_of,
    is_picture,
    split_of,
    stem_of,
)

__all__ = ["NAME", "TITLE", "entries", "recognise"]

NAME: Final = "folders"
TITLE: Final = "images/ and masks/ with the same names"
_ENDINGS: Final = ("_mask", "-mask", "_seg", "_segmentation", "_label", "_labels", "_gt")
_SEPARATOR: Final = re.compile(r"[ _.-]")

_Key = tuple[str, str]


def recognise(opened: Opened) -> bool:
    """Tell whether a mask's folder holds a file named as one in a pictures' folder."""
    images = {_key(name, at) for name, at in _inside(opened, IMAGE_FOLDERS)}
    if any(_mask_keys(name, at) & images for name, at in _inside(opened, MASK_FOLDERS)):
        return True
    return bool(_loosely_paired(opened, {}))


def entries(opened: Opened) -> Iterator[Entry | FileOutcome]:
    """Yield every picture with its mask, and masks without a picture as refused."""
    masks = {
        key: name
        for name, at in _inside(opened, MASK_FOLDERS)
        for key in sorted(_mask_keys(name, at))
    }
    loose = _loosely_paired(opened, masks)
    used, told = set(), _Told.of(opened)
    for name, at in _inside(opened, IMAGE_FOLDERS):
        mask = masks.get(_key(name, at)) or loose.get(name)
        if mask is not None:
            used.add(mask)
        stem = stem_of(name)
        yield Entry(
            name=stem,
            image=opened.picture(name),
            labels=told.mask(opened, mask) if mask else None,
            group=told.groups.get(stem) or group_of(PurePosixPath(name).parts[at + 1 : -1]),
            split=told.splits.get(stem) or split_of(name),
            pixel_size_um=told.pixel_sizes_um.get(stem),
            notes=(f"Its mask is called {PurePosixPath(mask).name}.",)
            if mask and name in loose
            else (),
        )
    seen = {name for name, _ in _inside(opened, IMAGE_FOLDERS)} | used
    for name in opened.names:
        if name in seen:
            continue
        if is_picture(name):
            reason = "No picture in the images folder has this mask's name."
            yield FileOutcome(name=name, outcome="refused", sentences=(reason,))
        else:
            yield FileOutcome(name=name, outcome="left_out", sentences=("No picture.",))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What ``dataset.json`` of Lightbox's own export tells, by the picture's stem."""

    names: Mapping[int, str] = field(default_factory=dict, hash=False)
    groups: Mapping[str, str] = field(default_factory=dict, hash=False)
    splits: Mapping[str, Split] = field(default_factory=dict, hash=False)
    pixel_sizes_um: Mapping[str, float] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, opened: Opened) -> _Told:
        for name in opened.names:
            if PurePosixPath(name).name == "dataset.json":
                document = read_json(opened, name)
                if isinstance(document, dict) and isinstance(document.get("classes"), list):
                    return cls._of(document)
        return cls()

    @classmethod
    def _of(cls, document: dict[str, Any]) -> _Told:
        rows = {
            key: rows if isinstance(rows := document.get(key), dict) else {}
            for key in ("groups", "splits", "pixel_size_um")
        }
        sizes = rows["pixel_size_um"].items()
        return cls(
            names={**dict(enumerate(map(str, document["classes"]))), 255: "not_annotated"},
            groups={key: str(value) for key, value in rows["groups"].items()},
            splits={k: v for k, v in rows["splits"].items() if v in get_args(Split)},
            pixel_sizes_um={k: float(v) for k, v in sizes if isinstance(v, int | float)},
        )

    def mask(self, opened: Opened, name: str) -> MaskFile:
        return MaskFile(name=name, read=opened.reader(name), names=self.names)


def _inside(opened: Opened, folders: frozenset[str]) -> Iterator[tuple[str, int]]:
    """Yield the pictures below a folder of that name, and the folder's place on their path."""
    for name in opened.names:
        if not is_picture(name):
            continue
        parts = [part.lower() for part in PurePosixPath(name).parts[:-1]]
        places = [at for at, part in enumerate(parts) if part in folders]
        if places:
            yield name, places[0]


def _key(name: str, at: int, stem: str | None = None) -> _Key:
    """Return what a picture and its mask share: what is around the folder, and the stem."""
    parts = PurePosixPath(name).parts
    return "/".join((*parts[:at], "", *parts[at + 1 : -1])), stem or stem_of(name)


def _mask_keys(name: str, at: int) -> set[_Key]:
    stem = stem_of(name)
    shortened = (stem[: -len(end)] for end in _ENDINGS if stem.lower().endswith(end))
    return {_key(name, at), *(_key(name, at, stem=short) for short in shortened)}


def _loosely_paired(opened: Opened, masks: Mapping[_Key, str]) -> dict[str, str]:
    """Return masks of pictures that have none of their own name, where only one can be meant.

    A mask fits the picture whose whole name it begins with, else the one with the same first part
    that has a digit in it.
    """
    images = [(name, _key(name, at)) for name, at in _inside(opened, IMAGE_FOLDERS)]
    known = {key for _, key in images}
    whole = {key: name for name, key in images if key not in masks}
    parts = Counter(_first(key) for _, key in images)
    first = {_first(key): name for key, name in whole.items() if parts[_first(key)] == 1}
    wanted: dict[str, list[str]] = {}
    for name, at in _inside(opened, MASK_FOLDERS):
        if _mask_keys(name, at) & known:
            continue
        around, stem = _key(name, at)
        ends = [found.start() for found in _SEPARATOR.finditer(stem)][::-1]
        fitting = [whole[around, stem[:end]] for end in ends if (around, stem[:end]) in whole]
        picture = fitting[0] if fitting else first.get(_first((around, stem)))
        if picture is not None and any(letter.isdigit() for letter in stem):
            wanted.setdefault(picture, []).append(name)
    return {picture: names[0] for picture, names in wanted.items() if len(names) == 1}


def _first(key: _Key) -> _Key:
    """Return a key with the first part of its name, or the whole name where that has no digit."""
    part = _SEPARATOR.split(key[1], maxsplit=1)[0]
    return key[0], part if any(letter.isdigit() for letter in part) else key[1]
