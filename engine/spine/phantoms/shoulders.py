"""Collar bones, shoulder blades, and arms with their muscles."""

from __future__ import annotations

import numpy as np

from engine.spine.phantoms.bones import box_around, lay_ball, lay_bone, lay_rod
from engine.spine.phantoms.canvas import Canvas
from engine.spine.phantoms.column import Column
from engine.spine.phantoms.shapes import capsule
from engine.spine.phantoms.sizes import STRUCTURES
from engine.spine.phantoms.traits import Tissues, Traits
from engine.spine.phantoms.trunk import Trunk, oval_distance

__all__ = ["paint_arms", "paint_shoulders"]


def paint_shoulders(canvas: Canvas, trunk: Trunk, column: Column, traits: Traits) -> None:
    """Lay collar bones, shoulder blades and the heads of the arms."""
    s, tissues, code = traits.scale, traits.tissues, STRUCTURES["shoulders"]
    t1, t2, t3, t7 = (column.height_of(f"T{n}") for n in (1, 2, 3, 7))
    y2 = float(trunk.at(trunk.skin.y, t2))
    front = float(trunk.at(trunk.cage.y, t3) + trunk.at(trunk.cage.deep, t3))
    lift = 26 * s if traits.arms == "up" else 0.0
    for sign in (-1, 1):
        shoulder = _shoulder(trunk, column, traits, sign)
        lay_rod(
            canvas,
            tissues,
            (sign * 14 * s, front - 4, t3 + 6),
            (sign * 70 * s, front - 2, t2 + 10 + lift * 0.5),
            (sign * 135 * s, y2, t1 + lift),
            radius=5.5 * s,
            code=code,
            shell_mm=2.0,
        )
        lay_ball(canvas, tissues, shoulder, (23 * s, 23 * s, 23 * s), code)
        top = (sign * 118 * s, y2 - 38 * s, t2 + lift * 0.5)
        low = (
            sign * 88 * s,
            float(trunk.at(trunk.cage.y, t7) - trunk.at(trunk.cage.deep, t7)) + 12,
            t7,
        )
        _blade(canvas, tissues, trunk, top, low, code)
        lay_rod(
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
    region = canvas.region(*box_around([top, low], 45))
    if region is None:
        return
    outside = np.abs(oval_distance(trunk, trunk.cage, region) - np.float32(12)) - np.float32(2.6)
    part = np.clip((region.z - low[2]) / max(top[2] - low[2], 1.0), 0.0, 1.0)
    middle = low[0] + (top[0] - low[0]) * part * 0.7
    across = np.abs(region.x - middle) - (6 + 38 * part)
    ends = np.maximum(np.float32(low[2]) - region.z, region.z - np.float32(top[2]))
    behind = region.y - np.float32(top[1] + 20)
    blade = np.maximum(np.maximum(outside, across), np.maximum(ends, behind))
    lay_bone(canvas, region, blade.astype(np.float32), tissues, code=code, shell_mm=1.2)


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
            region = canvas.region(*box_around([start, end], radius))
            if region is None:
                continue
            arm = capsule(region.x, region.y, region.z, start, end, radius=radius)
            canvas.paint(region, arm, tissues.fat)
            canvas.paint(region, arm + np.float32(3 + 0.4 * traits.fat_mm), tissues.muscle)
        code = STRUCTURES["shoulders"]
        lay_rod(
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
            lay_rod(canvas, tissues, *forearm, radius=7 * s, code=code, shell_mm=3.0, inner=20.0)


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
        region = canvas.region(*box_around([start, end], 52 * s))
        if region is None:
            continue
        muscle = capsule(region.x, region.y, region.z, start, end, radius=(50 * s, 44 * s))
        canvas.paint(region, muscle, tissues.fat)
        canvas.paint(region, muscle + np.float32(3 + 0.3 * traits.fat_mm), tissues.muscle)
        if traits.arms == "up":
            lay_rod(
                canvas,
                tissues,
                start,
                end,
                radius=11 * s,
                code=STRUCTURES["shoulders"],
                shell_mm=4.0,
                inner=10.0,
            )
