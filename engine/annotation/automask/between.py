"""Between two slices of one volume: the shape half-way from one outline to the next.

Each state is a signed distance to its outline; between slices the distances are mixed by how near
each slice is (shape-based interpolation), and a pixel belongs to the state it lies deepest in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.annotation.automask.proposals import Proposal
from engine.errors import RequestError
from engine.imaging.masks import NOT_ANNOTATED, Mask

__all__ = ["between"]


def between(before: Mask, after: Mask, *, place: float) -> Proposal:
    """Propose the mask at ``place`` in 0..1 on the way from ``before`` to ``after``.

    Both masks ``(H, W)`` are of slices of one volume. Where neither is annotated nothing is
    proposed.

    Raises
    ------
    RequestError
        When the sizes differ, ``place`` lies outside, or a mask has nothing annotated.
    """
    if before.shape != after.shape:
        raise RequestError(
            f"Slices of one volume have one size, but these are {before.shape[1]}×"
            f"{before.shape[0]} and {after.shape[1]}×{after.shape[0]}."
        )
    if not 0 <= place <= 1:
        raise RequestError(f"'place' must be from 0 to 1, but is {place:g}.")
    states = sorted({*np.unique(before).tolist(), *np.unique(after).tolist()} - {NOT_ANNOTATED})
    if not states or any((mask == NOT_ANNOTATED).all() for mask in (before, after)):
        raise RequestError("Draw on a slice before and on one behind; then what lies between is.")
    found = np.full(before.shape, NOT_ANNOTATED, np.uint8)
    deepest = np.zeros(before.shape, np.float32)
    for state in states:
        mixed = (1 - place) * _depth(before == state) + place * _depth(after == state)
        inside = mixed > deepest
        found[inside], deepest[inside] = state, mixed[inside]
    filled = int(np.count_nonzero(found != NOT_ANNOTATED))
    return Proposal(
        mask=found, origin="gaps", sentence=f"{filled:,} pixels between the slices beside it."
    )


def _depth(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the distance to the outline in pixels, above 0 inside and below 0 outside."""
    import cv2

    here = inside.astype(np.uint8)
    if here.all() or not here.any():
        far = float(max(inside.shape))
        return np.full(inside.shape, far if here.any() else -far, np.float32)
    within = cv2.distanceTransform(here, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    without = cv2.distanceTransform(1 - here, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    depth: NDArray[np.float32] = np.where(inside, within - 0.5, 0.5 - without).astype(np.float32)
    return depth
