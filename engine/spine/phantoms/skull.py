"""Skull with brain, its base around the great hole, face with sinuses, jaw and teeth."""

from __future__ import annotations

import numpy as np

from engine.spine.phantoms.bones import box_around, lay_bone, lay_rod
from engine.spine.phantoms.canvas import Canvas
from engine.spine.phantoms.column import Column
from engine.spine.phantoms.shapes import capsule, ellipsoid
from engine.spine.phantoms.sizes import STRUCTURES
from engine.spine.phantoms.traits import Traits

__all__ = ["paint_skull"]


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
    lay_bone(
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
        lay_rod(
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
            lay_rod(
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
            metal = canvas.region(*box_around([centre], 4.0))
            if metal is not None:
                ball = ellipsoid(
                    metal.x - np.float32(centre[0]),
                    metal.y - np.float32(centre[1]),
                    metal.z - np.float32(centre[2]),
                    (3.5, 3.5, 3.5),
                )
                canvas.paint(metal, ball, 4000.0)
                canvas.mark(metal, ball, STRUCTURES["metal"], where="structures")
