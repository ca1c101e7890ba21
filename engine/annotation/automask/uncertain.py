"""Where a few more scribbles would help most."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.annotation.automask.proposals import Proposal
from engine.annotation.raster import Box
from engine.errors import RequestError
from engine.imaging.masks import NOT_ANNOTATED, Mask

__all__ = ["most_uncertain", "over_picture"]

_PART: Final = 10  # the region is a tenth of the shorter side
_SMALLEST_PX: Final = 24
_OPAQUE: Final = 0.85
_LOOK_PX: Final = 1024  # larger pictures are looked at smaller


def most_uncertain(
    proposal: Proposal, scribbled: Mask | None = None, *, side_px: int | None = None
) -> Box | None:
    """Return the square of ``side_px`` in which ``proposal`` is least certain: paint here next.

    Squares in which somebody painted a good deal count less. ``None`` when all is certain.

    Raises
    ------
    RequestError
        When the proposal knows no uncertainty, or ``scribbled`` has another size.
    """
    import cv2

    doubt = proposal.uncertainty
    if doubt is None:
        raise RequestError("This proposal does not tell how sure it is; paint scribbles to teach.")
    if scribbled is not None and scribbled.shape != doubt.shape:
        raise RequestError("The scribbles must have the proposal's size.")
    height, width = doubt.shape
    side = side_px or max(_SMALLEST_PX, min(height, width) // _PART)
    side = min(side, height, width)
    scale = min(1.0, _LOOK_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    open_doubt = doubt
    if scribbled is not None:
        open_doubt = np.where(scribbled == NOT_ANNOTATED, doubt, np.uint8(0))
    small = cv2.resize(open_doubt, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    window = max(1, min(round(side * scale), *size))
    sums = cv2.boxFilter(small, -1, (window, window), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    whole = sums[: size[1] - window + 1, : size[0] - window + 1]
    row, col = np.unravel_index(int(np.argmax(whole)), whole.shape)
    if whole[row, col] < 1.0:
        return None
    top = min(round(int(row) / scale), height - side)
    left = min(round(int(col) / scale), width - side)
    return Box(left=left, top=top, right=left + side, bottom=top + side)


def over_picture(picture: NDArray[np.uint8], proposal: Proposal) -> NDArray[np.uint8]:
    """Return ``picture`` ``(h, w, 3)`` of the proposal's part with its doubt laid over.

    Sure places stay as they are; from there it goes over purple and orange to yellow, the more
    opaque the less sure.

    Raises
    ------
    RequestError
        When the proposal knows no uncertainty.
    """
    import cv2

    if proposal.uncertainty is None:
        raise RequestError("This proposal does not tell how sure it is; paint scribbles to teach.")
    size = (picture.shape[1], picture.shape[0])
    doubt = cv2.resize(proposal.uncertainty, size, interpolation=cv2.INTER_AREA)
    colours = cv2.cvtColor(cv2.applyColorMap(doubt, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    weight = (doubt.astype(np.float32) / 255 * _OPAQUE)[..., np.newaxis]
    mixed = picture * (1 - weight) + colours * weight
    return np.asarray(np.round(mixed), np.uint8)
