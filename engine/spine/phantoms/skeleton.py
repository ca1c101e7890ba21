"""The bones that are not vertebrae: ribs and breastbone, sacrum, pelvis, shoulders, skull, arms."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from engine.spine.phantoms.canvas import Canvas, Floats, Region
from engine.spine.phantoms.column import Column, Pose, Vector
from engine.spine.phantoms.shapes import capsule, ellipsoid, smooth_union
from engine.spine.phantoms.sizes import SACRUM_CODE, STRUCTURES
from engine.spine.phantoms.traits import Tissues, Traits
from engine.spine.phantoms.trunk import Trunk, oval_distance
from engine.spine.phantoms.vertebra import local_frame

__all__ = [
    "paint_arms",
    "paint_pelvis",
    "paint_ribs",
    "paint_sacrum",
    "paint_shoulders",
    "paint_skull",
]

# Per rib: how far its front end lies below its head (mm) and how far around it goes (0 = spine,
# 1 = breastbone), without the cartilage. Drawn after CTs.
_RIBS = {
    1: (28, 0.80), 2: (48, 0.83), 3: (62, 0.85), 4: (76, 0.86), 5: (88, 0.86), 6: (98, 0.85),
    7: (104, 0.83), 8: (104, 0.77), 9: (100, 0.71), 10: (92, 0.64), 11: (100, 0.46),
    12: (100, 0.32), 13: (95, 0.22),
}  # fmt: skip
_DEPTH = 4.5  # of the middle of a rib below the outer side of the cage, mm


def _box(points: Sequence[Sequence[float]], margin: float) -> tuple[list[float], list[float]]:
    array = np.asarray(points, float)
    return (array.min(0) - margin).tolist(), (array.max(0) + margin).tolist()


def _bone(
    canvas: Canvas,
    region: Region,
    distance: Floats,
    tissues: Tissues,
    *,
    code: int,
    shell_mm: float = 1.5,
    inner: float | None = None,
) -> None:
    soft = 0.7 * tissues.trabecular + 10 if inner is None else inner
    canvas.paint_bone(
        region,
        distance,
        shell_mm=shell_mm * (0.5 + 0.5 * tissues.shell_mm),
        shell=0.9 * tissues.cortical,
        inner=soft,
    )
    canvas.mark(region, distance, code, where="structures")


def _rod(
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
    region = canvas.region(*_box(points, thickest * max(flat)))
    if region is None:
        return
    rods = [
        capsule(region.x, region.y, region.z, a, b, radius=radius, flat=flat)
        for a, b in pairwise(points)
    ]
    joined = rods[0]
    for rod in rods[1:]:
        joined = np.minimum(joined, rod)
    _bone(canvas, region, joined, tissues, code=code, shell_mm=shell_mm, inner=inner)


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
    region = canvas.region(*_box([head.tolist(), start], radius * 1.4))
    if region is None:
        return
    rod = capsule(
        region.x, region.y, region.z, head.tolist(), start, radius=radius, flat=(1, 1, 1.3)
    )
    _bone(canvas, region, rod, tissues, code=STRUCTURES["ribs"], shell_mm=1.2)
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
    _rod(
        canvas,
        traits.tissues,
        *ends,
        radius=(6.5 * s, 5 * s),
        flat=(3.0, 1, 1),
        code=STRUCTURES["shoulders"],
        shell_mm=1.0,
    )


def paint_sacrum(canvas: Canvas, column: Column, traits: Traits) -> None:
    """Lay the sacrum: five shrinking bodies in a bow, the wings, the canal's roof; and the tail."""
    s, tissues, top = traits.scale, traits.tissues, column.sacrum
    low = top.at(0, -60 * s, -110 * s)
    region = canvas.region(
        (float(top.centre[0]) - 62 * s, float(low[1]) - 45 * s, float(top.centre[2]) - 150 * s),
        (
            float(top.centre[0]) + 62 * s,
            float(top.centre[1]) + 45 * s,
            float(top.centre[2]) + 40 * s,
        ),
    )
    if region is None:
        return
    x, y, z = local_frame(region, top)
    ax = np.abs(x)
    path = [
        (0, 0, -1), (0, -5, -30), (0, -11, -55), (0, -11, -78), (0, -4, -97), (0, 8, -113),
        (0, 24, -124),
    ]  # fmt: skip
    half = [(26, 17, 15), (20, 13, 14), (16, 10, 12), (13, 8, 10), (10, 6.5, 8.5), (5, 4, 7)]
    joined: Floats | None = None
    for n, (a, b, c) in enumerate(half):
        start, end = np.array(path[n]) * s, np.array(path[n + 1]) * s
        middle, along = (start + end) / 2, (end - start) / np.linalg.norm(end - start)
        if n == 0:
            middle = np.array([0.0, 0.0, -15 * s])
            along = np.array([0.0, -0.05, -0.998])
        dy, dz = y - np.float32(middle[1]), z - np.float32(middle[2])
        up = dy * np.float32(along[1]) + dz * np.float32(along[2])
        out = dy * np.float32(-along[2]) + dz * np.float32(along[1])
        oval = np.sqrt((x / (a * s)) ** 2 + (out / (b * s)) ** 2) - 1.0
        body = np.maximum(oval * (0.5 * (a + b) * s), np.abs(up) - np.float32(c * s))
        joined = body if joined is None else smooth_union(joined, body, blend_mm=3.0)
    assert joined is not None
    wings = smooth_union(
        ellipsoid(
            ax - np.float32(33 * s),
            y + np.float32(9 * s),
            z + np.float32(17 * s),
            (22 * s, 17 * s, 19 * s),
        ),
        capsule(
            ax,
            y,
            z,
            (30 * s, -14 * s, -28 * s),
            (13 * s, -12 * s, -84 * s),
            radius=(15 * s, 6 * s),
            flat=(1, 0.7, 1),
        ),
        blend_mm=6.0,
    )
    roof = np.minimum(
        capsule(
            ax,
            y,
            z,
            (16 * s, -32 * s, -12 * s),
            (0, -42 * s, -22 * s),
            radius=3.5 * s,
            flat=(1, 1, 2),
        ),
        capsule(
            ax, y, z, (0, -41 * s, -18 * s), (0, -29 * s, -78 * s), radius=4.5 * s, flat=(1.2, 1, 1)
        ),
    )
    canal = capsule(
        x, y, z, (0, -25 * s, 20), (0, -23 * s, -74 * s), radius=(8.5 * s, 4 * s), flat=(1.5, 1, 1)
    )
    holes = ellipsoid(
        ax - np.float32(20 * s), y + np.float32(19 * s), z + np.float32(33 * s), (5, 12, 5)
    )
    whole = smooth_union(np.minimum(joined, roof), wings, blend_mm=4.0)
    whole = np.maximum(np.maximum(whole, -canal), -holes)
    # the wing ends at the joint with the pelvis
    whole = np.maximum(whole, ax - np.float32(52 * s))
    _bone(
        canvas,
        region,
        whole,
        tissues,
        code=STRUCTURES["sacrum"],
        shell_mm=1.1,
        inner=0.8 * tissues.trabecular,
    )
    canvas.mark(region, whole, SACRUM_CODE, where="labels")


def paint_pelvis(canvas: Canvas, column: Column, traits: Traits) -> None:
    """Lay both hip bones as parts of a bowl, with sockets, sitting bones, and the femurs."""
    s, tissues, top = traits.scale, traits.tissues, column.sacrum.centre
    x0, y0, z0 = (float(v) for v in top)
    code = STRUCTURES["pelvis"]
    region = canvas.region(
        (x0 - 150 * s, y0 - 75 * s, z0 - 105 * s), (x0 + 150 * s, y0 + 85 * s, z0 + 55 * s)
    )
    if region is not None:
        x, y, z = region.x - np.float32(x0), region.y - np.float32(y0), region.z - np.float32(z0)
        part = np.clip(
            (z + np.float32(95 * s)) / np.float32(140 * s), 0.0, 1.1
        )  # 0 socket, 1 crest
        wide = np.float32(98 * s) + np.float32(36 * s) * part
        deep = np.float32(56 * s) + np.float32(16 * s) * part
        v = (y - np.float32(2 * s)) / deep
        value = np.sqrt((x / wide) ** 2 + v * v)
        bowl = (value - 1.0) * (0.5 * (wide + deep))
        thick = (
            np.float32(4.2 * s)
            + np.float32(5 * s) * np.clip(1 - 2.2 * part, 0, 1)
            + np.float32(3 * s) * (part > 0.93)
        )
        plate = np.abs(bowl) - thick
        ends = np.maximum(v - 0.62 + 0.3 * (1 - part), -v - 1.2) * np.float32(50 * s)
        crest = z - np.float32(42 * s) + np.float32(30 * s) * v * v
        joint = np.float32(46 * s) - np.abs(x)
        wing = np.maximum(
            np.maximum(plate, np.maximum(ends, crest)), np.maximum(joint, np.float32(-95 * s) - z)
        )
        _bone(canvas, region, wing.astype(np.float32), tissues, code=code, shell_mm=1.6)
    hip = z0 - 92 * s
    for sign in (-1, 1):
        socket = (x0 + sign * 88 * s, y0 + 22 * s, hip)
        if sign in traits.implants.hips:
            _hip_metal(canvas, socket, (x0 + sign * 128 * s, y0 + 8 * s, hip - 90 * s))
            continue
        _socket(canvas, tissues, socket, sign, s)
        _ball(
            canvas,
            tissues,
            socket,
            (23 * s, 23 * s, 23 * s),
            code,
            inner=1.4 * tissues.trabecular + 30,
        )
        _rod(
            canvas,
            tissues,
            socket,
            (x0 + sign * 135 * s, y0 + 6 * s, hip - 38 * s),
            (x0 + sign * 132 * s, y0 + 10 * s, hip - 150 * s),
            radius=14 * s,
            code=code,
            shell_mm=3.5,
            inner=20.0,
        )
        _rod(
            canvas,
            tissues,
            socket,
            (x0 + sign * 52 * s, y0 + 62 * s, hip - 2),
            (x0 + sign * 9 * s, y0 + 68 * s, hip - 22 * s),
            radius=7.5 * s,
            flat=(1, 1, 1.4),
            code=code,
            shell_mm=1.4,
        )
        _rod(
            canvas,
            tissues,
            (x0 + sign * 84 * s, y0 - 2, hip - 20 * s),
            (x0 + sign * 62 * s, y0 - 18 * s, hip - 62 * s),
            (x0 + sign * 14 * s, y0 + 60 * s, hip - 42 * s),
            radius=10 * s,
            code=code,
            shell_mm=1.6,
        )


def _hip_metal(canvas: Canvas, socket: Sequence[float], shaft: Sequence[float]) -> None:
    """Lay an artificial hip: cup with head, and a stem towards the shaft of the femur."""
    region = canvas.region(*_box([socket, shaft], 30.0))
    if region is None:
        return
    x, y, z = region.x, region.y, region.z
    centre = [np.float32(c) for c in socket]
    head = ellipsoid(x - centre[0], y - centre[1], z - centre[2], (25.0, 25.0, 25.0))
    metal = np.minimum(head, capsule(x, y, z, socket, shaft, radius=(7.0, 6.0)))
    canvas.paint(region, metal, 3800.0)
    canvas.mark(region, metal, STRUCTURES["metal"], where="structures")


def _socket(
    canvas: Canvas, tissues: Tissues, centre: Sequence[float], sign: int, scale: float
) -> None:
    """Lay the cup of the hip joint: a shell open to the side and down."""
    region = canvas.region(*_box([centre], 35 * scale))
    if region is None:
        return
    x, y, z = (
        c - np.float32(o) for c, o in zip((region.x, region.y, region.z), centre, strict=True)
    )
    radius = 29 * scale
    shell = np.abs(ellipsoid(x, y, z, (radius, radius, radius))) - np.float32(3.5 * scale)
    opening = np.float32(0.75 * sign) * x - np.float32(0.66) * z - np.float32(4 * scale)
    _bone(canvas, region, np.maximum(shell, opening), tissues, code=STRUCTURES["pelvis"])


def _ball(
    canvas: Canvas,
    tissues: Tissues,
    centre: Sequence[float],
    radii: Sequence[float],
    code: int,
    *,
    inner: float | None = None,
) -> None:
    low, high = _box([centre], max(radii))
    region = canvas.region(low, high)
    if region is None:
        return
    at = [np.float32(c) for c in centre]
    distance = ellipsoid(region.x - at[0], region.y - at[1], region.z - at[2], radii)
    _bone(canvas, region, distance, tissues, code=code, inner=inner, shell_mm=1.6)


def paint_shoulders(canvas: Canvas, trunk: Trunk, column: Column, traits: Traits) -> None:
    """Lay collar bones, shoulder blades and the heads of the arms."""
    s, tissues, code = traits.scale, traits.tissues, STRUCTURES["shoulders"]
    t1, t2, t3, t7 = (column.height_of(f"T{n}") for n in (1, 2, 3, 7))
    y2 = float(trunk.at(trunk.skin.y, t2))
    front = float(trunk.at(trunk.cage.y, t3) + trunk.at(trunk.cage.deep, t3))
    lift = 26 * s if traits.arms == "up" else 0.0
    for sign in (-1, 1):
        shoulder = _shoulder(trunk, column, traits, sign)
        _rod(
            canvas,
            tissues,
            (sign * 14 * s, front - 4, t3 + 6),
            (sign * 70 * s, front - 2, t2 + 10 + lift * 0.5),
            (sign * 135 * s, y2, t1 + lift),
            radius=5.5 * s,
            code=code,
            shell_mm=2.0,
        )
        _ball(canvas, tissues, shoulder, (23 * s, 23 * s, 23 * s), code)
        top = (sign * 118 * s, y2 - 38 * s, t2 + lift * 0.5)
        low = (
            sign * 88 * s,
            float(trunk.at(trunk.cage.y, t7) - trunk.at(trunk.cage.deep, t7)) + 12,
            t7,
        )
        _blade(canvas, tissues, trunk, top, low, code)
        _rod(
            canvas,
            tissues,
            top,
            (sign * 140 * s, y2 - 14, t1 + lift),
            radius=6 * s,
            code=code,
            shell_mm=1.6,
        )


def _blade(
    canvas: Canvas,
    tissues: Tissues,
    trunk: Trunk,
    top: tuple[float, float, float],
    low: tuple[float, float, float],
    code: int,
) -> None:
    """Lay a thin triangle that lies on the cage."""
    region = canvas.region(*_box([top, low], 45))
    if region is None:
        return
    outside = np.abs(oval_distance(trunk, trunk.cage, region) - np.float32(12)) - np.float32(2.6)
    part = np.clip((region.z - low[2]) / max(top[2] - low[2], 1.0), 0.0, 1.0)
    middle = low[0] + (top[0] - low[0]) * part * 0.7
    across = np.abs(region.x - middle) - (6 + 38 * part)
    ends = np.maximum(np.float32(low[2]) - region.z, region.z - np.float32(top[2]))
    behind = region.y - np.float32(top[1] + 20)
    blade = np.maximum(np.maximum(outside, across), np.maximum(ends, behind))
    _bone(canvas, region, blade.astype(np.float32), tissues, code=code, shell_mm=1.2)


def paint_arms(canvas: Canvas, trunk: Trunk, column: Column, traits: Traits) -> None:
    """Lay the muscles of the shoulders, and arms with their bones beside the trunk or overhead."""
    s, tissues = traits.scale, traits.tissues
    _shoulder_muscles(canvas, trunk, column, traits)
    if traits.arms != "down":
        return
    t2, l1, low = column.height_of("T2"), column.height_of("L1"), column.height_of("L5") - 60
    for sign in (-1, 1):
        points = [
            (sign * 165 * s, float(trunk.at(trunk.skin.y, t2)) - 8, t2),
            (
                sign * (float(trunk.at(trunk.skin.wide, l1)) + 58),
                float(trunk.at(trunk.skin.y, l1)) - 20,
                l1,
            ),
            (
                sign * (float(trunk.at(trunk.skin.wide, low)) + 46),
                float(trunk.at(trunk.skin.y, low)),
                low,
            ),
        ]
        for start, end, radius in ((points[0], points[1], 45 * s), (points[1], points[2], 38 * s)):
            region = canvas.region(*_box([start, end], radius))
            if region is None:
                continue
            arm = capsule(region.x, region.y, region.z, start, end, radius=radius)
            canvas.paint(region, arm, tissues.fat)
            canvas.paint(region, arm + np.float32(3 + 0.4 * traits.fat_mm), tissues.muscle)
        code = STRUCTURES["shoulders"]
        _rod(
            canvas,
            tissues,
            points[0],
            points[1],
            radius=11 * s,
            code=code,
            shell_mm=4.0,
            inner=10.0,
        )
        for side in (-10, 10):
            forearm = [(p[0] + side, p[1], p[2]) for p in points[1:]]
            _rod(canvas, tissues, *forearm, radius=7 * s, code=code, shell_mm=3.0, inner=20.0)


def _shoulder(
    trunk: Trunk, column: Column, traits: Traits, sign: int
) -> tuple[float, float, float]:
    """Return the middle of the head of the arm."""
    t2, lift = column.height_of("T2"), 26 * traits.scale if traits.arms == "up" else 0.0
    return (sign * 148 * traits.scale, float(trunk.at(trunk.skin.y, t2)) - 6, t2 + 4 + lift)


def _shoulder_muscles(canvas: Canvas, trunk: Trunk, column: Column, traits: Traits) -> None:
    s, tissues = traits.scale, traits.tissues
    for sign in (-1, 1):
        start = _shoulder(trunk, column, traits, sign)
        up = (sign * 150 * s, start[1] + 20, start[2] + 190 * s)
        end = up if traits.arms == "up" else (start[0] - sign * 25, start[1], start[2] + 8)
        region = canvas.region(*_box([start, end], 52 * s))
        if region is None:
            continue
        muscle = capsule(region.x, region.y, region.z, start, end, radius=(50 * s, 44 * s))
        canvas.paint(region, muscle, tissues.fat)
        canvas.paint(region, muscle + np.float32(3 + 0.3 * traits.fat_mm), tissues.muscle)
        if traits.arms == "up":
            _rod(
                canvas,
                tissues,
                start,
                end,
                radius=11 * s,
                code=STRUCTURES["shoulders"],
                shell_mm=4.0,
                inner=10.0,
            )


def paint_skull(canvas: Canvas, column: Column, traits: Traits, rng: np.random.Generator) -> None:
    """Lay skull with brain, its base around the great hole, face with sinuses, jaw and teeth."""
    atlas, s, tissues = column.pose("C1"), traits.scale, traits.tissues
    x0, y0, z0 = (float(v) for v in atlas.centre)
    code = STRUCTURES["skull"]
    low, high = (x0 - 85 * s, y0 - 80 * s, z0 - 75 * s), (x0 + 85 * s, y0 + 130 * s, z0 + 150 * s)
    region = canvas.region(low, high)
    if region is None:
        return
    x, y, z = (
        (c - np.float32(o)) / np.float32(s)
        for c, o in zip((region.x, region.y, region.z), (x0, y0, z0), strict=True)
    )
    ax = np.abs(x)
    vault = ellipsoid(x, y - 22, z - 72, (71, 89, 68))
    inside = vault + np.float32(6.5)
    floor = (
        np.float32(17) + np.float32(0.12) * np.clip(y, -60, 90) - z
    )  # skull base, rising forwards
    bone = np.maximum(vault, -inside)
    base = np.maximum(np.abs(floor) - 4.0, vault)
    petrous = capsule(ax, y, z, (14, 16, 24), (52, 2, 24), radius=(7, 12))
    condyle = ellipsoid(ax - 17, y - 2, z - 12, (7, 11, 7))
    hole = np.sqrt((x / 16) ** 2 + ((y + 16) / 18) ** 2) - 1.0
    face = ellipsoid(x, y - 84, z - 12, (46, 24, 38))
    bone = np.minimum(np.minimum(bone, base), np.minimum(petrous, condyle))
    bone = np.minimum(np.maximum(bone, -hole * 16), np.maximum(np.abs(face + 5) - 3, y - 106))
    bone = np.maximum(bone, np.float32(8) - z - np.float32(60) * (y > 55)) * np.float32(s)
    canvas.paint(region, np.maximum(inside, floor + 4) * np.float32(s), tissues.brain)
    _bone(
        canvas,
        region,
        bone.astype(np.float32),
        tissues,
        code=code,
        shell_mm=2.2,
        inner=1.2 * tissues.trabecular + 120,
    )
    for hollow, radii in (
        ((24, 78, 22), (13, 15, 16)),
        ((0, 84, 20), (9, 22, 20)),
        ((0, 50, 4), (13, 12, 26)),
    ):
        air = ellipsoid(ax - hollow[0], y - hollow[1], z - hollow[2], radii) * np.float32(s)
        canvas.paint(region, air, -960.0)
        canvas.mark(region, air, 0, where="structures")

    def at(right: float, before: float, up: float) -> tuple[float, float, float]:
        return (x0 + right * s, y0 + before * s, z0 + up * s)

    for sign in (-1, 1):
        _rod(
            canvas,
            tissues,
            at(sign * 48, 28, 18),
            at(sign * 45, 32, -28),
            at(sign * 26, 78, -42),
            at(0, 96, -44),
            radius=6 * s,
            flat=(0.8, 1, 1.6),
            code=code,
            shell_mm=3.0,
        )
        for up in (-26, -14):
            _rod(
                canvas,
                tissues,
                at(sign * 24, 72, up),
                at(0, 98, up),
                radius=3.6 * s,
                flat=(1, 1, 1.6),
                code=code,
                shell_mm=4.0,
            )
    if traits.implants.teeth:
        for _ in range(int(rng.integers(1, 5))):
            side = float(rng.uniform(-1, 1))
            centre = at(24 * side, 98 - 26 * abs(side), -20 + float(rng.uniform(-5, 5)))
            metal = canvas.region(*_box([centre], 4.0))
            if metal is not None:
                ball = ellipsoid(
                    metal.x - np.float32(centre[0]),
                    metal.y - np.float32(centre[1]),
                    metal.z - np.float32(centre[2]),
                    (3.5, 3.5, 3.5),
                )
                canvas.paint(metal, ball, 4000.0)
                canvas.mark(metal, ball, STRUCTURES["metal"], where="structures")
