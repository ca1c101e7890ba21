"""Slices of one volume: which pictures lie beside one, by the names that an import gave them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from engine.store.records import Image

__all__ = ["other_slices", "slice_of"]

_SLICE: Final = re.compile(r"(?P<volume>.+_(?:axial|coronal|sagittal))_(?P<number>\d{3,})")


def slice_of(name: str) -> tuple[str, int] | None:
    """Return volume and number of a slice by its name, ``None`` for a picture that is none.

    >>> slice_of("liver_3_axial_041"), slice_of("picture_041.png")
    (('liver_3_axial', 41), None)
    """
    found = _SLICE.fullmatch(name)
    return None if found is None else (found["volume"], int(found["number"]))


def other_slices(images: Iterable[Image], image: Image) -> dict[int, Image]:
    """Return the other slices of the volume of ``image``, by how far behind it they lie.

    They have its dataset, group and size. Those before it have numbers below 0.
    """
    own = slice_of(image.name)
    found: dict[int, Image] = {}
    for other in images if own is not None and image.dataset_id else ():
        named = slice_of(other.name)
        if named is None or own is None or named[0] != own[0] or named[1] == own[1]:
            continue
        same = ("dataset_id", "group", "sample_id", "width_px", "height_px")
        if all(getattr(other, field) == getattr(image, field) for field in same):
            found[named[1] - own[1]] = other
    return found
