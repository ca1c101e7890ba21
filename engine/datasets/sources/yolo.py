"""YOLO: a text per picture with ``class cx cy w h`` or ``class x y x y …``, in shares of the sides.

https://docs.ultralytics.com/datasets/. Class names come from ``data.yaml`` or ``classes.txt``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

import numpy as np

from engine.datasets.entries import Box, Entry, FileOutcome, Polygon, Shapes
from engine.datasets.opening import Opened
from engine.datasets.sources.finding import Finder, rest_of
from engine.datasets.sources.naming import is_picture, split_of, stem_of
from engine.errors import DatasetError, LightboxError
from engine.imaging.headers import read_header

__all__ = ["NAME", "TITLE", "entries", "recognise"]

NAME: Final = "yolo"
TITLE: Final = "YOLO (a text of boxes or outlines per picture)"
_LINE: Final = re.compile(r"\d+(\s+[-+.\deE]+){4,}\s*$")
_LISTS: Final = ("classes.txt", "obj.names", "labels_classes.txt", "predefined_classes.txt")
_NAMED: Final = re.compile(r"^\s*(\d+)\s*:\s*['\"]?(.*?)['\"]?\s*$")
_ITEM: Final = re.compile(r"^\s*-\s*['\"]?(.*?)['\"]?\s*$")


def recognise(opened: Opened) -> bool:
    """Tell whether a text beside a picture holds lines of a class and shares."""
    finder = Finder(opened.names)
    looked = 0
    for name in _texts(opened):
        if finder.by_stem(PurePosixPath(name).stem, near=name) is None:
            continue
        lines = opened.read(name)[:20_000].decode("utf-8", "replace").split("\n")
        if any(_LINE.match(line.strip()) for line in lines[:50]):
            return True
        looked += 1
        if looked >= 50:
            break
    return False


def entries(opened: Opened) -> Iterator[Entry | FileOutcome]:
    """Yield every picture with its text's shapes; a picture without a text has no labels."""
    names = _class_names(opened)
    texts: dict[str, str] = {}
    finder, used = Finder(opened.names), set[str]()
    for name in _texts(opened):
        found = finder.by_stem(PurePosixPath(name).stem, near=name)
        if found is not None:
            texts[found] = name
    for name in opened.names:
        if not is_picture(name):
            continue
        used.add(name)
        text = texts.get(name)
        labels: Shapes | None = None
        notes: tuple[str, ...] = ()
        if text is not None:
            used.add(text)
            try:
                labels, notes = _shapes(opened, name, text, names)
            except LightboxError as problem:
                yield FileOutcome(name=name, outcome="refused", sentences=(str(problem),))
                continue
        yield Entry(
            name=stem_of(name),
            image=opened.picture(name),
            labels=labels,
            split=split_of(name),
            notes=notes,
        )
    yield from rest_of(opened, used, why="")


def _texts(opened: Opened) -> Iterator[str]:
    for name in opened.names:
        last = PurePosixPath(name).name.lower()
        if last.endswith(".txt") and last not in _LISTS:
            yield name


def _shapes(
    opened: Opened, picture: str, text: str, names: dict[int, str]
) -> tuple[Shapes, tuple[str, ...]]:
    header = read_header(opened.read(picture))
    turned = header.orientation >= 5
    width, height = (header.height, header.width) if turned else (header.width, header.height)
    shapes: list[Box | Polygon] = []
    bad = 0
    for line in opened.read(text).decode("utf-8", "replace").splitlines():
        if not line.strip():
            continue
        try:
            shapes.append(_shape(line, names, width=width, height=height))
        except (ValueError, DatasetError):
            bad += 1
    notes = (f"{bad} lines are no labels and were left out.",) if bad else ()
    classes = tuple(name for name in names.values() if name != "not annotated")
    return Shapes(shapes=tuple(shapes), classes=classes), notes


def _shape(line: str, names: dict[int, str], *, width: int, height: int) -> Box | Polygon:
    first, *rest = line.split()
    numbers = np.asarray([float(word) for word in rest])
    number = int(first)
    name = names.get(number, f"class {number}")
    if not np.isfinite(numbers).all() or np.abs(numbers).max(initial=0) > 3:
        raise DatasetError("Shares of the sides lie in 0..1.")
    if len(numbers) in (4, 5):  # a fifth is the detector's confidence
        x, y, w, h = numbers[:4].tolist()
        return Box(
            class_name=name,
            x=(x - w / 2) * width,
            y=(y - h / 2) * height,
            width=w * width,
            height=h * height,
        )
    if len(numbers) < 6 or len(numbers) % 2:
        raise DatasetError("An outline needs three points.")
    points = numbers.reshape(-1, 2) * np.asarray([width, height])
    # Written with six digits, a corner on a pixel's edge must come back to that edge.
    near = np.round(points * 2) / 2
    points = np.where(np.abs(points - near) < 0.02, near, points)
    return Polygon(class_name=name, exterior=points)


def _class_names(opened: Opened) -> dict[int, str]:
    for name in opened.names:
        last = PurePosixPath(name).name.lower()
        if last in _LISTS or last.endswith("_classes.txt"):
            lines = opened.read(name).decode("utf-8", "replace").splitlines()
            return {at: line.strip()[:80] for at, line in enumerate(lines) if line.strip()}
        if last.endswith((".yaml", ".yml")):
            found = _names_of_yaml(opened.read(name).decode("utf-8", "replace"))
            if found:
                return found
    return {}


def _names_of_yaml(text: str) -> dict[int, str]:
    """Return ``names`` of a ``data.yaml`` in its three usual ways of writing."""
    lines = text.splitlines()
    start = next((at for at, line in enumerate(lines) if line.startswith("names:")), None)
    if start is None:
        return {}
    rest = lines[start].removeprefix("names:").strip()
    if rest.startswith("["):
        inside = " ".join([rest, *lines[start + 1 :]]).split("]")[0].strip("[ ")
        return {at: w.strip().strip("'\"")[:80] for at, w in enumerate(inside.split(","))}
    found: dict[int, str] = {}
    for line in lines[start + 1 :]:
        if named := _NAMED.match(line):
            found[int(named.group(1))] = named.group(2)[:80]
        elif item := _ITEM.match(line):
            found[len(found)] = item.group(1)[:80]
        elif line.strip() and not line.startswith((" ", "\t", "#")):
            break
    return found
