"""Gaps between strokes: what was left out between annotated pixels gets the nearest state."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.annotation.automask.proposals import Proposal
from engine.annotation.raster import Box
from engine.errors import RequestError
from engine.imaging.masks import NOT_ANNOTATED, Mask

__all__ = ["close_gaps"]

_TILE_PX: Final = 1024
_WIDEST_PX: Final = 512.0


def close_gaps(mask: Mask, *, widest_px: float = 12.0) -> Proposal:
    """Propose the nearest state for gaps of at most ``widest_px`` between annotated pixels.

    A gap is what a disc of that diameter cannot lie in without touching something annotated; the
    picture's edge bounds a gap too. What is annotated is not proposed again. In tiles, so memory
    does not grow with the picture.

    Raises
    ------
    RequestError
        When ``widest_px`` is not from 1 to 512.
    """
    if not 1 <= widest_px <= _WIDEST_PX:
        raise RequestError(
            f"'widest_px' must be from 1 to {_WIDEST_PX:.0f} pixels, but is {widest_px:g}."
        )
    found = np.full(mask.shape, NOT_ANNOTATED, np.uint8)
    whole, reach = Box.whole(mask.shape), math.ceil(2 * widest_px) + 2
    for top in range(0, mask.shape[0], _TILE_PX):
        for left in range(0, mask.shape[1], _TILE_PX):
            tile = Box(left=left, top=top, right=left + _TILE_PX, bottom=top + _TILE_PX).cut(whole)
            wide = Box(
                left=left - reach,
                top=top - reach,
                right=tile.right + reach,
                bottom=tile.bottom + reach,
            ).cut(whole)
            closed = _closed(mask[wide.part], widest_px / 2)
            inner = Box(
                left=tile.left - wide.left,
                top=tile.top - wide.top,
                right=tile.right - wide.left,
                bottom=tile.bottom - wide.top,
            )
            found[tile.part] = closed[inner.part]
    filled = int((found != NOT_ANNOTATED).sum())
    sentence = f"{filled:,} pixels in gaps of at most {widest_px:g} px."
    return Proposal(mask=found, origin="gaps", sentence=sentence)


def _closed(mask: Mask, radius: float) -> NDArray[np.uint8]:
    """Return the nearest state where a closing of the annotated part adds pixels; 255 elsewhere."""
    import cv2

    empty = (mask == NOT_ANNOTATED).astype(np.uint8)
    found = np.full(mask.shape, NOT_ANNOTATED, np.uint8)
    if not empty.any() or empty.all():
        return found
    distance, nearest = cv2.distanceTransformWithLabels(
        empty, cv2.DIST_L2, cv2.DIST_MASK_PRECISE, labelType=cv2.DIST_LABEL_PIXEL
    )
    near = (distance <= radius).astype(np.uint8)
    if near.all():
        inside = empty > 0
    else:
        inside = cv2.distanceTransform(near, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) > radius
        inside &= empty > 0
    states = np.zeros(int(nearest.max()) + 1, np.uint8)
    painted = empty == 0
    states[nearest[painted]] = mask[painted]
    found[inside] = states[nearest[inside]]
    return found
