"""Pictures as this page shows them: decoded once, shrunk for the canvas, cut out around a cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import streamlit as st
from numpy.typing import NDArray

from engine.store.records import CellAnnotation
from ui_streamlit.studio.visits import Visit

__all__ = ["CANVAS_PX", "crop_around", "pixels_of", "scale_for", "shown_jpeg", "with_boxes"]

CANVAS_PX: Final = 860
_CROP_PX: Final = 260
Picture = NDArray[np.uint8]
Line = tuple[float, float, float, float, str]


def pixels_of(here: Visit, image_id: str, sha256: str) -> Picture:
    """Return a picture that ``here`` may see."""
    here.workbench.cells.marks.image(here.actor, image_id)
    return _decoded(here, image_id, sha256)


def scale_for(width_px: int) -> float:
    """Return canvas pixels for each pixel of a picture; small ones are enlarged, twice at most.

    >>> scale_for(1720), scale_for(100)
    (0.5, 2.0)
    """
    return min(2.0, CANVAS_PX / width_px)


def shown_jpeg(here: Visit, image_id: str, sha256: str, scale: float) -> bytes:
    """Return the picture as JPEG at the canvas's size."""
    pixels_of(here, image_id, sha256)
    return _small(here, image_id, sha256, scale)


def with_boxes(picture: Picture, boxes: Sequence[Line], scale: float) -> bytes:
    """Return the picture as JPEG with rectangles: left, top, width, height, ``#rrggbb``."""
    from engine.imaging.pictures import encode_jpeg

    shown = _resized(picture, scale)
    for x, y, width, height, colour in boxes:
        first = (round(x * scale), round(y * scale))
        second = (round((x + width) * scale), round((y + height) * scale))
        cv2.rectangle(shown, first, second, _rgb(colour), 2, cv2.LINE_AA)
    return encode_jpeg(shown, 85)


def crop_around(picture: Picture, cell: CellAnnotation, colour: str) -> bytes:
    """Return a JPEG of a cell with half its size around it, its box drawn thin."""
    from engine.imaging.pictures import encode_jpeg

    box = cell.cell_coordinates
    half = max(box.width, box.height) + 6
    side = max(2, round(2 * half))
    left, top = round(box.x + box.width / 2 - half), round(box.y + box.height / 2 - half)
    part = np.full((side, side, 3), 255, np.uint8)  # what lies outside of the picture is white
    y0, x0 = max(0, top), max(0, left)
    seen = picture[y0 : max(y0, top + side), x0 : max(x0, left + side)]
    part[y0 - top : y0 - top + seen.shape[0], x0 - left : x0 - left + seen.shape[1]] = seen
    factor = _CROP_PX / side
    shown = _resized(part, factor)
    first = (round((box.x - left) * factor), round((box.y - top) * factor))
    second = (
        round((box.x + box.width - left) * factor),
        round((box.y + box.height - top) * factor),
    )
    cv2.rectangle(shown, first, second, _rgb(colour), 1, cv2.LINE_AA)
    return encode_jpeg(shown, 88)


# Few and for a short time: pictures of patients should not stay in memory.
@st.cache_resource(max_entries=6, ttl=600, show_spinner=False)
def _decoded(_here: Visit, image_id: str, sha256: str) -> Picture:  # noqa: ARG001 – part of the key
    return _here.workbench.cells.pictures.pixels(_here.actor, image_id)


@st.cache_resource(max_entries=6, ttl=600, show_spinner=False)
def _small(_here: Visit, image_id: str, sha256: str, scale: float) -> bytes:
    from engine.imaging.pictures import encode_jpeg

    return encode_jpeg(_resized(_decoded(_here, image_id, sha256), scale), 90)


def _resized(picture: Picture, factor: float) -> Picture:
    size = tuple(max(1, round(n * factor)) for n in picture.shape[1::-1])
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(picture, size, interpolation=how), dtype=np.uint8)


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue
