"""Single slices as PNG: the CT in grey, and the label map with its codes as grey values.

Both have the geometry of :class:`~engine.spine.pictures.views.View`, so one lies on the other.
Only the voxels of the slice are read from the memory-mapped arrays.
"""

from __future__ import annotations

from operator import index as whole_number
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import RequestError
from engine.spine.pictures.views import View, view_of
from engine.spine.pictures.windows import window_of

if TYPE_CHECKING:
    from engine.spine.saved import SavedDetection

__all__ = ["label_slice_png", "png", "slice_png"]


def slice_png(saved: SavedDetection, plane: str, index: int, window: str = "bone") -> bytes:
    """Return a slice of the CT as grey PNG, pixels square in mm.

    ``index`` counts from the patient's left, back or feet. ``window`` is the name of a preset or
    ``"centre,width"`` in HU. Between voxels values are interpolated, before the window.

    Raises
    ------
    RequestError
        When there is no such plane, slice or window.
    """
    chosen = window_of(window)
    view = view_of(saved.volume_grid, plane)
    return png(chosen.grey(_linear(_plane_of(saved.hu, view, index), view)))


def label_slice_png(saved: SavedDetection, plane: str, index: int) -> bytes:
    """Return a slice of the label map as 8-bit grey PNG whose values are codes.

    It has the size and place of :func:`slice_png`; each pixel has the code of the nearest voxel.

    Raises
    ------
    RequestError
        When there is no such plane or slice.
    """
    view = view_of(saved.volume_grid, plane)
    return png(_nearest(_plane_of(saved.labels, view, index), view))


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Return ``(H, W)`` grey or ``(H, W, 3)`` RGB as PNG, packed quickly rather than tightly.

    No gamma or colour chunk is written: what was put in comes out of any browser.
    """
    import cv2

    ordered = pixels if pixels.ndim == 2 else pixels[..., ::-1]  # OpenCV counts BGR
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    if pixels.ndim == 2:  # noise repeats no patterns: looking for runs alone is quicker and smaller
        options += [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    _, packed = cv2.imencode(".png", np.ascontiguousarray(ordered), options)
    return bytes(packed)


def _plane_of(volume: NDArray[Any], view: View, index: int) -> NDArray[Any]:
    """Return one slice ``(rows, columns)`` along the view's own axes, not yet turned."""
    try:
        number = whole_number(index)
    except TypeError:
        raise RequestError(f"A slice has a whole number, but got {index!r}.") from None
    if not 0 <= number < view.count:
        raise RequestError(
            f"There are {view.plane} slices 0 to {view.count - 1}, but got {number}; choose one "
            "of them."
        )
    plane = np.asarray(volume[(slice(None),) * view.axes[2] + (number,)])
    return plane.T  # columns have the lower axis in every plane


def _linear(plane: NDArray[Any], view: View) -> NDArray[np.float32]:
    """Return ``(height, width)`` on the view's pixels, interpolated along each axis."""
    pixels = plane.astype(np.float32)
    for side, axis in ((1, 0), (0, 1)):
        at = np.clip(view.indices(side), 0, plane.shape[axis] - 1)
        low = np.floor(at + 1e-6).astype(np.intp)
        share = (at - low).astype(np.float32)
        lower = np.take(pixels, low, axis=axis)
        if np.abs(share).max() > 1e-4:
            upper = np.take(pixels, np.minimum(low + 1, plane.shape[axis] - 1), axis=axis)
            lower += (upper - lower) * (share[:, np.newaxis] if axis == 0 else share)
        pixels = lower
    return pixels


def _nearest(plane: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    rows, columns = (
        np.clip(np.rint(view.indices(side) + 1e-6), 0, plane.shape[1 - side] - 1).astype(np.intp)
        for side in (1, 0)
    )
    return np.ascontiguousarray(plane[rows][:, columns])
