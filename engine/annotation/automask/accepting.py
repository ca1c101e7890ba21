"""Taking a proposal over: as a whole, by class, by region. What is taken becomes strokes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, final
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from engine.annotation.automask.proposals import Proposal
from engine.annotation.automask.provenance import AUTO
from engine.annotation.raster import Box, connected
from engine.annotation.runs import Area
from engine.annotation.strokes import Points, Stroke
from engine.errors import RequestError
from engine.imaging.masks import NOT_ANNOTATED, Mask

__all__ = ["ProposedRegion", "accept_all", "accept_class", "accept_region", "open_regions"]

_MOST_REGIONS: Final = 12


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedRegion:
    """A region of a proposal that is not wholly annotated yet: (x, y) lies in it.

    ``box`` and the place are in pixels of the proposal, ``area_px`` counts what is not annotated,
    ``doubt`` in 0..1 is the mean uncertainty there, ``None`` when the proposal tells none.
    """

    state: int
    x: float
    y: float
    box: Box
    area_px: int
    doubt: float | None


def open_regions(
    proposal: Proposal, keep: Mask | None = None, *, most: int = _MOST_REGIONS
) -> tuple[ProposedRegion, ...]:
    """Return the largest regions that taking over would change, the largest first.

    Regions hang together by edges, as :func:`accept_region` takes them.
    """
    import cv2

    found: list[ProposedRegion] = []
    for state in proposal.states:
        here = (proposal.mask == state).astype(np.uint8)
        _, labels, boxes, _ = cv2.connectedComponentsWithStats(here, connectivity=4)
        sizes = boxes[1:, cv2.CC_STAT_AREA]
        # What is annotated already can only make a region smaller, so a few more are looked at.
        for index in np.argsort(-sizes, kind="stable")[: 4 * most].tolist():
            left, top, width, height = (int(side) for side in boxes[index + 1][:4])
            box = Box(left=left, top=top, right=left + width, bottom=top + height)
            inside = labels[box.part] == index + 1
            if keep is not None:
                inside &= keep[box.part] == NOT_ANNOTATED
            area = int(np.count_nonzero(inside))
            if area:
                found.append(_region(proposal, state, box, inside, area))
    return tuple(sorted(found, key=lambda one: -one.area_px)[:most])


def _region(
    proposal: Proposal, state: int, box: Box, inside: NDArray[np.bool_], area: int
) -> ProposedRegion:
    import cv2

    framed = np.pad(inside.astype(np.uint8), 1)  # what lies beyond the part is not the region
    depth = cv2.distanceTransform(framed, cv2.DIST_L1, 3)[1:-1, 1:-1]
    row, col = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return ProposedRegion(
        state=state,
        x=box.left + int(col) + 0.5,
        y=box.top + int(row) + 0.5,
        box=box,
        area_px=area,
        doubt=_doubt(proposal, box, inside),
    )


def _doubt(proposal: Proposal, box: Box, inside: NDArray[np.bool_]) -> float | None:
    if proposal.uncertainty is None:
        return None
    return float(proposal.uncertainty[box.part][inside].mean()) / 255


def accept_all(proposal: Proposal, *, keep: Mask | None = None) -> tuple[Stroke, ...]:
    """Return strokes that draw all of ``proposal``, one for each state that changes anything.

    Pixels that ``keep`` has annotated stay as they are; ``None`` lets the proposal overwrite.

    Raises
    ------
    RequestError
        When ``keep`` has another size.
    """
    strokes = (_stroke(proposal, proposal.mask == state, keep) for state in proposal.states)
    return tuple(stroke for stroke in strokes if stroke is not None)


def accept_class(proposal: Proposal, state: int, *, keep: Mask | None = None) -> Stroke | None:
    """Return a stroke that draws one state of ``proposal``; ``None`` when it changes nothing.

    Raises
    ------
    RequestError
        When ``state`` is "not annotated", or ``keep`` has another size.
    """
    if state == NOT_ANNOTATED:
        raise RequestError("Choose a class to accept; “not annotated” is what was not proposed.")
    return _stroke(proposal, proposal.mask == state, keep)


def accept_region(
    proposal: Proposal, x: float, y: float, *, keep: Mask | None = None
) -> Stroke | None:
    """Return a stroke that draws the region at (x, y), in pixels of the picture.

    ``None`` when nothing is proposed there, or all of it is annotated in ``keep`` already.

    Raises
    ------
    RequestError
        When ``keep`` has another size.
    """
    row, col = math.floor(y), math.floor(x)
    height, width = proposal.mask.shape
    if not (0 <= row < height and 0 <= col < width) or proposal.mask[row, col] == NOT_ANNOTATED:
        return None
    return _stroke(proposal, connected(proposal.mask, x, y), keep)


def _stroke(proposal: Proposal, inside: NDArray[np.bool_], keep: Mask | None) -> Stroke | None:
    if keep is not None:
        if keep.shape != inside.shape:
            raise RequestError(
                f"The proposal is {inside.shape[1]}×{inside.shape[0]} but the mask "
                f"{keep.shape[1]}×{keep.shape[0]}; make a proposal for this picture."
            )
        inside = inside & (keep == NOT_ANNOTATED)
    first = int(np.argmax(inside))
    row, col = divmod(first, inside.shape[1])
    if not inside[row, col]:
        return None
    return Stroke(
        tool="smart",
        state=int(proposal.mask[row, col]),
        points=_middle(row, col),
        area=Area.of(inside),
        mark=f"{AUTO}{proposal.origin}-{uuid4().hex}",
        doubt=_doubt(proposal, Box.whole(inside.shape), inside),
    )


def _middle(row: int, col: int) -> Points:
    return np.array([[col + 0.5, row + 0.5]], np.float32)
