"""Pascal VOC: ``JPEGImages``, boxes in ``Annotations``, and masks in ``SegmentationClass``.

In ``SegmentationClass`` a sample is the number of its class and 255 is not annotated, VOC's own
"void".
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from engine.datasets.entries import Entry, MaskFile
from engine.datasets.forms.archive import new_archive
from engine.datasets.forms.content import NOT_ANNOTATED, drawn, mask_values, picture_size

__all__ = ["NAME", "SHOWS", "TITLE", "write"]

NAME: Final = "voc"
TITLE: Final = "Pascal VOC: boxes in XML, and masks"
SHOWS: Final = "objects"
_SETS: Final = {"train": "train", "validation": "val", "test": "test"}


def write(entries: Iterable[Entry], path: Path, *, classes: tuple[str, ...]) -> None:
    """Write pictures as they are, and a box for every cell or connected region."""
    sets: dict[str, list[str]] = {}
    with new_archive(path, classes) as archive:
        for one in entries:
            entry = archive.take(one)
            file = archive.add_picture("JPEGImages", entry)
            if entry.split:
                sets.setdefault(_SETS[entry.split], []).append(entry.name)
            if entry.labels is None:
                continue
            archive.add(f"Annotations/{entry.name}.xml", _xml(entry, file, classes))
            if isinstance(entry.labels, MaskFile):
                archive.add(f"SegmentationClass/{entry.name}.png", entry.labels.read())
        for name, members in sets.items():
            text = "".join(f"{member}\n" for member in members)
            archive.add(f"ImageSets/Main/{name}.txt", text.encode())


def _xml(entry: Entry, file: str, classes: tuple[str, ...]) -> bytes:
    values = mask_values(entry)
    height, width = picture_size(entry, values)
    root = ET.Element("annotation")
    _text(root, "folder", "JPEGImages")
    _text(root, "filename", file)
    size = ET.SubElement(root, "size")
    for name, number in (("width", width), ("height", height), ("depth", 3)):
        _text(size, name, str(number))
    _text(root, "segmented", str(int(values is not None)))
    for found in drawn(entry, values, classes):
        if found.class_name != NOT_ANNOTATED:
            _object(root, found.class_name, found.box)
    return bytes(ET.tostring(root, encoding="utf-8"))


def _object(root: ET.Element, name: str, box: tuple[float, float, float, float]) -> None:
    """Add one object: corners at the edges of pixels, as today's tools write them."""
    x, y, width, height = box
    element = ET.SubElement(root, "object")
    _text(element, "name", name)
    _text(element, "pose", "Unspecified")
    _text(element, "truncated", "0")
    _text(element, "difficult", "0")
    bounds = ET.SubElement(element, "bndbox")
    for key, value in (
        ("xmin", x),
        ("ymin", y),
        ("xmax", x + width),
        ("ymax", y + height),
    ):
        _text(bounds, key, f"{value:g}")


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = text
