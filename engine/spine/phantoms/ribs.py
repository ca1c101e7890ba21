"""The ribs with their cartilage, and the breastbone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.spine.phantoms.bones import box_around, lay_bone, lay_rod
from engine.spine.phantoms.canvas import Canvas, Floats, Region
from engine.spine.phantoms.column import Column, Pose, Vector
from engine.spine.phantoms.shapes import capsule
from engine.spine.phantoms.sizes import STRUCTURES
from engine.spine.phantoms.traits import Tissues, Traits
from engine.spine.phantoms.trunk import Trunk

__all__ = ["paint_ribs"]

# Per rib: how far its front end lies below its head (mm) and how far around it goes (0 = spine,
# 1 = breastbone), without the cartilage. Drawn after CTs.
_RIBS = {
    1: (28, 0.80), 2: (48, 0.83), 3: (62, 0.85), 4: (76, 0.86), 5: (88, 0.86), 6: (98, 0.85),
    7: (104, 0.83), 8: (104, 0.77), 9: (100, 0.71), 10: (92, 0.64), 11: (100, 0.46),
    12: (100, 0.32), 13: (95, 0.22),
}  # fmt: skip


_DEPTH = 4.5  # of the middle of a rib below the outer side of the cage, mm


def paint_ribs(canvas: Canvas, trunk: Trunk, column: Column, traits: Traits, cage: Floats) -> None:
    """Lay the ribs of all thoracic vertebrae, their cartilage, and the breastbone."""
    heads = [pose for pose in column.poses if pose.label[0] == "T"]
    s, tissues = traits.scale, traits.tissues
    low = float(heads[-1].centre[2]) - 65 * s
    region = canvas.region((-400, -400, low), (400, 400, float(heads[0].centre[2]) + 20))
    if region is None:
        return
    near = np.abs(cage[region.inside] + np.float32(_DEPTH)) < 6 + canvas.softness
    where = np.nonzero(near)
    if where[0].size:
        _paint_rib_bands(canvas, trunk, heads, traits, region, where, cage)
    _sternum(canvas, trunk, column, traits)
    for number, pose in enumerate(heads, start=1):
        reach = _reach(number, len(heads), traits)
        for sign in (-1, 1):
            start = _start_of_rib(trunk, pose, sign)
            head = pose.at(
                sign * (0.5 * pose.size.width[0] + 1),
                -0.3 * pose.size.depth[0],
                0.35 * pose.size.height[0],
            )
            _neck(canvas, tissues, head, start, number, radius=3.6 * s if reach > 0 else 2.5)


def _reach(number: int, count: int, traits: Traits) -> float:
    usual = _RIBS[number][1]
    return usual * traits.ribs_last if number == count else usual


def _start_angle(trunk: Trunk, z: float, span: float) -> float:
    wide = float(trunk.at(trunk.cage.wide, z))
    return float(np.arcsin(np.clip((span / 2 + 4) / wide, 0.05, 0.95)))


def _start_of_rib(trunk: Trunk, pose: Pose, sign: int) -> tuple[float, float, float]:
    """Return where a rib reaches the cage, beside the transverse process."""
    z = float(pose.centre[2]) + 2
    angle = _start_angle(trunk, z, pose.size.span)
    wide = float(trunk.at(trunk.cage.wide, z)) - _DEPTH
    deep = float(trunk.at(trunk.cage.deep, z)) - _DEPTH
    grow = 1.0 + 0.15 * (np.sin(angle) * np.cos(angle)) ** 2
    return (
        float(trunk.at(trunk.cage.x, z)) + sign * wide * float(np.sin(angle)) * grow,
        float(trunk.at(trunk.cage.y, z)) - deep * float(np.cos(angle)) * grow,
        z,
    )


def _neck(
    canvas: Canvas,
    tissues: Tissues,
    head: Vector,
    start: Sequence[float],
    number: int,
    *,
    radius: float,
) -> None:
    region = canvas.region(*box_around([head.tolist(), start], radius * 1.4))
    if region is None:
        return
    rod = capsule(
        region.x, region.y, region.z, head.tolist(), start, radius=radius, flat=(1, 1, 1.3)
    )
    lay_bone(canvas, region, rod, tissues, code=STRUCTURES["ribs"], shell_mm=1.2)
    canvas.mark(region, rod, number, where="rib_levels")


def _paint_rib_bands(
    canvas: Canvas,
    trunk: Trunk,
    heads: Sequence[Pose],
    traits: Traits,
    region: Region,
    where: tuple[np.ndarray, ...],
    cage: Floats,
) -> None:
    """Find, for each voxel near the cage, the nearest rib that runs there, and draw it."""
    s, tissues = traits.scale, traits.tissues
    x = np.broadcast_to(region.x, region.shape)[where]
    y = np.broadcast_to(region.y, region.shape)[where]
    z = np.broadcast_to(region.z, region.shape)[where]
    radial = cage[region.inside][where] + np.float32(_DEPTH)
    u = (x - trunk.at(trunk.cage.x, z)) / trunk.at(trunk.cage.wide, z)
    v = (y - trunk.at(trunk.cage.y, z)) / trunk.at(trunk.cage.deep, z)
    angle = np.abs(np.arctan2(u, -v))  # 0 at the spine, π at the breastbone
    fall = 0.5 * (1 - np.cos(angle))
    arc = np.float32(0.5) * (trunk.at(trunk.cage.wide, z) + trunk.at(trunk.cage.deep, z))
    best = np.full(x.shape, 1e3, np.float32)
    soft_best = np.full(x.shape, 1e3, np.float32)
    level = np.zeros(x.shape, np.uint8)
    count = len(heads)
    for number, pose in enumerate(heads, start=1):
        z0 = float(pose.centre[2]) + 2
        drop = _RIBS[number][0] * s
        slope = drop * 0.5 * np.sin(angle) / arc
        off = (z - (z0 - drop * fall)) / np.sqrt(1 + slope * slope)
        thick, tall = 3.4 * s, (5.2 + 1.6 * np.sin(angle)) * s
        across = np.sqrt((radial / thick) ** 2 + (off / tall) ** 2)
        band = (across - 1.0) * (0.5 * (thick + tall))
        begin = _start_angle(trunk, z0, pose.size.span)
        end = np.pi * _reach(number, count, traits)
        bone = np.maximum(band, np.maximum(begin - angle, angle - end) * arc * 0.6)
        closer = bone < best
        level[closer] = number
        np.minimum(best, bone, out=best)
        if number <= 10:
            rest = np.maximum(band, np.maximum(end - angle, 0) * arc * 0.6)
            np.minimum(soft_best, rest, out=soft_best)
    hu = canvas.hu[region.inside]
    values = hu[where]
    gristle = canvas.coverage(soft_best + 0.6)
    values += gristle * (95.0 - values)
    outer = canvas.coverage(best)
    inner = canvas.coverage(best + np.float32(1.3 * (0.5 + 0.5 * tissues.shell_mm)))
    shell, soft = 0.9 * tissues.cortical, 0.6 * tissues.trabecular + 40
    values += outer * (shell + (soft - shell) * inner / np.maximum(outer, 1e-6) - values)
    hu[where] = values
    marked = best < 0
    structures, levels = canvas.structures[region.inside], canvas.rib_levels[region.inside]
    structures[where] = np.where(marked, STRUCTURES["ribs"], structures[where])
    levels[where] = np.where(marked, level, levels[where])


def _sternum(canvas: Canvas, trunk: Trunk, column: Column, traits: Traits) -> None:
    s = traits.scale
    top, low = column.height_of("T3"), column.height_of("T9") + 6
    ends = [
        (
            float(trunk.at(trunk.cage.x, z)),
            float(trunk.at(trunk.cage.y, z) + trunk.at(trunk.cage.deep, z)) - 5,
            z,
        )
        for z in (top, low)
    ]
    lay_rod(
        canvas,
        traits.tissues,
        *ends,
        radius=(6.5 * s, 5 * s),
        flat=(3.0, 1, 1),
        code=STRUCTURES["shoulders"],
        shell_mm=1.0,
    )
