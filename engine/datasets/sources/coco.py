"""COCO: pictures and one JSON document with ``images``, ``annotations`` and ``categories``.

https://cocodataset.org/#format-data. Polygons, boxes and run-length codes, packed or not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.datasets.entries import Area, Box, Entry, FileOutcome, Polygon, Shapes
from engine.datasets.opening import Opened
from engine.datasets.sources.finding import Finder, rest_of
from engine.datasets.sources.json_files import read_json
from engine.datasets.sources.naming import split_of, stem_of
from engine.errors import DatasetError

__all__ = ["NAME", "TITLE", "decode_rle", "entries", "recognise"]

NAME: Final = "coco"
TITLE: Final = "COCO (JSON with images, annotations, categories)"
_LARGEST_SIDE: Final = 100_000
_NOT_ANNOTATED: Final = ("not annotated", "not_annotated")

Shape = Polygon | Box | Area


def recognise(opened: Opened) -> bool:
    """Tell whether a JSON document of the upload is COCO's."""
    return any(True for _ in _documents(opened))


def entries(opened: Opened) -> Iterator[Entry | FileOutcome]:
    """Yield every picture that a document lists, with its shapes."""
    finder = Finder(opened.names)
    used: set[str] = set()
    for name, document in _documents(opened):
        used.add(name)
        names = _categories(document)
        by_image: dict[Any, list[Any]] = defaultdict(list)
        for row in _rows(document, "annotations"):
            by_image[row.get("image_id")].append(row)
        for row in _rows(document, "images"):
            wanted = str(row.get("file_name", ""))
            found = finder.by_file(wanted)
            if found is None:
                reason = "The list of labels names this picture, but the upload has none of it."
                yield FileOutcome(name=wanted[:200] or name, outcome="refused", sentences=(reason,))
            elif found not in used:
                used.add(found)
                yield _entry(opened, found, by_image[row.get("id")], names, name)
    yield from rest_of(opened, used, why="No list of labels names this picture.")


def decode_rle(code: Any) -> NDArray[np.bool_]:  # noqa: ANN401 – JSON
    """Return the pixels ``(H, W)`` of a run-length code: columns first, 0-runs first.

    ``counts`` is a list, or COCO's text of 5-bit groups (``rleFrString`` of cocoapi's maskApi.c).

    Raises
    ------
    DatasetError
        When it is damaged.

    Examples
    --------
    >>> decode_rle({"size": [2, 2], "counts": [1, 2, 1]}).astype(int).tolist()
    [[0, 1], [1, 0]]
    """
    try:
        height, width = (int(side) for side in code["size"])
        counts = code["counts"]
        runs = _unpacked(counts) if isinstance(counts, str) else [int(run) for run in counts]
    except (KeyError, TypeError, ValueError, IndexError) as problem:
        raise DatasetError("A run-length code is damaged; export the labels again.") from problem
    is_size = 0 < height <= _LARGEST_SIDE and 0 < width <= _LARGEST_SIDE
    if not is_size or any(run < 0 for run in runs) or sum(runs) != height * width:
        raise DatasetError("A run-length code does not fill its picture; export the labels again.")
    bits = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return np.ascontiguousarray(bits.reshape((width, height)).T)


def _unpacked(text: str) -> list[int]:
    runs: list[int] = []
    at = 0
    while at < len(text):
        value = shift = 0
        more = True
        while more:
            group = ord(text[at]) - 48
            value |= (group & 0x1F) << shift
            more = bool(group & 0x20)
            at, shift = at + 1, shift + 5
            if not more and group & 0x10:
                value |= -1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
    return runs


def _documents(opened: Opened) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in opened.names:
        if name.lower().endswith(".json"):
            document = read_json(opened, name)
            if isinstance(document, dict) and "images" in document and "annotations" in document:
                yield name, document


def _rows(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    rows = document.get(key)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _categories(document: dict[str, Any]) -> dict[Any, str]:
    return {
        row.get("id"): str(row.get("name", f"class {row.get('id')}"))[:80]
        for row in _rows(document, "categories")
    }


def _entry(
    opened: Opened, name: str, rows: list[Any], names: dict[Any, str], document: str
) -> Entry:
    shapes: list[Shape] = []
    bad = 0
    for row in rows:
        try:
            shapes += _shapes(row, names.get(row.get("category_id"), "object"))
        except DatasetError:
            bad += 1
    notes = (f"{bad} labels are damaged and were left out.",) if bad else ()
    classes = tuple(name for name in names.values() if name not in _NOT_ANNOTATED)
    return Entry(
        name=stem_of(name),
        image=opened.picture(name),
        labels=Shapes(shapes=tuple(shapes), classes=classes),
        split=split_of(name) or split_of(f"{PurePosixPath(document).stem.split('_')[-1]}/x"),
        notes=notes,
    )


def _shapes(row: dict[str, Any], class_name: str) -> Iterator[Shape]:
    segmentation, box = row.get("segmentation"), row.get("bbox")
    if isinstance(segmentation, dict):
        yield Area(class_name=class_name, pixels=decode_rle(segmentation))
    elif isinstance(segmentation, list) and segmentation:
        for ring in segmentation:
            yield Polygon(class_name=class_name, exterior=_ring(ring))
    elif box is not None:
        try:
            x, y, width, height = (float(part) for part in box)
        except (TypeError, ValueError) as problem:
            raise DatasetError("A box is no four numbers.") from problem
        yield Box(class_name=class_name, x=x, y=y, width=width, height=height)


def _ring(numbers: Any) -> NDArray[np.float64]:  # noqa: ANN401 – JSON
    try:
        points = np.asarray(numbers, np.float64).reshape(-1, 2)
    except (TypeError, ValueError) as problem:
        raise DatasetError("An outline is no list of x, y.") from problem
    if len(points) < 3 or not np.isfinite(points).all():
        raise DatasetError("An outline has fewer than three points.")
    return points
