"""Signed distances of simple solids, in mm: below 0 inside, 0 on the surface.

Every function takes coordinates that broadcast against each other and returns float32. Distances
are exact for balls and capsules, and first-order near the surface for the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.spine.phantoms.canvas import Floats

__all__ = ["capsule", "ellipsoid", "intersect", "plate", "smooth_union", "subtract"]


def ellipsoid(x: Floats, y: Floats, z: Floats, radii: Sequence[float]) -> Floats:
    """Return the distance to an ellipsoid about the origin with half axes ``radii``.

    >>> one = np.float32([5.0])
    >>> float(ellipsoid(one, one * 0, one * 0, (4.0, 4.0, 4.0))[0])
    1.0
    """
    a, b, c = (np.float32(1.0 / r) for r in radii)
    u, v, w = x * a, y * b, z * c
    squares = u * u + v * v + w * w
    slopes = (u * a) ** 2 + (v * b) ** 2 + (w * c) ** 2
    # value over slope: the first step of Newton's method towards the surface; the floors make it
    # the shortest half axis at the centre, where both vanish
    length = np.sqrt(np.maximum(squares, 1e-8))
    floor = np.float32(1e-8 / min(radii) ** 2)
    return np.asarray(length * (length - 1.0) / np.sqrt(np.maximum(slopes, floor)))


def capsule(
    x: Floats,
    y: Floats,
    z: Floats,
    start: Sequence[float],
    end: Sequence[float],
    *,
    radius: float | tuple[float, float],
    flat: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Floats:
    """Return the distance to a rod with round ends from ``start`` to ``end``.

    ``radius`` may change from start to end. ``flat`` stretches the cross-section: with (1, 1, 2) a
    rod that runs along x is twice as high as it is deep; the ends are stretched as well.
    """
    r0, r1 = (radius, radius) if isinstance(radius, (int, float)) else radius
    shrink = [np.float32(1.0 / f) for f in flat]
    ax, ay, az = ((e - s) * float(k) for s, e, k in zip(start, end, shrink, strict=True))
    px = (x - np.float32(start[0])) * shrink[0]
    py = (y - np.float32(start[1])) * shrink[1]
    pz = (z - np.float32(start[2])) * shrink[2]
    squared = ax * ax + ay * ay + az * az
    along = (px * np.float32(ax) + py * np.float32(ay) + pz * np.float32(az)) * np.float32(
        1.0 / max(squared, 1e-9)
    )
    along = np.clip(along, 0.0, 1.0)
    px = px - along * np.float32(ax)
    py = py - along * np.float32(ay)
    pz = pz - along * np.float32(az)
    thickness = np.float32(r0) + along * np.float32(r1 - r0)
    return np.asarray(np.sqrt(px * px + py * py + pz * pz) - thickness)


def plate(x: Floats, y: Floats, z: Floats, half: Sequence[float], *, round_mm: float) -> Floats:
    """Return the distance to a box about the origin with half sides ``half`` and round edges."""
    dx = np.abs(x) - np.float32(half[0] - round_mm)
    dy = np.abs(y) - np.float32(half[1] - round_mm)
    dz = np.abs(z) - np.float32(half[2] - round_mm)
    outside = np.sqrt(
        np.maximum(dx, 0.0) ** 2 + np.maximum(dy, 0.0) ** 2 + np.maximum(dz, 0.0) ** 2
    )
    inside = np.minimum(np.maximum(np.maximum(dx, dy), dz), 0.0)
    return np.asarray(outside + inside - np.float32(round_mm))


def intersect(one: Floats, other: Floats) -> Floats:
    """Return the distance to what both hold."""
    return np.maximum(one, other)


def subtract(one: Floats, other: Floats) -> Floats:
    """Return the distance to ``one`` without ``other``."""
    return np.maximum(one, -other)


def smooth_union(one: Floats, other: Floats, *, blend_mm: float) -> Floats:
    """Return the distance to both, the groove between them filled over about ``blend_mm``."""
    k = np.float32(blend_mm)
    overlap = np.maximum(k - np.abs(one - other), 0.0)
    return np.minimum(one, other) - overlap * overlap * np.float32(0.25 / blend_mm)
