"""Laying vertebrae, discs and canal on the canvas, and measuring what was laid."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from engine.spine.phantoms.canvas import Canvas, Floats, Region
from engine.spine.phantoms.column import Column, Pose
from engine.spine.phantoms.shapes import ellipsoid
from engine.spine.phantoms.sizes import LABEL_CODES, STRUCTURES
from engine.spine.phantoms.traits import Traits
from engine.spine.phantoms.truth import VertebraTruth
from engine.spine.phantoms.vertebra import Solid, local_frame, outline_of_body, shape_vertebra
from engine.spine.vertebrae import Point

__all__ = ["paint_discs_and_canal", "paint_vertebra"]


def paint_discs_and_canal(canvas: Canvas, column: Column, traits: Traits) -> None:
    """Lay the discs between all bodies, and the canal with its fluid and cord."""
    tissues = traits.tissues
    for above, below in pairwise((*column.poses, column.sacrum)):
        if above.label == "C1":
            continue
        _paint_disc(canvas, above, below, traits)
    points = [pose.at(0, -0.42 * pose.size.depth[1] - 0.5 * pose.size.canal[1], 0)
              for pose in column.poses[::-1]]  # fmt: skip
    points.insert(0, column.sacrum.at(0, -27, -3))
    line = np.array(points)
    radius = np.array([7.0, *(0.5 * pose.size.canal[1] for pose in column.poses[::-1])])
    region = canvas.region(
        (float(line[:, 0].min()) - 14, float(line[:, 1].min()) - 14, float(line[0, 2])),
        (float(line[:, 0].max()) + 14, float(line[:, 1].max()) + 14, float(line[-1, 2]) + 12),
    )
    if region is None:
        return
    z = region.z
    x, y, r = (
        np.interp(z, line[:, 2], v).astype(np.float32) for v in (line[:, 0], line[:, 1], radius)
    )
    away = np.sqrt(((region.x - x) / 1.2) ** 2 + (region.y - y) ** 2)
    ends = np.maximum(np.float32(line[0, 2]) - z, z - np.float32(line[-1, 2] + 10))
    canvas.paint(region, np.maximum(away - r, ends), 0.6 * tissues.fat)
    canvas.paint(region, np.maximum(away - 0.82 * r, ends), tissues.water + 4)
    conus = np.float32(column.height_of("L1")) - z
    canvas.paint(region, np.maximum(np.maximum(away - 0.5 * r, ends), conus), tissues.cord + 12)


def _paint_disc(canvas: Canvas, above: Pose, below: Pose, traits: Traits) -> None:
    """Fill between the lower endplate of one body and the upper of the next."""
    reach = 0.5 * max(above.size.width[1], below.size.width[0]) + 6
    top = above.at(0, 0, -above.middle_height / 2)
    bottom = below.at(0, 0, below.middle_height / 2) if below.label != "S1" else below.at(0, 0, 0)
    middle = (top + bottom) / 2
    region = canvas.region((middle - reach).tolist(), (middle + reach).tolist())
    if region is None:
        return
    x, y, z = local_frame(region, above)
    up, deep = above.middle_height / 2, 0.5 * sum(above.size.depth)
    behind, front = above.size.height
    ceiling = z + np.float32(up - above.sunken_mm) + y * np.float32((front - behind) / (2 * deep))
    if below.label == "S1":
        floor = -local_frame(region, below)[2] - np.float32(1.0)
    else:
        behind, front = below.size.height
        _, along, height = local_frame(region, below)
        slope = np.float32((front - behind) / sum(below.size.depth))
        floor = np.float32(below.middle_height / 2 - below.sunken_mm) + along * slope - height
    side = outline_of_body(
        x, y, half_width=np.float32(0.5 * above.size.width[1] + 0.6),
        half_depth=np.float32(0.5 * above.size.depth[1] + 0.6),
    )  # fmt: skip
    disc = np.maximum(side, np.maximum(ceiling, floor))
    if above.fused_below:  # bone bridges the disc
        bridge = np.maximum(disc, -side - 4.0)
        canvas.paint(region, disc, traits.tissues.disc)
        canvas.paint(region, bridge, 0.7 * traits.tissues.cortical)
        return
    canvas.paint(region, disc, traits.tissues.disc)
    canvas.mark(region, disc, STRUCTURES["discs"], where="structures")


def paint_vertebra(
    canvas: Canvas, pose: Pose, traits: Traits, field: Floats
) -> VertebraTruth | None:
    """Lay a vertebra, mark it, and return its truth; None where none of it is in view."""
    solid = shape_vertebra(canvas, pose)
    if solid is None:
        return None
    tissues, region = traits.tissues, solid.region
    inner = pose.trabecular
    shell = tissues.shell_mm * (0.8 if pose.label[0] == "C" else 1.0)
    canvas.paint_bone(
        region,
        solid.arch,
        shell_mm=1.6 * shell,
        shell=1.25 * tissues.cortical,
        inner=0.7 * inner + 30,
    )
    canvas.paint_bone(
        region, solid.facets, shell_mm=2.0 * shell,
        shell=1.3 * tissues.cortical, inner=0.5 * tissues.cortical,
    )  # fmt: skip
    canvas.paint_bone(region, solid.body, shell_mm=shell, shell=tissues.cortical, inner=inner)
    _paint_inside(canvas, region, solid, pose, traits, field)
    code = LABEL_CODES[pose.label]
    canvas.mark(region, solid.whole, code, where="labels")
    canvas.bodies[region.inside] |= solid.body[region.own] < 0
    structures = canvas.structures[region.inside]
    structures[solid.whole[region.own] < 0] = 0
    ribs = canvas.rib_levels[region.inside]
    ribs[solid.whole[region.own] < 0] = 0
    return _truth(canvas, solid, pose, code)


def _paint_inside(
    canvas: Canvas, region: Region, solid: Solid, pose: Pose, traits: Traits, field: Floats
) -> None:
    """Lay the mesh of trabeculae, hard bone below the endplates, and the vein behind the body."""
    inside = canvas.coverage(solid.body[region.own] + np.float32(1.5 * traits.tissues.shell_mm))
    part = canvas.hu[region.inside]
    fine = min(1.0, 1.8 / canvas.softness)  # large voxels average the mesh away
    part += inside * field[region.inside] * np.float32(fine * (0.16 * pose.trabecular + 8))
    if traits.tissues.sclerosis > 0.05 and pose.label != "C1":
        z = np.abs(local_frame(region, pose)[2])[region.own]
        depth = np.clip(1.0 - (pose.middle_height / 2 - z) / 6.0, 0.0, 1.0)
        part += (
            inside * depth * np.float32(traits.tissues.sclerosis * 0.35 * traits.tissues.cortical)
        )
    if pose.label[0] in "TL":
        x, y, z = local_frame(region, pose)
        back = np.float32(0.4 * pose.size.depth[1])
        vein = ellipsoid(x, y + back, z, (3.5, 0.25 * pose.size.depth[1], 2.5))[region.own]
        part += canvas.coverage(vein) * np.float32(-0.5 * pose.trabecular)


def _truth(canvas: Canvas, solid: Solid, pose: Pose, code: int) -> VertebraTruth | None:
    region = solid.region
    whole, body = canvas.coverage(solid.whole), canvas.coverage(solid.body)
    held = solid.whole < 0
    if not held[region.own].any():
        return None
    total, body_total = float(whole.sum()), float(body.sum())
    in_view = float(whole[region.own].sum()) / total if region.is_cut else 1.0
    body_in_view = float(body[region.own].sum()) / body_total if region.is_cut else 1.0
    in_view = 1.0 if in_view > 0.9999 else in_view
    body_in_view = 1.0 if body_in_view > 0.9999 else body_in_view
    centre = canvas.to_world(pose.centre)[0]
    first = canvas.start + canvas.pivot - canvas.spacing / 2
    last = first + canvas.spacing * canvas.shape
    axis = (canvas.to_world(pose.axes[:, 2]) - canvas.pivot)[0]
    return VertebraTruth(
        label=pose.label,
        code=code,
        centre_mm=_point(centre),
        bounds_mm=_bounds(canvas, region, held),
        volume_ml=total * canvas.voxel_ml,
        body_ml=body_total * canvas.voxel_ml,
        height_mm=pose.middle_height,
        body_hu=pose.trabecular,
        up=_point(axis),
        in_view=in_view,
        body_in_view=body_in_view,
        centre_in_view=bool(np.all((centre >= first) & (centre <= last))),
        truncated=in_view < 1.0 or body_in_view < 1.0,
        fractured=pose.fractured,
    )


def _bounds(canvas: Canvas, region: Region, held: np.ndarray) -> tuple[Point, Point]:
    """Return the box of the held voxels with their outer sides, in world mm."""
    ends = [np.flatnonzero(held.any(axis=tuple({0, 1, 2} - {a})))[[0, -1]] for a in range(3)]
    begin = np.array(
        [inside.start - own.start for inside, own in zip(region.inside, region.own, strict=True)]
    )
    index = np.array(ends, float).T + begin + np.array([[-0.5], [0.5]])
    corners = canvas.start + canvas.pivot + index * canvas.spacing
    return _point(corners[0]), _point(corners[1])


def _point(values: np.ndarray) -> Point:
    return float(values[0]), float(values[1]), float(values[2])
