"""The pictures of nuclei (2018 Data Science Bowl, stage 1, corrected): kinds, groups, split."""

from __future__ import annotations

import csv
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import DatasetError
from engine.training.recipes.mosaics import mosaics

__all__ = ["KINDS", "SHARES", "Nuclei", "nuclei_folder", "read_nuclei"]

Part = Literal["train", "validation", "test"]
KINDS: Final = ("fluorescence", "stained", "brightfield_grey")
SHARES: Final[Mapping[Part, float]] = {"test": 0.2, "validation": 0.1, "train": 0.7}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Nuclei:
    """One picture: its file, its kind of microscopy, its mosaic, and its part of the split."""

    name: str
    kind: str
    group: str
    part: Part
    picture_path: Path
    mask_path: Path

    def load(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the picture ``(H, W, 3) uint8`` RGB and the mask ``(H, W) uint8``: 1 nucleus."""
        mask = cv2.imread(str(self.mask_path), cv2.IMREAD_GRAYSCALE)
        if mask is None:
            raise DatasetError(f"Expected a mask at {self.mask_path}, but it cannot be read.")
        return _picture(self.picture_path), (np.asarray(mask) > 127).astype(np.uint8)


def nuclei_folder(given: Path) -> Path:
    """Return the folder of the pictures: the one given, or ``seg/dsb2018`` below it."""
    below = given / "seg" / "dsb2018"
    return below if below.is_dir() else given


def read_nuclei(folder: Path, *, seed: int = 0) -> tuple[Nuclei, ...]:
    """Return all pictures of ``folder`` (with ``index.csv``, ``images`` and ``masks``).

    Pictures that were cut from one larger one (:func:`engine.training.recipes.mosaics.mosaics`)
    are a group and stay together. Each kind of microscopy is divided by itself: a fifth is the
    test, a tenth the validation. The same pictures and seed give the same split.

    Raises
    ------
    DatasetError
        When the folder does not hold them.
    """
    index = folder / "index.csv"
    if not index.is_file():
        raise DatasetError(f"Expected {index} with the columns file and kind, but there is none.")
    with index.open(encoding="utf-8", newline="") as file:
        kinds = {row["file"]: row["kind"] for row in csv.DictReader(file)}
    groups = mosaics({name: _picture(folder / "images" / name) for name in kinds})
    parts: dict[str, Part] = {}
    for kind in sorted(set(kinds.values())):
        own = {name: groups[name] for name in kinds if kinds[name] == kind}
        parts |= _parts(own, seed)
    return tuple(
        Nuclei(
            name=Path(name).stem,
            kind=kind,
            group=Path(groups[name]).stem,
            part=parts[name],
            picture_path=folder / "images" / name,
            mask_path=folder / "masks" / name,
        )
        for name, kind in sorted(kinds.items())
    )


def _picture(path: Path) -> NDArray[np.uint8]:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise DatasetError(f"Expected a picture at {path}, but it cannot be read.")
    return np.ascontiguousarray(picture[..., ::-1], np.uint8)


def _parts(groups: Mapping[str, str], seed: int) -> dict[str, Part]:
    """Deal whole groups, larger ones first, each to the part that lacks most."""
    members: dict[str, list[str]] = {}
    for name in sorted(groups):
        members.setdefault(groups[name], []).append(name)
    dealt = list(members.values())
    random.Random(seed).shuffle(dealt)  # noqa: S311 – chance, not secrecy
    dealt.sort(key=len, reverse=True)
    counts: dict[Part, int] = dict.fromkeys(SHARES, 0)
    found: dict[str, Part] = {}
    for names in dealt:
        part = max(counts, key=lambda one: SHARES[one] * len(groups) - counts[one])
        counts[part] += len(names)
        found |= dict.fromkeys(names, part)
    return found
