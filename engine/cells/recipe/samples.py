"""Pictures with boxes: the labelled smears of a folder, split so that no field is on two sides.

The folder has ``images``, ``labels_txl`` (``class cx cy w h`` in shares of the picture, complete),
``labels_voc`` (Pascal VOC, many red cells missing), ``train.txt``, ``val.txt`` and
``field_groups.csv`` (pictures of one field of view share a group).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final
from xml.etree import ElementTree as ET

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.cells.names import CLASSES
from engine.errors import InputError

__all__ = ["Sample", "count_groups", "held_back", "taught"]

_TXL: Final = (0, 1, 2)  # its classes are WBC, RBC, Platelets: the order of ours
_VOC: Final = {"WBC": 0, "RBC": 1, "Platelets": 2}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One picture.

    ``picture`` is ``(H, W, 3) uint8`` RGB. ``boxes`` is ``(N, 4) float32``: left, top, right,
    bottom in pixels; ``classes`` is ``(N,) int64``, an index into
    :data:`~engine.cells.names.CLASSES`. ``complete[c]``: every cell of class ``c`` has a box, so
    that a place without one teaches "none here".
    """

    name: str
    picture: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    complete: tuple[bool, bool, bool]


def taught(folder: Path) -> list[Sample]:
    """Return the training pictures, without those whose field of view is held back."""
    held = _names(folder, "val.txt")
    groups = _groups(folder)
    kept_back = {groups.get(name, name) for name in held}
    names = [n for n in _names(folder, "train.txt") if groups.get(n, n) not in kept_back]
    return [_sample(folder, name) for name in names]


def held_back(folder: Path) -> list[Sample]:
    """Return the validation pictures that have complete labels."""
    names = _names(folder, "val.txt")
    return [_sample(folder, n) for n in names if (folder / "labels_txl" / f"{n}.txt").is_file()]


def count_groups(folder: Path, samples: Sequence[Sample]) -> int:
    """Return how many different fields of view these pictures show."""
    groups = _groups(folder)
    return len({groups.get(one.name, one.name) for one in samples})


def _names(folder: Path, listed: str) -> list[str]:
    try:
        text = (folder / listed).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"Expected {listed} in {folder}, but it cannot be read ({error.strerror}); "
            "give the folder of labelled smears."
        ) from error
    return text.split()


def _groups(folder: Path) -> dict[str, str]:
    with (folder / "field_groups.csv").open(encoding="utf-8", newline="") as rows:
        return {row["image"]: row["field_group"] for row in csv.DictReader(rows)}


def _sample(folder: Path, name: str) -> Sample:
    read = cv2.imread(str(folder / "images" / f"{name}.jpg"), cv2.IMREAD_COLOR)
    if read is None:
        raise InputError(f"Expected the picture {name}.jpg in {folder / 'images'}; it is missing.")
    picture = np.ascontiguousarray(read[..., ::-1], dtype=np.uint8)
    txl = folder / "labels_txl" / f"{name}.txt"
    if txl.is_file():
        rows = _txl_rows(txl, picture.shape[1], picture.shape[0])
        complete = (True, True, True)
    else:
        rows = _voc_rows(folder / "labels_voc" / f"{name}.xml")
        complete = (True, False, False)
    table = np.array(rows, dtype=np.float32).reshape(-1, 5)
    whole = (table[:, 3] - table[:, 1] > 2) & (table[:, 4] - table[:, 2] > 2)
    table = table[whole]  # two boxes of the source have no area
    return Sample(
        name=name,
        picture=picture,
        boxes=table[:, 1:],
        classes=table[:, 0].astype(np.int64),
        complete=complete,
    )


def _txl_rows(path: Path, width: int, height: int) -> list[tuple[float, ...]]:
    rows: list[tuple[float, ...]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, x, y, w, h = (float(part) for part in line.split())
        left, top = (x - w / 2) * width, (y - h / 2) * height
        rows.append((float(_TXL[int(kind)]), left, top, left + w * width, top + h * height))
    return rows


def _voc_rows(path: Path) -> list[tuple[float, ...]]:
    rows = []
    for found in ET.parse(path).getroot().iter("object"):  # noqa: S314 – our own data
        kind = _VOC[str(found.findtext("name"))]
        box = [float(found.findtext(f"bndbox/{side}") or 0) for side in _SIDES]
        rows.append((float(kind), *box))
    return rows


_SIDES: Final = ("xmin", "ymin", "xmax", "ymax")
assert len(CLASSES) == len(_TXL)
