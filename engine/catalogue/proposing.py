"""Proposals for the part of a mask that is seen: asked for, looked at, taken over as strokes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, final

from engine.catalogue.annotation import moved
from engine.people.permissions import require

if TYPE_CHECKING:
    from engine.annotation.automask import Proposal, ProposedRegion
    from engine.annotation.raster import Box
    from engine.annotation.strokes import Stroke
    from engine.catalogue.annotation import Annotations
    from engine.catalogue.predicting import Predicting
    from engine.people.actors import Actor

__all__ = [
    "WAYS",
    "Proposed",
    "Way",
    "accept",
    "open_regions",
    "propose",
    "propose_by_model",
    "shown",
]

Way = Literal["scribbles", "tissue", "stain", "gaps", "between", "model"]

WAYS: Final[tuple[Way, ...]] = ("scribbles", "tissue", "stain", "gaps", "between", "model")
"""Learned from what is painted, what is tissue at all, what is densely stained, gaps closed, what
lies between the annotated slices beside it, what a trained model says (:func:`propose_by_model`).
"""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A proposal for ``box`` of a picture; ``next_box`` is where painting helps most.

    ``model_id`` is the trained model that made it, empty for every other way.
    """

    image_id: str
    box: Box
    proposal: Proposal
    next_box: Box | None
    model_id: str = ""


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
    elif way == "between":
        before, after, place = annotations.beside(image_id, actor)
        proposal = automask.between(before[box.part], after[box.part], place=place)
    else:
        proposal = automask.close_gaps(mask)
    return Proposed(
        image_id=image_id, box=box, proposal=proposal, next_box=_in_the_whole(there, box)
    )


def propose_by_model(
    annotations: Annotations,
    predicting: Predicting,
    image_id: str,
    actor: Actor,
    box: Box,
    *,
    state: int,
    model_id: str = "",
    tell: Callable[[float, str], None] = lambda _done, _text: None,
) -> Proposed:
    """Return what a trained model says of ``box``, in the picture's classes; nothing is changed.

    Without a ``model_id`` the active model is asked. Classes are found by name; a model of only one
    kind of thing, which the picture calls otherwise, marks it as ``state``.

    Raises
    ------
    NotFoundError
        When no model is in use.
    RequestError
        When the model's classes are none of the picture's.
    ModelError, MemoryShortError
        When it cannot be asked.
    """
    from engine.annotation import automask
    from engine.catalogue.predicting.mapping import map_classes

    require(actor, "masks.draw")
    image = annotations.image(image_id, actor)
    model = predicting.model(actor, model_id)
    of_model = predicting.classes(actor, model.id)
    mapped = map_classes(of_model, annotations.classes(image), state=state)
    found = predicting.part(actor, model.id, image_id, box, tell=tell)
    sentence = f"What {found.model} says of this part. {mapped.sentence}".strip()
    proposal = automask.Proposal(
        mask=mapped.apply(found.mask),
        origin="model",
        sentence=sentence,
        uncertainty=found.uncertainty,
        source=found.model,
    )
    _, mask = annotations.part(image_id, actor, box)
    there = automask.most_uncertain(proposal, mask)
    return Proposed(
        image_id=image_id,
        box=box,
        proposal=proposal,
        next_box=_in_the_whole(there, box),
        model_id=model.id,
    )


def accept(
    annotations: Annotations,
    proposed: Proposed,
    actor: Actor,
    *,
    tab: str,
    state: int | None = None,
    at: tuple[float, float] | None = None,
) -> int:
    """Draw a proposal where nothing is annotated; return the strokes.

    ``state`` takes over that state alone, ``at`` only the region at (x, y), in pixels of the part.
    """
    from engine.annotation.automask import accept_all, accept_class, accept_region
    from engine.annotation.automask.provenance import by_model

    _, mask = annotations.part(proposed.image_id, actor, proposed.box)
    found: tuple[Stroke | None, ...]
    if at is not None:
        found = (accept_region(proposed.proposal, *at, keep=mask),)
    elif state is None:
        found = accept_all(proposed.proposal, keep=mask)
    else:
        found = (accept_class(proposed.proposal, state, keep=mask),)
    strokes = [
        moved(stroke, proposed.box.left, proposed.box.top) for stroke in found if stroke is not None
    ]
    if proposed.model_id:
        strokes = [
            replace(stroke, mark=by_model(stroke.mark, proposed.model_id)) for stroke in strokes
        ]
    return annotations.draw(proposed.image_id, actor, strokes, tab=tab)


def open_regions(
    annotations: Annotations, proposed: Proposed, actor: Actor
) -> tuple[ProposedRegion, ...]:
    """Return the largest regions of a proposal that are not annotated yet, the largest first."""
    from engine.annotation import automask

    _, mask = annotations.part(proposed.image_id, actor, proposed.box)
    return automask.open_regions(proposed.proposal, mask)


def shown(
    annotations: Annotations,
    proposed: Proposed,
    actor: Actor,
    *,
    colours: dict[int, tuple[int, int, int]],
    width: int,
    height: int,
    doubt: bool = False,
    regions: Sequence[ProposedRegion] = (),
) -> bytes:
    """Return a JPEG of the part with the proposal over it, and a frame where to paint next.

    ``doubt`` lays the uncertainty over instead of the states; ``regions`` get their numbers, from
    1 on.
    """
    import cv2
    import numpy as np

    from engine.annotation.automask import over_picture
    from engine.annotation.tiles import laid_over, shrink
    from engine.imaging import pictures

    picture, _ = annotations.part(proposed.image_id, actor, proposed.box)
    small = shrink(picture, width=width, height=height)
    if doubt and proposed.proposal.uncertainty is not None:
        seen = over_picture(small, proposed.proposal)
    else:
        seen = laid_over(small, proposed.proposal.mask, colours, opacity=0.5)
    there = proposed.next_box
    scale = width / proposed.box.width, height / proposed.box.height
    if there is not None:
        low = (there.left - proposed.box.left, there.top - proposed.box.top)
        high = (there.right - proposed.box.left, there.bottom - proposed.box.top)
        first, last = ((round(x * scale[0]), round(y * scale[1])) for x, y in (low, high))
        seen = np.ascontiguousarray(seen)
        cv2.rectangle(seen, first, last, (0, 0, 0), 4)
        cv2.rectangle(seen, first, last, (240, 228, 66), 2)
    seen = np.ascontiguousarray(seen)
    for number, region in enumerate(regions, start=1):
        place = (round(region.x * scale[0]) - 5 * len(str(number)), round(region.y * scale[1]) + 6)
        for colour, thickness in (((0, 0, 0), 4), ((255, 255, 255), 1)):
            cv2.putText(
                seen,
                str(number),
                place,
                cv2.FONT_HERSHEY_SIMPLEX,
                0.55,
                colour,
                thickness,
                cv2.LINE_AA,
            )
    return pictures.encode_jpeg(seen, 88)


def _in_the_whole(found: Box | None, box: Box) -> Box | None:
    """Return a place that was found in a part of a picture as one of the whole."""
    from engine.annotation.raster import Box

    if found is None:
        return None
    return Box(
        left=found.left + box.left,
        top=found.top + box.top,
        right=found.right + box.left,
        bottom=found.bottom + box.top,
    )
