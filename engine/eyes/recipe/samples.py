"""What the network learns from: photographs by group, rendered eyes, and pictures without an eye.

Nothing of the photographs is stored: only the marks that say where the eye is in each
(``marks.json``, made by hand for one picture of each group and carried over to its copies by
registration).
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.eyes import crops, framing
from engine.eyes.recipe.validation import CLASSES

__all__ = [
    "CLASSES",
    "NOT_AN_EYE",
    "Sample",
    "file_names",
    "name_hash",
    "photographs",
    "read_picture",
    "reduced",
    "table_of",
]

NOT_AN_EYE: Final = -1
"""Label of a sample that shows no eye; other labels index :data:`CLASSES`."""

WIDE_PX: Final = 210
"""Photographs are kept so large that the canonical crop is this wide, or at their own size."""

_ZOOM_OF_CLASS: Final = {"Conjunctivitis": 0.62, "Stye": 0.85}
"""Closest crop, in canonical widths, that still shows what the class is named for."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One picture and where its eye is.

    ``pixels`` is ``(h, w, 3) uint8 RGB``; ``regions`` is ``(h, w) uint8`` (0 other, 1 sclera,
    2 iris, 3 pupil) or ``None`` when unknown. ``label`` indexes :data:`CLASSES` or is
    :data:`NOT_AN_EYE`. Samples of one ``group`` never stand on two sides of a split. ``kind``
    is ``photograph``, ``rendered``, or the kind of picture without an eye. ``weight`` is the
    sample's share of its group (1 / pictures in the group).
    """

    pixels: NDArray[np.uint8]
    corners: crops.Corners
    label: int
    group: str
    key: str
    kind: str
    weight: float = 1.0
    closest_zoom: float = 0.0
    regions: NDArray[np.uint8] | None = None


def name_hash(name: str) -> str:
    """Return the first 16 hexadecimal digits of a file name's SHA-256: a key without the name."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def photographs(folder: Path, *, groups: Sequence[str] | None = None) -> Iterator[Sample]:
    """Read the photographs named by ``labels.csv`` of a folder, each with its marked eye.

    Parameters
    ----------
    folder
        Holds ``labels.csv`` with the columns file, class and group.
    groups
        Only these; all when ``None``.

    Raises
    ------
    InputError
        When the folder has no ``labels.csv`` or a class is unknown.
    """
    rows = table_of(folder)
    counts = Counter(row["group"] for row in rows)
    marks = marked_corners()
    for row in rows:
        if groups is not None and row["group"] not in groups:
            continue
        if row["class"] not in CLASSES:
            raise InputError(
                f"labels.csv may name {', '.join(CLASSES)}, but {row['file']} has "
                f"{row['class']!r}; correct the table."
            )
        pixels = read_picture(folder / row["file"])
        height, width = pixels.shape[:2]
        corners = marks.get(row["file"])
        if corners is None:
            corners = framing.whole_picture_corners(height=height, width=width)
        pixels, corners = reduced(pixels, corners)
        yield Sample(
            pixels=pixels,
            corners=corners,
            label=CLASSES.index(row["class"]),
            group=row["group"],
            key=name_hash(row["file"]),
            kind="photograph",
            weight=1 / counts[row["group"]],
            closest_zoom=_ZOOM_OF_CLASS.get(row["class"], 0.0),
        )


def file_names(folder: Path) -> list[str]:
    """Return the names of the photographs in ``labels.csv``."""
    return [row["file"] for row in table_of(folder)]


def table_of(folder: Path) -> list[dict[str, str]]:
    """Return the rows of a folder's ``labels.csv``."""
    table = folder / "labels.csv"
    if not table.is_file():
        raise InputError(
            f"The folder of photographs needs a labels.csv, but {table} does not exist; "
            "give the folder that holds it."
        )
    with table.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def marked_corners() -> dict[str, crops.Corners]:
    """Return file name → corners of the eye, in pixels of the photograph."""
    text = Path(__file__).with_name("marks.json").read_text(encoding="utf-8")
    return {name: ((a, b), (c, d)) for name, (a, b, c, d) in json.loads(text).items()}


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Decode a file by its content to ``(H, W, 3) uint8 RGB``."""
    data = np.frombuffer(path.read_bytes(), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if picture is None:
        raise InputError(f"{path.name} is not a picture that can be decoded; replace it.")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def reduced(
    pixels: NDArray[np.uint8], corners: crops.Corners, *, wide_px: int = WIDE_PX
) -> tuple[NDArray[np.uint8], crops.Corners]:
    """Shrink a picture until its canonical crop is at most ``wide_px`` wide, and cut the rest.

    Keeps memory small and lets later warps sample without aliasing.
    """
    height, width = pixels.shape[:2]
    fitted = framing.fit_corners(corners, height=height, width=width)
    (fx, fy), (gx, gy) = fitted
    seen = math.hypot(gx - fx, gy - fy) * (1 + 2 * crops.PADDING_X / 100)
    factor = min(wide_px / seen, 1.0)
    if factor < 1:
        size = (max(round(width * factor), 1), max(round(height * factor), 1))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    (ax, ay), (bx, by) = ((x * factor, y * factor) for x, y in corners)
    # Twice the crop's size around the eye is all that any variation can reach.
    height, width = pixels.shape[:2]
    reach = max(seen * factor, 64)
    cx, cy = (fx + gx) / 2 * factor, (fy + gy) / 2 * factor
    x0, x1 = max(int(cx - reach), 0), min(math.ceil(cx + reach), width)
    y0, y1 = max(int(cy - reach), 0), min(math.ceil(cy + reach), height)
    part = np.ascontiguousarray(pixels[y0:y1, x0:x1])
    return part, ((ax - x0, ay - y0), (bx - x0, by - y0))
