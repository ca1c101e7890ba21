"""YOLO: ``images/``, ``labels/`` and ``data.yaml``; boxes for cells, outlines for masks.

An outline's holes are joined to it by a line that is walked there and back, the usual way to write
them in this form: whoever fills it by even and odd gets the very pixels.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.datasets.entries import Entry, Split
from engine.datasets.forms.archive import new_archive
from engine.datasets.forms.content import Drawn, drawn, mask_values, picture_size
from engine.datasets.forms.outlines import outline

__all__ = ["NAME", "SHOWS", "TITLE", "write"]

NAME: Final = "yolo"
TITLE: Final = "YOLO: a text of boxes or outlines for every picture"
SHOWS: Final = "objects"
_FOLDERS: Final[dict[Split, str]] = {
    "": "train",
    "train": "train",
    "validation": "val",
    "test": "test",
}


def write(entries: Iterable[Entry], path: Path, *, classes: tuple[str, ...]) -> None:
    """Write pictures as they are, below a folder for each split; without a split: ``train``."""
    numbers = {name: value - 1 for value, name in enumerate(classes) if value}
    used = set()
    with new_archive(path, classes) as archive:
        for one in entries:
            entry = archive.take(one)
            folder = _FOLDERS[entry.split]
            used.add(folder)
            archive.add_picture(f"images/{folder}", entry)
            if entry.labels is None:
                continue
            values = mask_values(entry)
            size = picture_size(entry, values)
            lines = [
                _line(found, numbers.setdefault(found.class_name, len(numbers)), size)
                for found in drawn(entry, values, classes)
            ]
            archive.add(f"labels/{folder}/{entry.name}.txt", "".join(lines).encode())
        archive.add("data.yaml", _yaml(numbers, used).encode())


def _line(found: Drawn, number: int, size: tuple[int, int]) -> str:
    height, width = size
    if found.region is None:
        x, y, wide, high = found.box
        parts = [(x + wide / 2) / width, (y + high / 2) / height, wide / width, high / height]
    else:
        parts = (_joined(found) / [width, height]).ravel().tolist()
    return f"{number} {' '.join(f'{part:.9f}' for part in parts)}\n"


def _joined(found: Drawn) -> NDArray[np.float64]:
    if found.region is None:
        raise TypeError("a box has no outline")
    ring, holes = outline(found.region)
    for hole in holes:
        way = np.concatenate([ring, ring[:1]])
        ring = np.concatenate([way, hole, hole[:1]])
        ring = np.concatenate([ring, way[:1]])
    return ring


def _yaml(numbers: dict[str, int], used: set[str]) -> str:
    """Return the form's list of classes; JSON's texts are YAML's too."""
    lines = [f"{key}: images/{key}" for key in ("train", "val", "test") if key in used]
    names = [
        f"  {n}: {json.dumps(name)}" for name, n in sorted(numbers.items(), key=lambda i: i[1])
    ]
    return "\n".join(["path: .", *lines, f"nc: {len(numbers)}", "names:", *names]) + "\n"
