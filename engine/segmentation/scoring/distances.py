"""How far two borders lie apart."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.segmentation.scoring.overlap import IGNORED, check_pair

__all__ = ["hausdorff_95"]

_PERCENTILE: Final = 95.0
_CROSS: Final = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


def hausdorff_95(
    truth: NDArray[np.uint8],
    predicted: NDArray[np.uint8],
    value: int,
    *,
    pixel_size_um: float | None = None,
) -> float:
    """Return the 95 % Hausdorff distance of class ``value`` in pixels, or in µm.

    The definition of MONAI: a mask's border are its pixels with one of 4 neighbours outside (the
    picture's frame is outside too); from each border pixel of one mask the distance to the nearest
    of the other, of which the 95th percentile; the larger one of both directions. Pixels that
    nobody annotated (255 in the truth) belong to neither mask.

    NaN when neither mask holds the class, infinite when one alone does: there is no border to be
    far from.

    Raises
    ------
    InputError
        When the masks do not fit each other.
    """
    check_pair(truth, predicted)
    known = truth != IGNORED
    inside = [(truth == value) & known, (predicted == value) & known]
    is_there = [bool(mask.any()) for mask in inside]
    if not all(is_there):
        return float("inf") if any(is_there) else float("nan")
    edges = _edges(*_cropped(inside[0], inside[1]))
    there = np.percentile(_distances(edges[0])[edges[1]], _PERCENTILE)
    back = np.percentile(_distances(edges[1])[edges[0]], _PERCENTILE)
    return float(max(there, back)) * (pixel_size_um or 1.0)


def _cropped(
    first: NDArray[np.bool_], second: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return both masks cut to the box around what they hold together: less to measure."""
    either = first | second
    rows, cols = np.flatnonzero(either.any(axis=1)), np.flatnonzero(either.any(axis=0))
    window = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
    return first[window], second[window]


def _edges(*inside: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Return the border pixels of each mask; beyond the frame is outside."""
    edges = []
    for mask in inside:
        framed = np.pad(mask.astype(np.uint8), 1)
        edges.append(mask & (cv2.erode(framed, _CROSS)[1:-1, 1:-1] == 0))
    return edges


def _distances(edge: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return each pixel's exact distance to the nearest pixel of an edge."""
    away = (~edge).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)
