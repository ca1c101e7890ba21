"""How a bone that is no vertebra is laid: boxes, rods and balls with a hard shell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from engine.spine.phantoms.canvas import Canvas, Floats, Region
from engine.spine.phantoms.shapes import capsule, ellipsoid
from engine.spine.phantoms.traits import Tissues

__all__ = ["box_around", "lay_ball", "lay_bone", "lay_rod"]


def box_around(points: Sequence[Sequence[float]], margin: float) -> tuple[list[float], list[float]]:
    """Return the lowest and highest corner of points, with a margin in mm."""
    array = np.asarray(points, float)
    return (array.min(0) - margin).tolist(), (array.max(0) + margin).tolist()


def lay_bone(
    canvas: Canvas,
    region: Region,
    distance: Floats,
    tissues: Tissues,
    *,
    code: int,
    shell_mm: float = 1.5,
    inner: float | None = None,
) -> None:
    """Lay a bone on a region and mark it with a code of the structures map."""
    soft = 0.7 * tissues.trabecular + 10 if inner is None else inner
    canvas.paint_bone(
        region,
        distance,
        shell_mm=shell_mm * (0.5 + 0.5 * tissues.shell_mm),
        shell=0.9 * tissues.cortical,
        inner=soft,
    )
    canvas.mark(region, distance, code, where="structures")


def lay_rod(
    canvas: Canvas,
    tissues: Tissues,
    *points: Sequence[float],
    radius: float | tuple[float, float],
    code: int,
    shell_mm: float = 2.0,
    inner: float | None = None,
    flat: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> None:
    """Lay a bone along a line of points."""
    thickest = radius if isinstance(radius, (int, float)) else max(radius)
    region = canvas.region(*box_around(points, thickest * max(flat)))
    if region is None:
        return
    rods = [
        capsule(region.x, region.y, region.z, a, b, radius=radius, flat=flat)
        for a, b in pairwise(points)
    ]
    joined = rods[0]
    for rod in rods[1:]:
        joined = np.minimum(joined, rod)
    lay_bone(canvas, region, joined, tissues, code=code, shell_mm=shell_mm, inner=inner)


def lay_ball(
    canvas: Canvas,
    tissues: Tissues,
    centre: Sequence[float],
    radii: Sequence[float],
    code: int,
    *,
    inner: float | None = None,
) -> None:
    """Lay a bone with the shape of an ellipsoid."""
    low, high = box_around([centre], max(radii))
    region = canvas.region(low, high)
    if region is None:
        return
    at = [np.float32(c) for c in centre]
    distance = ellipsoid(region.x - at[0], region.y - at[1], region.z - at[2], radii)
    lay_bone(canvas, region, distance, tissues, code=code, inner=inner, shell_mm=1.6)
