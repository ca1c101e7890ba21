"""COCO: ``images/`` and one ``annotations.json`` with boxes and run-length masks.

Pixels are exact: run lengths are COCO's own uncompressed ones, columns first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.datasets.entries import Entry
from engine.datasets.forms.archive import new_archive
from engine.datasets.forms.content import NOT_ANNOTATED, Drawn, drawn, mask_values, picture_size
from engine.datasets.forms.outlines import Region

__all__ = ["NAME", "SHOWS", "TITLE", "run_lengths", "write"]

NAME: Final = "coco"
TITLE: Final = "COCO: boxes and exact masks in one JSON"
SHOWS: Final = "objects"


def write(entries: Iterable[Entry], path: Path, *, classes: tuple[str, ...]) -> None:
    """Write pictures as they are, and an annotation for every box or connected region."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    numbers = {name: value for value, name in enumerate(classes) if value}
    with new_archive(path, classes) as archive:
        for one in entries:
            entry = archive.take(one)
            file = archive.add_picture("images", entry)
            values = mask_values(entry)
            height, width = picture_size(entry, values)
            number = len(images) + 1
            images.append({"id": number, "file_name": file, "width": width, "height": height})
            for found in drawn(entry, values, classes):
                category = numbers.setdefault(found.class_name, len(numbers) + 1)
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": category,
                        "iscrowd": 0,
                        **_where(found, (height, width)),
                    }
                )
        document = {
            "info": {"description": "Exported by Lightbox"},
            "images": images,
            "annotations": annotations,
            "categories": [
                {"id": number, "name": name, "supercategory": _above(name)}
                for name, number in numbers.items()
            ],
        }
        archive.add("annotations.json", json.dumps(document, ensure_ascii=False).encode())


def run_lengths(region: Region, size: tuple[int, int]) -> list[int]:
    """Return runs of pixels outside and inside in turn, columns first, beginning outside.

    In a picture of 2 × 2 whose right column is inside: ``[2, 2]``.
    """
    height, width = size
    rows, columns = region.pixels.shape
    whole = np.zeros((columns, height), np.int8)
    whole[:, region.y : region.y + rows] = region.pixels.T
    flat = np.concatenate(([0], whole.ravel(), [0]))
    turns = np.flatnonzero(np.diff(flat)) + region.x * height
    ends: NDArray[np.int64] = np.concatenate(([0], turns, [height * width]))
    lengths = np.diff(ends).tolist()
    return [int(length) for length in (lengths[:-1] if not lengths[-1] else lengths)]


def _where(found: Drawn, size: tuple[int, int]) -> dict[str, Any]:
    x, y, width, height = found.box
    if found.region is None:
        corners = [x, y, x + width, y, x + width, y + height, x, y + height]
        return {"bbox": [x, y, width, height], "area": width * height, "segmentation": [corners]}
    return {
        "bbox": [x, y, width, height],
        "area": int(found.region.pixels.sum()),
        "segmentation": {"size": list(size), "counts": run_lengths(found.region, size)},
    }


def _above(name: str) -> str:
    return "ignore" if name == NOT_ANNOTATED else ""
