"""nnU-Net's raw form (version 2): ``imagesTr``, ``labelsTr``, ``imagesTs`` and ``dataset.json``.

Its labels are consecutive, and what is to be ignored has the highest: so 255, which nobody has
looked at, becomes the number after the last class.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.datasets.entries import Entry
from engine.datasets.forms.archive import Archive, new_archive
from engine.datasets.forms.content import mask_values

__all__ = ["NAME", "SHOWS", "TITLE", "write"]

NAME: Final = "nnunet"
TITLE: Final = "nnU-Net: imagesTr, labelsTr, imagesTs"
SHOWS: Final = "masks"
_ROOT: Final = "Dataset001_Lightbox"
_NOBODY: Final = 255


def write(entries: Iterable[Entry], path: Path, *, classes: tuple[str, ...]) -> None:
    """Write pictures as RGB PNG; the test split goes to ``imagesTs`` and ``labelsTs``.

    Pictures without a mask cannot be trained on, so they go to ``imagesTs`` too.
    """
    numbers = {"training": 0}
    folds: dict[str, list[str]] = {"train": [], "val": []}
    with new_archive(path, classes) as archive:
        for one in entries:
            _write_one(archive, archive.take(one), classes, numbers, folds)
        labels = {name: value for value, name in enumerate(classes)}
        document: dict[str, Any] = {
            "channel_names": {"0": "R", "1": "G", "2": "B"},
            "labels": {**labels, "ignore": len(classes)},
            "numTraining": numbers["training"],
            "file_ending": ".png",
        }
        archive.add(f"{_ROOT}/dataset.json", json.dumps(document, indent=1).encode())
        if folds["val"]:
            archive.add(f"{_ROOT}/splits_final.json", json.dumps([folds], indent=1).encode())


def _write_one(
    archive: Archive,
    entry: Entry,
    classes: tuple[str, ...],
    numbers: dict[str, int],
    folds: dict[str, list[str]],
) -> None:
    import cv2

    from engine.imaging import pictures

    values = mask_values(entry)
    end = "Ts" if values is None or entry.split == "test" else "Tr"
    # nnU-Net's own reader takes the channels of one RGB file apart.

    picture = pictures.encode_png(pictures.decode(entry.image.read()))
    archive.add(f"{_ROOT}/images{end}/{entry.name}_0000.png", picture)
    if values is None:
        return
    if end == "Tr":
        numbers["training"] += 1
        folds["val" if entry.split == "validation" else "train"].append(entry.name)
    labels = np.where(values == _NOBODY, np.uint8(len(classes)), values)
    _, data = cv2.imencode(".png", labels)
    archive.add(f"{_ROOT}/labels{end}/{entry.name}.png", bytes(data))
