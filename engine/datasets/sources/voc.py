"""Pascal VOC: an XML of boxes per picture, and label pictures in ``SegmentationClass``.

http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf; 255 is what nobody labelled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final
from xml.etree import ElementTree as ET

from engine.datasets.entries import Box, Entry, FileOutcome, Labels, MaskFile, Shapes, Split
from engine.datasets.opening import Opened
from engine.datasets.sources.finding import Finder, rest_of
from engine.datasets.sources.naming import is_picture, split_of, stem_of
from engine.errors import DatasetError

__all__ = ["NAME", "TITLE", "entries", "recognise"]

NAME: Final = "voc"
TITLE: Final = "Pascal VOC (XML of boxes, SegmentationClass)"
_LARGEST: Final = 20_000_000
_SEGMENTATION: Final = "SegmentationClass"
_SPLIT_FILES: Final[dict[str, Split]] = {
    "train.txt": "train",
    "val.txt": "validation",
    "test.txt": "test",
}
_DECLARATION: Final = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)


def recognise(opened: Opened) -> bool:
    """Tell whether there are VOC's XML documents, or label pictures in its folder."""
    if any(_is_segmentation(name) for name in opened.names):
        return True
    documents = [name for name in opened.names if name.lower().endswith(".xml")]
    return any(b"<annotation" in opened.read(name)[:2000] for name in documents[:5])


def entries(opened: Opened) -> Iterator[Entry | FileOutcome]:
    """Yield every picture with its label picture, else with its boxes."""
    finder = Finder([name for name in opened.names if not _is_segmentation(name)])
    splits, names, used = _splits(opened), _class_names(opened), set[str]()
    maps = {stem_of(name): name for name in opened.names if _is_segmentation(name)}
    documents = {
        PurePosixPath(name).stem: name for name in opened.names if name.lower().endswith(".xml")
    }
    for stem in sorted({*maps, *documents}):
        place = documents.get(stem) or maps[stem]
        found = finder.by_stem(stem, near=place)
        used |= {name for name in (maps.get(stem), documents.get(stem)) if name}
        if found is None:
            reason = "The upload has labels of this name, but no picture."
            yield FileOutcome(name=place, outcome="refused", sentences=(reason,))
            continue
        used.add(found)
        try:
            labels, notes = _labels(opened, maps.get(stem), documents.get(stem), names)
        except DatasetError as problem:
            yield FileOutcome(name=place, outcome="refused", sentences=(str(problem),))
            continue
        yield Entry(
            name=stem_of(found),
            image=opened.picture(found),
            labels=labels,
            split=splits.get(stem) or split_of(found),
            notes=notes,
        )
    for name in opened.names:
        if name not in used and is_picture(name) and "SegmentationObject" not in name:
            used.add(name)
            yield Entry(
                name=stem_of(name),
                image=opened.picture(name),
                split=splits.get(stem_of(name)) or split_of(name),
            )
    yield from rest_of(opened, used, why="VOC's numbers of objects; the classes are taken.")


def _is_segmentation(name: str) -> bool:
    return is_picture(name) and _SEGMENTATION in PurePosixPath(name).parts[:-1]


def _labels(
    opened: Opened, label_map: str | None, document: str | None, names: dict[int, str]
) -> tuple[Labels | None, tuple[str, ...]]:
    if label_map is not None:
        return MaskFile(name=label_map, read=opened.reader(label_map), names=names), ()
    if document is None:
        return None, ()
    return _boxes(opened, document)


def _boxes(opened: Opened, name: str) -> tuple[Shapes, tuple[str, ...]]:
    if opened.sizes[name] > _LARGEST:
        raise DatasetError("The XML of boxes is larger than 20 MB.")
    data = opened.read(name)
    if _DECLARATION.search(data):
        raise DatasetError("The XML declares entities, which VOC does not; it is not read.")
    try:
        root = ET.fromstring(data)  # noqa: S314 – entities are refused above
    except ET.ParseError as problem:
        raise DatasetError("The XML of boxes is damaged; export it again.") from problem
    boxes, bad = [], 0
    for item in root.iter("object"):
        try:
            sides = [
                float(item.findtext(f"bndbox/{side}") or "")
                for side in ("xmin", "ymin", "xmax", "ymax")
            ]
        except ValueError:
            bad += 1
            continue
        left, top, right, bottom = sides
        boxes.append(
            Box(
                class_name=(item.findtext("name") or "object").strip()[:80],
                x=left,
                y=top,
                width=right - left,
                height=bottom - top,
            )
        )
    notes = (f"{bad} boxes without numbers were left out.",) if bad else ()
    return Shapes(shapes=tuple(boxes)), notes


def _splits(opened: Opened) -> dict[str, Split]:
    found: dict[str, Split] = {}
    for name in opened.names:
        split = _SPLIT_FILES.get(PurePosixPath(name).name.lower())
        if split and ("ImageSets" in name or len(PurePosixPath(name).parts) <= 2):
            for line in opened.read(name).decode("utf-8", "replace").splitlines():
                if line.strip():
                    found.setdefault(stem_of(line.split()[0]), split)
    return found


def _class_names(opened: Opened) -> dict[int, str]:
    """Return the classes of ``labelmap.txt``, a line ``name:r,g,b:…`` for each in its order."""
    for name in opened.names:
        if PurePosixPath(name).name.lower() == "labelmap.txt":
            lines = opened.read(name).decode("utf-8", "replace").splitlines()
            rows = [line.split(":")[0].strip() for line in lines]
            classes = [row for row in rows if row and not row.startswith("#")]
            return {**dict(enumerate(classes)), 255: "not_annotated"}
    return {}
