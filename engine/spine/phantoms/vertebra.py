"""The shape of one vertebra: body, pedicles, arch and processes as distances in its own frame.

The frame has its origin at the centre of the body, x to the right, y to the front and z along the
body. Left and right mirror each other, so that ``|x|`` serves for both. C1 has no body: what stands
for it here is the front of the ring with both lateral masses, and its origin lies between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from engine.spine.phantoms.canvas import Canvas, Floats, Region
from engine.spine.phantoms.column import Pose
from engine.spine.phantoms.shapes import (
    capsule,
    ellipsoid,
    intersect,
    smooth_union,
    subtract,
)
from engine.spine.phantoms.sizes import size_of

__all__ = ["Solid", "body_distance", "local_frame", "outline_of_body", "shape_vertebra"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Solid:
    """A vertebra on a region: distances to its body, to arch and processes, and to both.

    ``facets`` are the articular processes alone, a part of the arch.
    """

    region: Region
    body: Floats
    arch: Floats
    facets: Floats
    whole: Floats


def local_frame(region: Region, pose: Pose) -> tuple[Floats, Floats, Floats]:
    """Return the region's coordinates in a vertebra's own frame."""
    x, y, z = (c - np.float32(o) for c, o in zip((region.x, region.y, region.z), pose.centre))  # noqa: B905 – three each
    axes = pose.axes.astype(np.float32)
    across, along, up = (x * axes[0, n] + y * axes[1, n] + z * axes[2, n] for n in range(3))
    return across, along, up


def shape_vertebra(canvas: Canvas, pose: Pose) -> Solid | None:
    """Return the vertebra on the voxels around it, or None when none of it is on the canvas."""
    size = pose.size
    half = max(size.span, size.width[1]) / 2 + 3
    back = size.depth[1] / 2 + size.spine[0] + 5
    front = size.depth[1] / 2 * (1 + pose.spurs[2]) + 5
    low = size.spine[1] + 0.5 * size.height[0] + 12
    high = size.height[0] + (16 if pose.label == "C2" else 4)
    corners = np.array(
        [pose.at(x, y, z) for x in (-half, half) for y in (-back, front) for z in (-low, high)]
    )
    region = canvas.region(corners.min(0).tolist(), corners.max(0).tolist(), whole=True)
    if region is None:
        return None
    x, y, z = local_frame(region, pose)
    if pose.label == "C1":
        body, arch = _atlas(np.abs(x), y, z, pose)
        facets = arch + np.float32(50.0)  # none of their own
    else:
        body = body_distance(x, y, z, pose)
        if pose.label == "C2":
            top = 0.5 * size.height[0]
            dens = capsule(x, y, z, (0, 1, top - 2), (0, 1.5, top + 13), radius=(5.6, 5.0))
            body = smooth_union(body, dens, blend_mm=3.0)
        arch, facets = _arch(np.abs(x), y, z, pose)
        canal = _canal(x, y, pose)
        body, arch, facets = (subtract(part, canal) for part in (body, arch, facets))
    return Solid(region=region, body=body, arch=arch, facets=facets, whole=np.minimum(body, arch))


def outline_of_body(
    x: Floats, y: Floats, *, half_width: Floats | np.floating, half_depth: Floats | np.floating
) -> Floats:
    """Return the distance to the outline of a body or disc, a flat-backed rounded oval."""
    u, v = x / half_width, y / half_depth
    uu, vv = u * u, v * v
    corner = np.minimum(uu, 1.3) * np.minimum(vv, 1.3)  # bounded: far outside it would win
    value = np.sqrt(np.maximum(uu + vv - np.float32(0.3) * corner, 1e-8))
    # floors: at the centre value and slope vanish, and the distance is half the depth
    slope = np.sqrt((u / half_width) ** 2 + (v / half_depth) ** 2)
    slope = np.maximum(slope, np.float32(1e-4) / half_depth)
    side = (value - 1.0) * value / slope
    return np.asarray(np.maximum(side, -y - np.float32(0.88) * half_depth))


def body_distance(x: Floats, y: Floats, z: Floats, pose: Pose) -> Floats:
    """Return the distance to the vertebral body, with its waist, hollow endplates and spurs."""
    size = pose.size
    behind, front = size.height
    depth = 0.5 * (size.depth[0] + size.depth[1])
    place = np.clip(z / np.float32(pose.middle_height), -0.5, 0.5)  # −0.5 bottom, 0.5 top
    waist = np.float32(1.0) - np.float32(0.065 if pose.label[0] != "C" else 0.04) * (
        1.0 - 4.0 * place * place
    )
    right, ahead, length = pose.spurs
    if length > 0.01:
        rim = np.clip((np.abs(place) - 0.36) / 0.14, 0.0, 1.0)
        towards = (x * right / size.width[0] + y * ahead / depth) * 1.6
        waist = waist + np.float32(length) * rim * np.clip(towards, 0.0, 1.0)
    half_width = waist * (
        np.float32(0.25 * sum(size.width))
        + place * np.float32(0.5 * (size.width[0] - size.width[1]))
    )
    half_depth = waist * (
        np.float32(0.25 * sum(size.depth))
        + place * np.float32(0.5 * (size.depth[0] - size.depth[1]))
    )
    side = outline_of_body(x, y, half_width=half_width, half_depth=half_depth)
    wedge = np.float32(pose.middle_height / 2) + y * np.float32((front - behind) / (2 * depth))
    inward = np.clip(-side * np.float32(3.0 / depth), 0.0, 1.0)
    ends = np.abs(z) - wedge + np.float32(pose.sunken_mm) * inward * (2.0 - inward)
    return intersect(side, ends)


def _canal(x: Floats, y: Floats, pose: Pose) -> Floats:
    """Distance to the canal of the cord, a tube behind the body."""
    wide, deep = pose.size.canal
    middle = 0.42 * pose.size.depth[1] + 0.5 * deep
    return ellipsoid(x, y + np.float32(middle), np.float32(0) * x, (wide / 2, deep / 2, 1e4))


def _arch(x: Floats, y: Floats, z: Floats, pose: Pose) -> tuple[Floats, Floats]:
    """Distance to the arch with all processes, and to the articular ones (x is |x|)."""
    size, region = pose.size, pose.label[0]
    scale = size.canal[0] / (24.0 if region != "T" else 18.0)
    height = size.height[0]
    wide, deep = size.canal
    back = 0.42 * size.depth[1]  # the canal's front wall
    side = wide / 2 + 0.45 * size.pedicle[0]
    rise = {"C": 0.1, "T": 0.22, "L": 0.2}[region] * height
    corner = (wide / 2 + 2.5 * scale, -(back + 0.72 * deep), rise - 0.1 * height)
    parts = [
        capsule(
            x, y, z, (side, -0.62 * back, rise), (side, -(back + 0.5 * deep), rise),
            radius=size.pedicle[0] / 2, flat=(1, 1, size.pedicle[1] / size.pedicle[0]),
        ),
        _lamina(x, y, z, pose, corner),
        _spinous(x, y, z, pose),
        _transverse(x, y, z, pose, rise),
    ]  # fmt: skip
    outward = {"C": 1.7, "T": 0.6, "L": 1.15}[region]
    thick = {"C": 4.3, "T": 4.2, "L": 7.0}[region] * min(scale, 1.25)
    facet = wide / 2 * (outward if region == "C" else 1.0) + (thick * 0.5 if region != "C" else -4)
    joints = [
        capsule(
            x, y, z, corner, (facet + 0.2 * thick, corner[1] + 1.0, 0.78 * height),
            radius=(thick * 0.8, thick * 0.7), flat=(0.8 if region == "L" else 1.25, 1, 1),
        ),
        capsule(
            x, y, z, (corner[0] - 1, corner[1] - 2, corner[2] - 2),
            (facet - 0.5 * thick, corner[1] - 0.35 * deep, -0.78 * height),
            radius=(thick * 0.75, thick * 0.65), flat=(0.8 if region == "L" else 1.25, 1, 1),
        ),
    ]  # fmt: skip
    joined = parts[0]
    for part in (*parts[1:], *joints):
        joined = smooth_union(joined, part, blend_mm=2.5)
    return joined, np.minimum(*joints)


def _growth(pose: Pose) -> float:
    """Return how large a vertebra is against the mean of its level."""
    return pose.size.canal[0] / size_of(pose.label).canal[0]


def _lamina(
    x: Floats, y: Floats, z: Floats, pose: Pose, corner: tuple[float, float, float]
) -> Floats:
    size, region = pose.size, pose.label[0]
    thick = {"C": 2.1, "T": 3.5, "L": 4.0}[region] * _growth(pose)
    tall = {"C": 2.4, "T": 2.6, "L": 2.5}[region]
    back = 0.42 * size.depth[1] + size.canal[1] + thick * 0.8
    low = {"C": -0.15, "T": -0.15, "L": -0.25}[region] * size.height[0]
    return capsule(x, y, z, corner, (0, -back, low), radius=thick, flat=(1, 1, tall))


def _spinous(x: Floats, y: Floats, z: Floats, pose: Pose) -> Floats:
    size, region = pose.size, pose.label[0]
    root = 0.42 * size.depth[1] + size.canal[1]
    reach = 0.42 * size.depth[1] + size.spine[0]
    low = {"C": -0.15, "T": -0.2, "L": -0.3}[region] * size.height[0]
    tall = {"C": 1.5, "T": 1.5, "L": 1.9}[region]
    thick = {"C": 2.5, "T": 3.1, "L": 3.8}[region] * _growth(pose)
    tip = thick * {"C": 1.35, "T": 1.1, "L": 1.2}[region]
    end = (0, -(reach - tip), -size.spine[1])
    middle = capsule(x, y, z, (0, -root, low), end, radius=(thick, tip), flat=(1, 1, tall))
    if region == "C" and pose.label not in ("C7",):  # two tips
        fork = (3.5, end[1], end[2])
        return smooth_union(
            middle, capsule(x, y, z, (0, end[1] + 5, end[2] + 2), fork, radius=2.4), blend_mm=2.0
        )
    return middle


def _transverse(x: Floats, y: Floats, z: Floats, pose: Pose, rise: float) -> Floats:
    size, region = pose.size, pose.label[0]
    wide, deep = size.canal
    back = 0.42 * size.depth[1]
    tip = size.span / 2
    if region == "C":
        start = (wide / 2 + 1, -back * 0.7, 0.0)
        end = (tip - 3, -back * 0.9, -0.15 * size.height[0])
        front_bar = capsule(
            x, y, z, (size.width[0] / 2 - 1, 0, 0), (tip - 4, -back * 0.4, -2), radius=2.0
        )
        return np.minimum(capsule(x, y, z, start, end, radius=2.6), front_bar)
    start = (wide / 2 + 3, -(back + 0.6 * deep), rise)
    if region == "T":
        end = (tip - 4, -(back + 1.25 * deep), rise + 0.15 * size.height[0])
        return capsule(x, y, z, start, end, radius=(4.2, 4.8), flat=(1, 1, 1.3))
    heavy = pose.label in ("L5", "L6")
    start = (wide / 2 + 3, -(back + (0.15 if heavy else 0.45) * deep), rise)
    end = (tip - 4, -(back + (0.35 if heavy else 0.75) * deep), rise + 1)
    return capsule(
        x, y, z, start, end, radius=(6.5, 5.0) if heavy else (4.8, 3.2), flat=(1, 1, 1.7)
    )


def _atlas(x: Floats, y: Floats, z: Floats, pose: Pose) -> tuple[Floats, Floats]:
    """Front ring with lateral masses, and the back ring with the transverse processes of C1."""
    scale = pose.size.width[0] / 46.0
    mass = ellipsoid(x - np.float32(18 * scale), y, z, (8 * scale, 10 * scale, 9 * scale))
    front = capsule(x, y, z, (15 * scale, 6, 0), (0, 11 * scale, 0), radius=3.2, flat=(1, 1, 1.6))
    body = smooth_union(mass, front, blend_mm=2.0)
    bow = capsule(x, y, z, (18 * scale, -6, 0), (13 * scale, -20 * scale, -1), radius=3.2)
    back = capsule(
        x, y, z, (13 * scale, -20 * scale, -1), (0, -27 * scale, -2), radius=3.2, flat=(1, 1, 1.4)
    )
    wing = capsule(x, y, z, (22 * scale, 0, -1), (pose.size.span / 2 - 4, -3, -2), radius=3.6)
    return body, np.minimum(np.minimum(bow, back), wing)
