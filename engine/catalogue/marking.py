"""A person's mark on a cell of a sample, checked against the picture that it lies in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from engine.errors import RequestError
from engine.store.records import CellAnnotation, CellCoordinates, Image, Sample

if TYPE_CHECKING:
    from engine.people.actors import Actor
    from engine.store import Store

__all__ = ["CellMark", "annotation_of"]

_LONGEST_TYPE: Final = 60
_LONGEST_COMMENT: Final = 2000
_MODEL_NAMES: Final = {"wbc-others": "WBC-Other"}  # older clients' spelling


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CellMark:
    """A box in pixels of the picture, and what is in it.

    ``image_id`` may be left out where the sample has one picture.
    """

    x: float
    y: float
    width: float
    height: float
    cell_type: str
    comments: str = ""
    image_id: str | None = None


def annotation_of(store: Store, actor: Actor, sample: Sample, mark: CellMark) -> CellAnnotation:
    """Return the record of a mark.

    Raises
    ------
    RequestError
        When the box is empty or outside the picture, or a field cannot be used.
    """
    image = _picture(store, sample, mark.image_id)
    box = (mark.x, mark.y, mark.width, mark.height)
    inside = all(map(math.isfinite, box)) and mark.x >= 0 and mark.y >= 0
    fits = mark.x + mark.width <= image.width_px and mark.y + mark.height <= image.height_px
    if not inside or not fits or mark.width <= 0 or mark.height <= 0:
        raise RequestError(
            f"'cell_coordinates' must be a box inside the picture of {image.width_px}×"
            f"{image.height_px} pixels, but are x={mark.x:g}, y={mark.y:g}, "
            f"width={mark.width:g}, height={mark.height:g}."
        )
    return CellAnnotation(
        sample_id=sample.id,
        image_id=image.id,
        user_id=actor.id,
        cell_coordinates=CellCoordinates(
            x=float(mark.x), y=float(mark.y), width=float(mark.width), height=float(mark.height)
        ),
        cell_type=_type(mark.cell_type),
        comments=_comment(mark.comments),
    )


def _picture(store: Store, sample: Sample, image_id: str | None) -> Image:
    if image_id is None and len(sample.image_ids) == 1:
        image_id = sample.image_ids[0]
    if image_id is None or image_id not in sample.image_ids:
        raise RequestError(
            f"'image_id' must be one of the {len(sample.image_ids)} pictures of this sample."
        )
    return store.images.read()[image_id]


def _type(text: str) -> str:
    name = text.strip()
    if not 0 < len(name) <= _LONGEST_TYPE or not name.isprintable():
        raise RequestError(
            f"'cell_type' must be a name of 1 to {_LONGEST_TYPE} characters, such as RBC."
        )
    return _MODEL_NAMES.get(name.casefold(), name)


def _comment(text: str) -> str:
    if len(text) > _LONGEST_COMMENT or "\x00" in text:
        raise RequestError(f"'comments' must be a text of at most {_LONGEST_COMMENT} characters.")
    return text.strip()
