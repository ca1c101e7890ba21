"""The sacrum, the hip bones as parts of a bowl, the hip joints and the upper ends of the femurs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.spine.phantoms.bones import box_around, lay_ball, lay_bone, lay_rod
from engine.spine.phantoms.canvas import Canvas, Floats
from engine.spine.phantoms.column import Column
from engine.spine.phantoms.shapes import capsule, ellipsoid, smooth_union
from engine.spine.phantoms.sizes import SACRUM_CODE, STRUCTURES
from engine.spine.phantoms.traits import Tissues, Traits
from engine.spine.phantoms.vertebra import local_frame

__all__ = ["paint_pelvis", "paint_sacrum"]


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
    lay_bone(
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
        lay_bone(canvas, region, wing.astype(np.float32), tissues, code=code, shell_mm=1.6)
    hip = z0 - 92 * s
    for sign in (-1, 1):
        socket = (x0 + sign * 88 * s, y0 + 22 * s, hip)
        if sign in traits.implants.hips:
            _hip_metal(canvas, socket, (x0 + sign * 128 * s, y0 + 8 * s, hip - 90 * s))
            continue
        _socket(canvas, tissues, socket, sign, s)
        lay_ball(
            canvas,
            tissues,
            socket,
            (23 * s, 23 * s, 23 * s),
            code,
            inner=1.4 * tissues.trabecular + 30,
        )
        lay_rod(
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
        lay_rod(
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
        lay_rod(
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
    region = canvas.region(*box_around([socket, shaft], 30.0))
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
    region = canvas.region(*box_around([centre], 35 * scale))
    if region is None:
        return
    x, y, z = (
        c - np.float32(o) for c, o in zip((region.x, region.y, region.z), centre, strict=True)
    )
    radius = 29 * scale
    shell = np.abs(ellipsoid(x, y, z, (radius, radius, radius))) - np.float32(3.5 * scale)
    opening = np.float32(0.75 * sign) * x - np.float32(0.66) * z - np.float32(4 * scale)
    lay_bone(canvas, region, np.maximum(shell, opening), tissues, code=STRUCTURES["pelvis"])
