"""A sample's picture as people look at it: small enough to send, with a box for each cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from engine.store.records import CellAnnotation, CellType

if TYPE_CHECKING:
    from engine.imaging.boxes import Box
    from engine.imaging.palettes import Colour
    from engine.imaging.pictures import Picture

__all__ = ["NAMED", "boxed", "colours_of"]

NAMED: Final = 12
"""Up to so many cells all have their kind written at the box; of more, the commonest kind is left
without, because its names would hide the picture."""


def colours_of(kinds: Iterable[CellType], names: Iterable[str]) -> dict[str, Colour]:
    """Return a colour for each name: the one of its kind, else one of a palette for all eyes."""
    from engine.imaging.palettes import OKABE_ITO

    known = {kind.name: kind.colour for kind in kinds}
    spare = [colour for name, colour in OKABE_ITO.items() if name != "black"]
    wanted = sorted(set(names))
    return {
        name: _from_hex(known[name]) if name in known else spare[number % len(spare)]
        for number, name in enumerate(wanted)
    }


def boxed(
    picture: Picture,
    cells: Iterable[CellAnnotation],
    colours: Mapping[str, Colour],
    *,
    longest_px: int,
) -> Picture:
    """Return ``picture`` with its longer side at most ``longest_px``, and a box for each cell."""
    import cv2
    import numpy as np

    from engine.imaging.overlays import draw_boxes

    scale = min(1.0, longest_px / max(picture.shape[:2]))
    shown = picture
    if scale < 1:
        size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        shown = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    marked = list(cells)
    boxes = [box.scaled(scale) for box in _places(marked)]
    unnamed = _commonest(marked) if len(marked) > NAMED else ""
    labels = [cell.cell_type if cell.cell_type != unnamed else "" for cell in marked]
    return draw_boxes(shown, boxes, [colours[cell.cell_type] for cell in marked], labels)


def _commonest(cells: list[CellAnnotation]) -> str:
    return Counter(cell.cell_type for cell in cells).most_common(1)[0][0]


def _places(cells: list[CellAnnotation]) -> list[Box]:
    from engine.imaging.boxes import Box

    places = [cell.cell_coordinates for cell in cells]
    return [Box(place.x, place.y, place.width, place.height) for place in places]


def _from_hex(text: str) -> Colour:
    digits = text.lstrip("#")
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
