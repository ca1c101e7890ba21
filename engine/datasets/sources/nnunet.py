"""nnU-Net's raw form: ``imagesTr/x_0000.png``, ``labelsTr/x.png`` and ``dataset.json``.

https://github.com/MIC-DKFZ/nnUNet/blob/master/documentation/dataset_format.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from engine.datasets.entries import Entry, FileOutcome, MaskFile, Split
from engine.datasets.opening import Opened
from engine.datasets.sources.json_files import read_json
from engine.datasets.sources.naming import is_picture, stem_of

__all__ = ["NAME", "TITLE", "entries", "recognise"]

NAME: Final = "nnunet"
TITLE: Final = "nnU-Net (imagesTr and labelsTr)"
_CHANNEL: Final = re.compile(r"(.+)_(\d{4})$")
_SPLITS: Final[dict[str, Split]] = {"Tr": "train", "Ts": "test", "Va": "validation"}


def recognise(opened: Opened) -> bool:
    """Tell whether there are pictures in ``imagesTr`` or ``imagesTs``."""
    return any(_place(name, "images") for name in opened.names)


def entries(opened: Opened) -> Iterator[Entry | FileOutcome]:
    """Yield the first channel of every case with its label map; other channels are told."""
    names = _class_names(opened)
    labels: dict[tuple[str, str, str], str] = {}
    for name in opened.names:
        if place := _place(name, "labels"):
            labels[(*place, stem_of(name))] = name
    used = set()
    for name in opened.names:
        place = _place(name, "images")
        if place is None:
            continue
        stem = stem_of(name)
        found = _CHANNEL.match(stem)
        case, channel = (found.group(1), int(found.group(2))) if found else (stem, 0)
        if channel:
            reason = "Another channel of a case: the first one is taken."
            yield FileOutcome(name=name, outcome="left_out", sentences=(reason,))
            continue
        label = labels.get((*place, case))
        used.add(label)
        yield Entry(
            name=case,
            image=opened.picture(name),
            labels=MaskFile(name=label, read=opened.reader(label), names=names) if label else None,
            split=_SPLITS[place[1]],
        )
    for name in opened.names:
        if _place(name, "labels") and name not in used:
            reason = "There is no picture of this case's name."
            yield FileOutcome(name=name, outcome="refused", sentences=(reason,))
        elif not _place(name, "images") and not _place(name, "labels"):
            yield FileOutcome(name=name, outcome="left_out", sentences=("No picture.",))


def _place(name: str, kind: str) -> tuple[str, str] | None:
    """Return what is around ``imagesTr`` and the letters after it, ``None`` elsewhere."""
    parts = PurePosixPath(name).parts
    if len(parts) < 2 or not is_picture(name):
        return None
    folder = parts[-2]
    letters = folder.removeprefix(kind)
    return ("/".join(parts[:-2]), letters) if letters in _SPLITS and letters != folder else None


def _class_names(opened: Opened) -> dict[int, str]:
    """Return the classes of ``dataset.json``: ``{"gland": 1}``, or ``{"1": "gland"}`` of old."""
    for name in opened.names:
        if PurePosixPath(name).name != "dataset.json":
            continue
        document = read_json(opened, name)
        labels = document.get("labels") if isinstance(document, dict) else None
        if isinstance(labels, dict):
            return _by_value(labels)
    return {}


def _by_value(labels: dict[str, object]) -> dict[int, str]:
    found: dict[int, str] = {}
    for one, other in labels.items():
        if isinstance(other, int) and not isinstance(other, bool):
            found[other] = _word(one)
        elif isinstance(other, str) and one.isdigit():
            found[int(one)] = _word(other)
    return found


def _word(name: str) -> str:
    """Return nnU-Net's own words in ours: its 'ignore' is what nobody annotated."""
    plain = name.strip().lower()
    return (
        "not_annotated"
        if plain in ("ignore", "not annotated", "not_annotated")
        else ("background" if plain == "background" else name.strip())
    )
