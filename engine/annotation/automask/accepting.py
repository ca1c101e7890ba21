"""Taking a proposal over: as a whole, by class, by region. What is taken becomes strokes."""

from __future__ import annotations

import math
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from engine.annotation.automask.proposals import Proposal
from engine.annotation.automask.provenance import AUTO
from engine.annotation.raster import connected
from engine.annotation.runs import Area
from engine.annotation.strokes import Points, Stroke
from engine.errors import RequestError
from engine.imaging.masks import NOT_ANNOTATED, Mask

__all__ = ["accept_all", "accept_class", "accept_region"]


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
    )


def _middle(row: int, col: int) -> Points:
    return np.array([[col + 0.5, row + 0.5]], np.float32)
