"""Landmarks that fix the count: sacrum, ribs, the dens of C2, the skull; found in label maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from engine.spine.vertebrae import Point, Vertebra, level_of

__all__ = ["TOTAL_ANCHOR_CODES", "Anchors", "find_anchors"]

Floats = NDArray[np.float64]

TOTAL_ANCHOR_CODES: Mapping[str, tuple[int, ...]] = {
    "liver": (5,),
    "sacrum": (25,),
    "S1": (26,),
    "skull": (91,),
    "ribs": tuple(range(92, 116)),
}
"""Codes of TotalSegmentator's ``total`` (ribs: left 1–12, then right 1–12)."""

RIB_REACH_MM = 45.0
"""A rib that ends farther than this beside the spine's line does not show its head."""
S1_DEPTH_MM = 28.0
"""S1 is the part of the sacrum within this below its top."""
LEAST_VOXELS = 20


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """Landmarks in view, in RAS+ mm; None or empty when not seen.

    ``sacrum_mm`` is the centre of S1's body. ``rib_heads_mm`` are the inner ends of ribs, in any
    order, both sides; ``ribs_looked_for`` says whether an absent rib means anything: with it, a
    whole vertebra without a rib counts as evidence. ``dens_mm`` lies in C2, ``skull_mm`` in the
    foramen magnum. ``liver_mm`` is the liver's centre, which tells left from right.
    """

    sacrum_mm: Point | None = None
    rib_heads_mm: tuple[Point, ...] = ()
    ribs_looked_for: bool = False
    dens_mm: Point | None = None
    skull_mm: Point | None = None
    liver_mm: Point | None = None


def find_anchors(
    labels: NDArray[Any],
    affine: NDArray[Any],
    vertebrae: Sequence[Vertebra],
    *,
    codes: Mapping[str, tuple[int, ...]] = TOTAL_ANCHOR_CODES,
) -> Anchors:
    """Read landmarks from a label map that has them.

    Parameters
    ----------
    labels
        ``(I, J, K)`` whole numbers.
    affine
        ``(4, 4)`` voxel → RAS+ mm.
    vertebrae
        What was measured on the same map; ribs are looked for beside them.
    codes
        Landmark → label values; absent landmarks are not looked for.

    Notes
    -----
    The skull's lowest point near the spine stands for the foramen magnum.
    """
    matrix = np.asarray(affine, dtype=np.float64)
    found = {name: _points(labels, matrix, values) for name, values in codes.items()}
    spine = np.array([v.centre_mm for v in vertebrae]).reshape(-1, 3)
    up = _up(vertebrae)
    ribs = [_points(labels, matrix, (value,)) for value in codes.get("ribs", ())]
    heads = [head for rib in ribs if len(rib) and (head := _rib_head(rib, spine)) is not None]
    return Anchors(
        sacrum_mm=_s1(found, up),
        rib_heads_mm=tuple(heads),
        ribs_looked_for=bool(heads),
        skull_mm=_foramen(found.get("skull"), spine, up),
        liver_mm=_centre(found.get("liver")),
    )


def _points(labels: NDArray[Any], affine: Floats, values: tuple[int, ...]) -> Floats:
    """Return the voxels of some values in mm, ``(n, 3)``; thinned to at most some thousands."""
    voxels = np.argwhere(np.isin(labels, values))
    if len(voxels) < LEAST_VOXELS:
        return np.empty((0, 3))
    voxels = voxels[:: max(1, len(voxels) // 5000)]
    return np.asarray(voxels @ affine[:3, :3].T + affine[:3, 3])


def _up(vertebrae: Sequence[Vertebra]) -> float:
    """Return +1 when names run down along −z as they should, −1 in an upside-down scan."""
    known = [(v.centre_mm[2], at) for v in vertebrae if (at := level_of(v.label)) is not None]
    if len(known) < 2:
        return 1.0
    heights, places = np.array(known).T
    return -1.0 if np.corrcoef(heights, places)[0, 1] > 0 else 1.0


def _s1(found: Mapping[str, Floats], up: float) -> Point | None:
    sacrum, first = found.get("sacrum"), found.get("S1")
    if sacrum is None or not len(sacrum):
        return None
    if first is not None and len(first):
        return _centre(first)
    height = up * sacrum[:, 2]
    top = sacrum[height >= np.percentile(height, 99) - S1_DEPTH_MM]
    middle = np.abs(top[:, 0] - np.median(top[:, 0])) <= 20.0  # the wings lie beside the body
    return _centre(top[middle] if middle.any() else top)


def _rib_head(rib: Floats, spine: Floats) -> Point | None:
    """Return the rib's point nearest to the spine's line, None when that is too far away."""
    if not len(spine):
        return None
    order = np.argsort(spine[:, 2])
    line = np.stack(
        [np.interp(rib[:, 2], spine[order, 2], spine[order, axis]) for axis in (0, 1)], axis=1
    )
    beside = np.linalg.norm(rib[:, :2] - line, axis=1)
    at = int(np.argmin(beside))
    return _point(rib[at]) if beside[at] <= RIB_REACH_MM else None


def _foramen(skull: Floats | None, spine: Floats, up: float) -> Point | None:
    if skull is None or not len(skull) or not len(spine):
        return None
    top = spine[np.argmax(up * spine[:, 2])]
    near = skull[np.linalg.norm(skull[:, :2] - top[:2], axis=1) <= 45.0]
    if not len(near):
        return None
    lowest = up * np.percentile(up * near[:, 2], 2)
    return float(top[0]), float(top[1]), float(lowest)


def _centre(points: Floats | None) -> Point | None:
    return None if points is None or not len(points) else _point(points.mean(axis=0))


def _point(values: Floats) -> Point:
    return float(values[0]), float(values[1]), float(values[2])
