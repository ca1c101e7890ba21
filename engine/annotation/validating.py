"""What looks wrong in a mask, told as warnings when it is saved: never a wall.

Values that have no class, another size than the picture, tiny islands and holes that a slip of the
pen leaves behind, and a mask in which nothing is marked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

import numpy as np
from numpy.typing import NDArray

from engine.annotation.agreement import STATE_NAMES
from engine.annotation.raster import Box
from engine.imaging.masks import BACKGROUND, NOT_ANNOTATED, Mask

__all__ = ["Kind", "Warned", "smallest_region_px", "validate"]

Kind = Literal["size", "values", "nothing", "islands", "holes"]
"""``size`` and ``values``: the mask cannot be used as it is; ``nothing``: not one pixel is
annotated; ``islands``: specks of a class; ``holes``: specks of background or of nothing inside."""

_NAMED_PLACES: Final = 20
_SMALLEST_PX: Final = 12
_SMALLEST_SHARE: Final = 2e-5  # 20 pixels of 1,024²


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """One thing that looks wrong, in a sentence; ``places`` are boxes, the smallest specks first.

    ``count`` says how many there are, of which ``places`` names 20 at most. ``state`` is the value
    of the specks, ``None`` where it is not about one.
    """

    kind: Kind
    sentence: str
    count: int = 1
    state: int | None = None
    places: tuple[Box, ...] = ()


def smallest_region_px(shape: tuple[int, ...]) -> int:
    """Return below how many pixels a region counts as a speck in a picture of ``shape``.

    >>> smallest_region_px((1024, 1024)), smallest_region_px((100, 100))
    (20, 12)
    """
    return max(_SMALLEST_PX, int(_SMALLEST_SHARE * shape[0] * shape[1]))


def validate(
    mask: Mask,
    picture_shape: tuple[int, ...],
    *,
    names: Sequence[str] = STATE_NAMES,
    smallest_px: int | None = None,
) -> tuple[Warned, ...]:
    """Return what looks wrong in ``mask`` of a picture of ``picture_shape``; nothing is changed.

    Parameters
    ----------
    mask
        ``(H, W) uint8``; values are places in ``names``, or 255 for not annotated.
    picture_shape
        Height and width of the picture, and perhaps channels.
    names
        The classes by their values.
    smallest_px
        Regions with fewer pixels are specks; :func:`smallest_region_px` when not given.
    """
    if mask.shape != tuple(picture_shape[:2]):
        height, width = picture_shape[:2]
        sentence = (
            f"The mask has {mask.shape[1]}×{mask.shape[0]} pixels but its picture {width}×"
            f"{height}; export the mask at the picture's size."
        )
        return (Warned(kind="size", sentence=sentence),)
    found = np.bincount(mask.ravel(), minlength=256)
    strange = _strange(found, len(names))
    if strange is not None:
        return (strange,)
    if found[NOT_ANNOTATED] == mask.size:
        return (Warned(kind="nothing", sentence="Nothing is annotated: every pixel is empty."),)
    limit = smallest_region_px(mask.shape) if smallest_px is None else smallest_px
    states = [value for value in (*range(len(names)), NOT_ANNOTATED) if found[value]]
    warned = (_specks(mask, value, names, limit) for value in states)
    return tuple(one for one in warned if one is not None)


def _strange(found: NDArray[np.intp], number: int) -> Warned | None:
    strange = np.flatnonzero(found[number:NOT_ANNOTATED]) + number
    if not len(strange):
        return None
    sentence = (
        f"{int(found[strange].sum()):,} pixels have values without a class "
        f"({', '.join(map(str, strange[:8]))}); allowed are 0 to {number - 1} and {NOT_ANNOTATED}."
    )
    return Warned(kind="values", sentence=sentence, count=int(found[strange].sum()))


def _specks(mask: Mask, value: int, names: Sequence[str], limit: int) -> Warned | None:
    """Return the specks of one state; such as lie at the picture's edge count too."""
    import cv2

    is_hole = value in (BACKGROUND, NOT_ANNOTATED)
    here = (mask == value).astype(np.uint8)
    _, _, boxes, _ = cv2.connectedComponentsWithStats(here, connectivity=4 if is_hole else 8)
    regions = boxes[1:]  # (left, top, width, height, area); the first is everything else
    tiny = regions[regions[:, cv2.CC_STAT_AREA] < limit]
    if not len(tiny):
        return None
    tiny = tiny[np.argsort(tiny[:, cv2.CC_STAT_AREA], kind="stable")]
    name = "not annotated" if value == NOT_ANNOTATED else names[value]
    thing = "hole" if is_hole else "island"
    plural = "" if len(tiny) == 1 else "s"
    sizes = tiny[:, cv2.CC_STAT_AREA]
    largest = f" to {sizes[-1]}" if sizes[-1] != sizes[0] else ""
    sentence = (
        f"{len(tiny)} tiny {thing}{plural} of “{name}” ({sizes[0]}{largest} px); "
        f"the first at row {tiny[0, 1]}, column {tiny[0, 0]}."
    )
    return Warned(
        kind="holes" if is_hole else "islands",
        sentence=sentence,
        count=len(tiny),
        state=value,
        places=tuple(_box(row) for row in tiny[:_NAMED_PLACES]),
    )


def _box(row: NDArray[np.int32]) -> Box:
    left, top, width, height = (int(number) for number in row[:4])
    return Box(left=left, top=top, right=left + width, bottom=top + height)
