"""A folder for every picture, with a mask file for each object: the form of nuclei challenges."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

from engine.datasets.entries import Entry
from engine.datasets.forms.archive import new_archive
from engine.datasets.forms.content import drawn, mask_values
from engine.datasets.forms.outlines import Region

__all__ = ["NAME", "SHOWS", "TITLE", "write"]

NAME: Final = "objects"
TITLE: Final = "a mask file for each object"
SHOWS: Final = "masks"


def write(entries: Iterable[Entry], path: Path, *, classes: tuple[str, ...]) -> None:
    """Write ``NAME/images/NAME.png`` and ``NAME/masks/CLASS_0001.png`` of 0 and 255.

    Classes are in the names of the files; what nobody has looked at is left out.
    """
    with new_archive(path, classes) as archive:
        for one in entries:
            entry = archive.take(one)
            archive.add_picture(f"{entry.name}/images", entry)
            values = mask_values(entry)
            if values is None:
                continue
            labelled = np.where(values == 255, np.uint8(0), values)
            for number, found in enumerate(drawn(entry, labelled, classes), 1):
                if found.region is not None:
                    data = _mask(found.region, values.shape)
                    archive.add(f"{entry.name}/masks/{found.class_name}_{number:04}.png", data)


def _mask(region: Region, size: tuple[int, ...]) -> bytes:
    import cv2

    mask = np.zeros(size, np.uint8)
    x, y, width, height = region.box
    mask[y : y + height, x : x + width][region.pixels] = 255
    _, data = cv2.imencode(".png", mask)
    return bytes(data)
