"""Proposals for the part of a mask that is seen: asked for, looked at, taken over as strokes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, final

from engine.catalogue.annotation import moved
from engine.people.permissions import require

if TYPE_CHECKING:
    from engine.annotation.automask import Proposal
    from engine.annotation.raster import Box
    from engine.annotation.strokes import Stroke
    from engine.catalogue.annotation import Annotations
    from engine.people.actors import Actor

__all__ = ["WAYS", "Proposed", "Way", "accept", "propose", "shown"]

Way = Literal["scribbles", "tissue", "stain", "gaps"]

WAYS: Final[tuple[Way, ...]] = ("scribbles", "tissue", "stain", "gaps")
"""Learned from what is painted, what is tissue at all, what is densely stained, gaps closed."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A proposal for ``box`` of a picture; ``next_box`` is where painting helps most."""

    image_id: str
    box: Box
    proposal: Proposal
    next_box: Box | None


def propose(
    annotations: Annotations, image_id: str, actor: Actor, box: Box, *, way: Way, state: int
) -> Proposed:
    """Return what a mask of ``box`` might be; nothing is changed.

    ``state`` is what "tissue" and "stain" mark.

    Raises
    ------
    RequestError
        When there is too little to learn from.
    TooLargeError
        When the box is too large to be looked at at once.
    """
    from engine.annotation import automask
    from engine.annotation.raster import Box

    require(actor, "masks.draw")
    picture, mask = annotations.part(image_id, actor, box)
    there = None
    if way == "scribbles":
        proposal = automask.teach(picture, mask)
        there = automask.most_uncertain(proposal, mask)
    elif way == "tissue":
        proposal = automask.tissue(picture, state=state, outside=0 if state else 255)
    elif way == "stain":
        proposal = automask.stained(picture, state=state)
    else:
        proposal = automask.close_gaps(mask)
    if there is not None:
        there = Box(
            left=there.left + box.left,
            top=there.top + box.top,
            right=there.right + box.left,
            bottom=there.bottom + box.top,
        )
    return Proposed(image_id=image_id, box=box, proposal=proposal, next_box=there)


def accept(
    annotations: Annotations,
    proposed: Proposed,
    actor: Actor,
    *,
    tab: str,
    state: int | None = None,
) -> int:
    """Draw a proposal, or one state of it, where nothing is annotated; return the strokes."""
    from engine.annotation.automask import accept_all, accept_class

    _, mask = annotations.part(proposed.image_id, actor, proposed.box)
    found: tuple[Stroke | None, ...]
    if state is None:
        found = accept_all(proposed.proposal, keep=mask)
    else:
        found = (accept_class(proposed.proposal, state, keep=mask),)
    strokes = [
        moved(stroke, proposed.box.left, proposed.box.top) for stroke in found if stroke is not None
    ]
    return annotations.draw(proposed.image_id, actor, strokes, tab=tab)


def shown(
    annotations: Annotations,
    proposed: Proposed,
    actor: Actor,
    *,
    colours: dict[int, tuple[int, int, int]],
    width: int,
    height: int,
) -> bytes:
    """Return a JPEG of the part with the proposal over it, and a frame where to paint next."""
    import cv2
    import numpy as np

    from engine.annotation.tiles import laid_over, shrink
    from engine.imaging import pictures

    picture, _ = annotations.part(proposed.image_id, actor, proposed.box)
    seen = laid_over(
        shrink(picture, width=width, height=height), proposed.proposal.mask, colours, opacity=0.5
    )
    there = proposed.next_box
    if there is not None:
        scale = width / proposed.box.width, height / proposed.box.height
        low = (there.left - proposed.box.left, there.top - proposed.box.top)
        high = (there.right - proposed.box.left, there.bottom - proposed.box.top)
        first, last = ((round(x * scale[0]), round(y * scale[1])) for x, y in (low, high))
        seen = np.ascontiguousarray(seen)
        cv2.rectangle(seen, first, last, (0, 0, 0), 4)
        cv2.rectangle(seen, first, last, (240, 228, 66), 2)
    return pictures.encode_jpeg(seen, 88)
