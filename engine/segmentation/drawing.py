"""Masks laid over pictures: colours, opacity, contours; and how unsure the model is, as heat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.imaging import overlays
from engine.imaging.palettes import OKABE_ITO, Colour, colour_of

__all__ = ["class_colours", "colour_layer", "overlay", "uncertainty_overlay"]

_STATES: Final[Mapping[str, Colour]] = {
    "unhealthy": OKABE_ITO["vermillion"],
    "healthy": OKABE_ITO["bluish green"],
}
_CROSS: Final = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
_NOBODY: Final = 255


def class_colours(classes: Sequence[str]) -> dict[int, Colour]:
    """Return the colour of each class by its index; background has none."""
    return {
        index: _STATES.get(name) or colour_of(name, index=index - 1)
        for index, name in enumerate(classes)
        if index
    }


def colour_layer(
    mask: NDArray[np.uint8],
    colours: Mapping[int, Colour],
    *,
    opacity: float = 0.45,
    contours: bool = True,
) -> NDArray[np.uint8]:
    """Return a mask ``(H, W)`` as a layer to be laid over its picture: ``(H, W, 4) uint8 RGBA``.

    Classes without a colour are clear. ``contours``: the outermost pixels of each area are
    opaque, also with ``opacity=0``.

    Raises
    ------
    InputError
        When ``opacity`` is not in 0..1, or the mask is none.
    """
    if not 0 <= opacity <= 1:
        raise InputError(f"Expected an opacity from 0 to 1, but got {opacity:g}.")
    if mask.ndim != 2 or mask.dtype != np.uint8 or not mask.size:
        raise InputError(
            f"Expected a mask (height, width) of uint8, but got {mask.shape} of {mask.dtype}."
        )
    table = np.zeros((256, 4), np.uint8)
    for index, colour in colours.items():
        table[index] = (*colour, round(255 * opacity))
    layer = table[mask]
    if contours:
        layer[_edges(mask, table), 3] = 255
    return layer


def overlay(
    picture: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    classes: Sequence[str],
    *,
    opacity: float = 0.45,
    contours: bool = True,
) -> NDArray[np.uint8]:
    """Return ``picture`` ``(H, W, 3)`` with the classes of ``mask`` ``(H, W)`` laid over it.

    Raises
    ------
    InputError
        When their sizes differ, and as :func:`colour_layer`.
    """
    if picture.shape[:2] != mask.shape or picture.shape[2:] != (3,):
        raise InputError(
            f"Expected a picture (height, width, 3) and a mask of its size, but got "
            f"{picture.shape} and {mask.shape}; bring the mask to the picture's size."
        )
    layer = colour_layer(mask, class_colours(classes), opacity=opacity, contours=contours)
    cover = layer[..., 3:].astype(np.uint16)
    mixed = picture * (255 - cover) + layer[..., :3] * cover
    return np.asarray((mixed + 127) // 255, np.uint8)


def uncertainty_overlay(
    picture: NDArray[np.uint8], uncertainty: NDArray[np.uint8], *, opacity: float = 0.45
) -> NDArray[np.uint8]:
    """Return ``picture`` with heat where the model is unsure (``uncertainty`` 0..255)."""
    return overlays.heat_overlay(picture, uncertainty.astype(np.float32) / 255, opacity)


def _edges(mask: NDArray[np.uint8], table: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell which coloured pixels have a neighbour of another class; the frame is no neighbour."""
    differs = cv2.morphologyEx(np.ascontiguousarray(mask), cv2.MORPH_GRADIENT, _CROSS) > 0
    has_colour = np.asarray(table.any(axis=1))
    edges: NDArray[np.bool_] = differs & has_colour[mask] & (mask != _NOBODY)
    return edges
