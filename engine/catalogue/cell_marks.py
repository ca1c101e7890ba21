"""Cells marked in pictures: look, add, change, take away. What is not for an actor is not there."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

from engine.catalogue.visibility import require_sample, sees_sample
from engine.errors import NotFoundError, RequestError
from engine.people.permissions import require
from engine.store import now
from engine.store.records import CellAnnotation, CellCoordinates, Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.people.actors import Actor
    from engine.people.audit import AuditLog
    from engine.store import Store

__all__ = ["CellMarks", "Edit", "fresh_annotations"]

_LONGEST_COMMENT: Final = 2000
_SMALLEST_PX: Final = 1.0
Box = tuple[float, float, float, float]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change: ``id`` empty adds a cell; ``gone`` takes it away; ``None`` keeps what is there.

    ``box`` is left, top, width and height in pixels of the picture.
    """

    id: str = ""
    box: Box | None = None
    cell_type: str | None = None
    comments: str | None = None
    gone: bool = False


@final
class CellMarks:
    """The cells of pictures. Each change is in the audit log by numbers, not by comments."""

    def __init__(self, store: Store, audit: AuditLog) -> None:
        self._store = store
        self._audit = audit

    def image(self, actor: Actor, image_id: str) -> Image:
        """Return the picture with that id.

        Raises
        ------
        NotFoundError
            When there is none, or none for this actor.
        """
        require(actor, "cells.view")
        image = self._store.images.read().get(image_id)
        if image is None or not self._sees(actor, image):
            raise NotFoundError(
                "There is no such picture for you; it was removed, or belongs to somebody else. "
                "Choose one from the list."
            )
        return image

    def images(self, actor: Actor, *, word: str = "") -> tuple[Image, ...]:
        """Return the pictures that ``actor`` may see, the newest first; ``word`` is in the name."""
        require(actor, "cells.view")
        wanted = word.casefold()
        samples = self._store.samples.read()
        found = [
            image
            for image in self._store.images.read()
            if wanted in image.name.casefold()
            and (
                image.sample_id is None
                or ((sample := samples.get(image.sample_id)) and sees_sample(actor, sample))
            )
        ]
        return tuple(sorted(found, key=lambda image: (image.created_at, image.id), reverse=True))

    def of_image(self, actor: Actor, image_id: str) -> tuple[CellAnnotation, ...]:
        """Return the cells of a picture, in the order of their making."""
        self.image(actor, image_id)
        found = self._store.cell_annotations.read().where(image_id=image_id)
        return tuple(sorted(found, key=lambda cell: (cell.created_at, cell.id)))

    def of_sample(self, actor: Actor, sample_id: str) -> tuple[CellAnnotation, ...]:
        """Return the cells of all pictures of a sample."""
        require(actor, "cells.view")
        sample = require_sample(self._store, actor, sample_id)
        found = self._store.cell_annotations.read().where(sample_id=sample.id)
        return tuple(sorted(found, key=lambda cell: (cell.created_at, cell.id)))

    def edit(self, actor: Actor, image_id: str, edits: Sequence[Edit]) -> tuple[str, ...]:
        """Make several changes to one picture's cells, all or none; return the ids touched.

        A detector's cell that somebody changes, or confirms by naming its kind again, becomes
        ``edited``.

        Raises
        ------
        NotFoundError
            When picture or cell is not there (any more).
        RequestError
            When a box, kind or comment cannot be used.
        """
        require(actor, "cells.annotate")
        image = self.image(actor, image_id)
        touched = []
        with self._store.cell_annotations.transaction() as cells:
            for edit in edits:
                if not edit.id:
                    put = cells.put(_new(actor, image, edit))
                    touched.append(put.id)
                    continue
                held = cells.get(edit.id)
                if held is None or held.image_id != image.id:
                    raise NotFoundError("This cell was removed in the meantime; reload the page.")
                if edit.gone:
                    cells.remove(held.id)
                else:
                    cells.put(_changed(actor, image, held, edit))
                touched.append(held.id)
        self._note(actor, image, edits)
        return tuple(touched)

    def put_found(
        self, actor: Actor, image_id: str, found: Sequence[tuple[Box, str, float]]
    ) -> int:
        """Put a detector's cells in place of those that nobody has touched; return how many.

        A found cell that lies on one of a person's is left out. Each is a box, a name and a
        confidence in 0..1.
        """
        require(actor, "cells.annotate")
        image = self.image(actor, image_id)
        with self._store.cell_annotations.transaction() as cells:
            kept = [one for one in cells.where(image_id=image.id) if one.origin != "model"]
            for old in cells.where(image_id=image.id, origin="model"):
                cells.remove(old.id)
            put = fresh_annotations(image, actor.id, found, kept)
            for one in put:
                cells.put(one)
        self._audit.write(
            actor,
            "cells.annotate",
            record=f"images/{image.id}",
            text=f"Kept {len(put)} cells of a detector",
        )
        return len(put)

    def _sees(self, actor: Actor, image: Image) -> bool:
        if image.sample_id is None:
            return True
        sample = self._store.samples.read().get(image.sample_id)
        return sample is not None and sees_sample(actor, sample)

    def _note(self, actor: Actor, image: Image, edits: Sequence[Edit]) -> None:
        added = sum(1 for one in edits if not one.id)
        gone = sum(1 for one in edits if one.gone)
        changed = len(edits) - added - gone
        self._audit.write(
            actor,
            "cells.annotate",
            record=f"images/{image.id}",
            text=f"Cells: {added} added, {changed} changed, {gone} removed",
        )


def fresh_annotations(
    image: Image,
    user_id: str,
    found: Sequence[tuple[Box, str, float]],
    kept: Sequence[CellAnnotation],
) -> list[CellAnnotation]:
    """Return records of a detector's cells, without those that lie on a cell in ``kept``."""
    return [
        CellAnnotation(
            sample_id=image.sample_id,
            image_id=image.id,
            user_id=user_id,
            cell_coordinates=CellCoordinates(x=box[0], y=box[1], width=box[2], height=box[3]),
            cell_type=label,
            confidence=confidence,
            origin="model",
        )
        for box, label, confidence in found
        if not any(_shared(box, _box_of(one)) > 0.5 for one in kept)
    ]


def _new(actor: Actor, image: Image, edit: Edit) -> CellAnnotation:
    if edit.box is None or not edit.cell_type:
        raise RequestError("A new cell needs a box and a cell type.")
    return CellAnnotation(
        sample_id=image.sample_id,
        image_id=image.id,
        user_id=actor.id,
        cell_coordinates=_inside(edit.box, image),
        cell_type=_kind(edit.cell_type),
        comments=_comment(edit.comments or ""),
        origin="human",
    )


def _changed(actor: Actor, image: Image, held: CellAnnotation, edit: Edit) -> CellAnnotation:
    box = held.cell_coordinates if edit.box is None else _inside(edit.box, image)
    return replace(
        held,
        cell_coordinates=box,
        cell_type=held.cell_type if edit.cell_type is None else _kind(edit.cell_type),
        comments=held.comments if edit.comments is None else _comment(edit.comments),
        user_id=actor.id,
        origin="edited" if held.origin in ("model", "edited") else held.origin,
        updated_at=now(),
    )


def _inside(box: Box, image: Image) -> CellCoordinates:
    """Return the part of the box inside the picture."""
    if not all(map(math.isfinite, box)):
        raise RequestError("A cell's box must have finite numbers: x, y, width, height.")
    left, top = max(0.0, box[0]), max(0.0, box[1])
    right = min(float(image.width_px), box[0] + box[2])
    bottom = min(float(image.height_px), box[1] + box[3])
    if right - left < _SMALLEST_PX or bottom - top < _SMALLEST_PX:
        raise RequestError(
            f"A cell's box must lie in the picture of {image.width_px}×{image.height_px} pixels "
            f"and be at least 1 pixel wide and high, but is x={box[0]:g}, y={box[1]:g}, "
            f"width={box[2]:g}, height={box[3]:g}."
        )
    return CellCoordinates(x=left, y=top, width=right - left, height=bottom - top)


def _kind(text: str) -> str:
    name = text.strip()
    if not 0 < len(name) <= 60 or not name.isprintable():
        raise RequestError("'cell_type' must be a name of 1 to 60 characters, such as RBC.")
    return name


def _comment(text: str) -> str:
    if len(text) > _LONGEST_COMMENT or "\x00" in text:
        raise RequestError(f"'comments' must be a text of at most {_LONGEST_COMMENT} characters.")
    return text.strip()


def _box_of(cell: CellAnnotation) -> Box:
    box = cell.cell_coordinates
    return box.x, box.y, box.width, box.height


def _shared(first: Box, second: Box) -> float:
    """Return intersection over union of two boxes."""
    wide = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    high = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    common = max(0.0, wide) * max(0.0, high)
    return common / max(first[2] * first[3] + second[2] * second[3] - common, 1e-9)
