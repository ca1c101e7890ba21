"""Cells as COCO: boxes ``[x, y, width, height]`` in pixels, categories numbered from 1."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from engine.cells.exports.marked import MarkedCell, MarkedPicture

__all__ = ["coco_document"]


def coco_document(pictures: Sequence[MarkedPicture], *, kinds: Sequence[str] = ()) -> bytes:
    """Return the JSON document; ``kinds`` come first among the categories, in this order."""
    found = {cell.label for picture in pictures for cell in picture.cells}
    names = [*dict.fromkeys(kinds), *sorted(found - set(kinds))]
    numbers = {name: number for number, name in enumerate(names, start=1)}
    annotations: list[dict[str, Any]] = []
    for picture_number, picture in enumerate(pictures, start=1):
        for cell in picture.cells:
            number = len(annotations) + 1
            annotations.append(_annotation(cell, number, picture_number, numbers[cell.label]))
    document = {
        "info": {"description": "Cells marked in Lightbox", "version": "1.0"},
        "licenses": [],
        "images": [
            {"id": number, "file_name": one.name, "width": one.width, "height": one.height}
            for number, one in enumerate(pictures, start=1)
        ],
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
        "annotations": annotations,
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


def _annotation(cell: MarkedCell, number: int, picture: int, kind: int) -> dict[str, Any]:
    box = [round(value, 2) for value in (cell.x, cell.y, cell.width, cell.height)]
    told: dict[str, Any] = {
        "id": number,
        "image_id": picture,
        "category_id": kind,
        "bbox": box,
        "area": round(cell.width * cell.height, 2),
        "iscrowd": 0,
        "segmentation": [],
        "origin": cell.origin,
    }
    if cell.confidence is not None:
        told["score"] = round(cell.confidence, 4)
    if cell.comments:
        told["comments"] = cell.comments
    return told
