"""Drawing on pictures: heat and boxes. Returns new pictures; never changes the one given."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.imaging.boxes import Box
from engine.imaging.palettes import Colour, heat_colours, text_on

__all__ = ["draw_boxes", "heat_layer", "heat_overlay"]

_WARM = 128  # half of full heat: from here on the layer has its full opacity, and an outline


def heat_layer(values: NDArray[np.floating], opacity: float = 0.45) -> NDArray[np.uint8]:
    """Return heat as a layer to be laid over a picture: ``(H, W, 4) uint8 RGBA``.

    ``values`` is ``(H, W)`` in 0..1. Where there is no heat the layer is clear, from 0.5 on it has
    its full ``opacity``. The region above 0.5 has a double outline, black outside and white inside,
    so that it shows on light and on dark skin, and in grey print.

    Raises
    ------
    InputError
        When ``values`` is not a map in 0..1, or ``opacity`` is not in 0..1.
    """
    if not 0 <= opacity <= 1:
        raise InputError(f"Expected an opacity from 0 to 1, but got {opacity:g}.")
    if values.ndim != 2 or not values.size:
        raise InputError(f"Expected a heat map of shape (height, width), but got {values.shape}.")
    # A written-out comparison, because NaN fails it too.
    if not (values.min() >= 0 and values.max() <= 1):
        raise InputError(
            f"Expected heat from 0 to 1, but got {values.min():g} to {values.max():g}; "
            "divide the map by its maximum."
        )
    levels = (values * 255 + 0.5).astype(np.uint8)
    layer = np.empty((*levels.shape, 4), np.uint8)
    layer[..., :3] = heat_colours()[levels]
    layer[..., 3] = _opacities(opacity)[levels]
    if opacity > 0:
        _outline(layer, warm=(levels >= _WARM).astype(np.uint8), opacity=opacity)
    return layer


def heat_overlay(
    picture: NDArray[np.uint8], values: NDArray[np.floating], opacity: float = 0.45
) -> NDArray[np.uint8]:
    """Lay heat ``values (H, W)`` in 0..1 over ``picture (H, W, 3)``; see :func:`heat_layer`.

    With opacity 0, or without heat, the pixels stay as they are.

    Raises
    ------
    InputError
        When the map and the picture differ in size, and as :func:`heat_layer`.
    """
    if picture.shape[:2] != values.shape[:2]:
        raise InputError(
            f"Heat map is {_size(values.shape)} but its picture is {_size(picture.shape)}; "
            "bring the map to the picture's size."
        )
    layer = heat_layer(values, opacity)
    cover = layer[..., 3:].astype(np.int32)
    mixed = picture * (255 - cover) + layer[..., :3] * cover
    return ((mixed + 127) // 255).astype(np.uint8)


def draw_boxes(
    picture: NDArray[np.uint8],
    boxes: Sequence[Box],
    colours: Sequence[Colour],
    labels: Sequence[str] | None = None,
) -> NDArray[np.uint8]:
    """Return a copy of ``picture (H, W, 3)`` with each box in its colour, and its label above.

    Lines are as wide as suits the picture's size, with a dark rim that shows on light skin.
    OpenCV's letters are ASCII only; other characters become ``?``.

    Raises
    ------
    InputError
        When there are not as many colours (and labels) as boxes.
    """
    names = [""] * len(boxes) if labels is None else list(labels)
    if not len(boxes) == len(colours) == len(names):
        raise InputError(
            f"Expected one colour and one label per box, but got {len(boxes)} boxes, "
            f"{len(colours)} colours and {len(names)} labels."
        )
    drawn = np.ascontiguousarray(picture).copy()
    thick = max(1, round(min(drawn.shape[:2]) / 240))
    for box, colour, name in zip(boxes, colours, names, strict=True):
        corner = (round(box.x), round(box.y))
        opposite = (round(box.x + box.width) - 1, round(box.y + box.height) - 1)
        cv2.rectangle(drawn, corner, opposite, (0, 0, 0), thick + 2)
        cv2.rectangle(drawn, corner, opposite, colour, thick)
        if name:
            _write(drawn, name, at=corner, colour=colour, thick=thick)
    return drawn


def _opacities(opacity: float) -> NDArray[np.uint8]:
    """Return alpha 0..255 for each heat level 0..255: a ramp up to half heat, then flat."""
    ramp = np.minimum(np.arange(256) / _WARM, 1.0)
    return np.round(255 * opacity * ramp).astype(np.uint8)


def _outline(layer: NDArray[np.uint8], *, warm: NDArray[np.uint8], opacity: float) -> None:
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
    inner = warm > cv2.erode(warm, cross)
    outer = cv2.dilate(warm, cross) > warm
    # The outline fades more slowly than the colours, so that a faint layer still has a shape.
    alpha = round(255 * min(1.0, 2 * opacity))
    layer[inner] = (255, 255, 255, alpha)
    layer[outer] = (0, 0, 0, alpha)


def _write(
    drawn: NDArray[np.uint8], name: str, *, at: tuple[int, int], colour: Colour, thick: int
) -> None:
    """Write ``name`` on a plate of ``colour`` above the box, or inside it at the upper edge."""
    text = name.encode("ascii", "replace").decode("ascii")
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.45 + 0.15 * (thick - 1)
    (width, height), below = cv2.getTextSize(text, font, scale, thick)
    x = max(0, min(at[0], drawn.shape[1] - width - 4))
    y = max(0, at[1] - height - below - 4)
    cv2.rectangle(drawn, (x, y), (x + width + 4, y + height + below + 3), colour, cv2.FILLED)
    place = (x + 2, y + height + 2)
    cv2.putText(drawn, text, place, font, scale, text_on(colour), thick, cv2.LINE_AA)


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(str(side) for side in shape[1::-1])
