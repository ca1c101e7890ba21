"""What is in an entry that is written: its mask as values, its size, its objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from engine.datasets.entries import Box, Entry, MaskFile, Shapes
from engine.datasets.forms.outlines import Region, regions
from engine.errors import PictureError

__all__ = ["NOT_ANNOTATED", "Drawn", "class_names", "drawn", "mask_values", "picture_size"]

NOT_ANNOTATED: Final = "not_annotated"
"""What pixels that nobody has looked at are called in forms that only have classes."""

_NOBODY: Final = 255


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """One object of a picture: its class, its box, and its pixels where it is more than a box."""

    class_name: str
    box: tuple[float, float, float, float]
    region: Region | None = None


def mask_values(entry: Entry) -> NDArray[np.uint8] | None:
    """Return the mask ``(H, W)`` of an entry, ``None`` without one.

    Raises
    ------
    PictureError
        When the file is no grey PNG of 8 bits.
    """
    import cv2

    if not isinstance(entry.labels, MaskFile):
        return None
    data = np.frombuffer(entry.labels.read(), np.uint8)
    values = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if values is None or values.ndim != 2 or values.dtype != np.uint8:
        raise PictureError(f"The mask of {entry.name} is no grey PNG of 8 bits; save it again.")
    return np.asarray(values, np.uint8)


def picture_size(entry: Entry, values: NDArray[np.uint8] | None) -> tuple[int, int]:
    """Return height and width of an entry's picture; those of its mask where it has one."""
    if values is not None:
        height, width = values.shape
        return height, width
    from engine.imaging import pictures

    height, width = pictures.decode(entry.image.read()).shape[:2]
    return height, width


def class_names(classes: tuple[str, ...]) -> dict[int, str]:
    """Return the name of every value of a mask, 255 included."""
    return {**dict(enumerate(classes)), _NOBODY: NOT_ANNOTATED}


def drawn(
    entry: Entry, values: NDArray[np.uint8] | None, classes: tuple[str, ...]
) -> Iterator[Drawn]:
    """Yield the boxes of an entry, or the connected regions of its mask."""
    if isinstance(entry.labels, Shapes):
        for shape in entry.labels.shapes:
            if isinstance(shape, Box):
                box = (shape.x, shape.y, shape.width, shape.height)
                yield Drawn(class_name=shape.class_name, box=box)
    if values is not None:
        names = class_names(classes)
        for region in regions(values):
            name = names.get(region.value, f"class {region.value}")
            yield Drawn(class_name=name, box=region.box, region=region)
