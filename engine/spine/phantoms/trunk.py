"""The outline of the patient and the cage of ribs and wall inside of it, as ovals height by height.

Also lays the large tissues: skin, fat, muscle, the belly's fat, and the muscles along the spine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from engine.spine.phantoms.canvas import Canvas, Floats, Region
from engine.spine.phantoms.column import Column
from engine.spine.phantoms.traits import Traits

__all__ = ["Oval", "Trunk", "build_trunk", "oval_distance", "paint_muscles", "paint_trunk"]

Line = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Oval:
    """Half axes and centre of an oval for each height of a trunk."""

    wide: Line
    deep: Line
    x: Line
    y: Line


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """Outline (``skin``), outer side of ribs and belly wall (``cage``), muscle outside of it.

    All lines share the heights ``z`` (rising, mm). ``spine_x`` and ``spine_y`` follow the bodies.
    """

    z: Line
    skin: Oval
    cage: Oval
    muscle: Line
    wall: Line
    spine_x: Line
    spine_y: Line

    def at(self, line: Line, z: Floats | float) -> Floats:
        """Read a line at any heights."""
        return np.asarray(np.interp(z, self.z, line), np.float32)


# level and mm above it: half width of the outline above the cage (or alone: neck, head), half
# width of the cage, front of the outline before the spine (None: the trunk's), muscle outside of
# the cage. For scale 1.
_PROFILE: tuple[tuple[str, float, float, float, float | None, float], ...] = (
    ("C1", 150, 8, 4, 30, 4),
    ("C1", 135, 45, 8, 75, 4),
    ("C1", 100, 72, 10, 105, 4),
    ("C1", 40, 76, 10, 118, 10),
    ("C1", 0, 73, 10, 116, 90),
    ("C3", 0, 64, 12, 95, 150),
    ("C5", 0, 60, 16, 62, 150),
    ("C7", 0, 78, 28, 62, 120),
    ("T1", 0, 125, 52, 72, 70),
    ("T2", 0, 168, 74, 90, 75),
    ("T3", 0, 182, 92, 112, 65),
    ("T5", 0, 180, 117, None, 40),
    ("T7", 0, 162, 132, None, 18),
    ("T9", 0, 152, 139, None, 9),
    ("T12", 0, 146, 136, None, 5),
    ("L3", 0, 142, 134, None, 1),
    ("L5", 0, 160, 138, None, 10),
    ("L5", -50, 172, 128, None, 45),
    ("L5", -90, 176, 108, None, 65),
    ("L5", -140, 178, 84, None, 90),
    ("L5", -200, 172, 60, None, 100),
)


def build_trunk(traits: Traits, column: Column) -> Trunk:
    """Lay outline and cage around the spine of one patient."""
    rows = sorted(
        ((column.height_of(row[0]) + row[1] * traits.scale, row) for row in _PROFILE),
        key=lambda pair: pair[0],
    )
    heights = np.array([height for height, _ in rows])
    z = np.arange(heights[0] - 60.0, heights[-1] + 20.0, 2.0)

    def line(values: list[float], smooth_mm: float = 14.0) -> Line:
        drawn = np.interp(z, heights, values)
        return np.asarray(gaussian_filter1d(drawn, smooth_mm / 2.0, mode="nearest"))

    spine_z, spine_x, spine_y = column.line()
    x = gaussian_filter1d(np.interp(z, spine_z, spine_x), 10.0, mode="nearest")
    y = gaussian_filter1d(np.interp(z, spine_z, spine_y), 10.0, mode="nearest")
    size, girth = traits.scale, traits.girth
    is_trunk = np.interp(z, heights, [float(row[4] is None) for _, row in rows])
    cage_wide = line([row[3] for _, row in rows]) * size * (1 + (np.sqrt(girth) - 1) * is_trunk)
    alone = line([row[2] for _, row in rows]) * size
    fat = traits.fat_mm * (0.35 + 0.65 * is_trunk)
    wide = np.maximum(alone * (1 + 0.5 * (girth - 1) * is_trunk), cage_wide + fat + 8 * size)
    # behind the bodies: arch and muscles; behind the sacrum less
    behind = np.interp(z, [column.height_of("L5") - 110, column.height_of("L5")], [0.55, 1.0])
    close = y - 64 * size * behind - fat - 6
    # muscles and fat fill the hollow of the back partly
    back = np.minimum(close, 0.5 * (close + gaussian_filter1d(close, 40.0, mode="nearest")))
    depth = 2 * traits.depth_ratio * 158 * size * girth
    trunk_front = float(np.mean(back[is_trunk > 0.5])) + depth
    near = line([float(row[4] or 0) for _, row in rows]) * size + y
    front = gaussian_filter1d(
        np.where(is_trunk > 0.5, trunk_front, np.minimum(near, trunk_front)), 8.0, mode="nearest"
    )
    front = np.maximum(front, y + 45 * size + (fat + 40 * size) * is_trunk)
    muscle = line([row[5] for _, row in rows]) * size
    cage_back = y - 44 * size * (2 * behind - 1)
    cage_front = np.maximum(front - fat - 6, y + 22 * size)
    return Trunk(
        z=z,
        skin=Oval(wide=wide, deep=(front - back) / 2, x=0.6 * x, y=(front + back) / 2),
        cage=Oval(
            wide=cage_wide, deep=(cage_front - cage_back) / 2, x=0.8 * x,
            y=(cage_front + cage_back) / 2,
        ),
        muscle=muscle,
        wall=np.full_like(z, 11.0 * size),
        spine_x=x,
        spine_y=y,
    )  # fmt: skip


def oval_distance(trunk: Trunk, oval: Oval, region: Region) -> Floats:
    """Return the distance (mm, first order) to an oval that changes with height."""
    z = region.z
    wide, deep = trunk.at(oval.wide, z), trunk.at(oval.deep, z)
    x, y, mean = trunk.at(oval.x, z), trunk.at(oval.y, z), 0.5 * (wide + deep)
    distance = np.empty(region.shape, np.float32)
    step = max(1, 200_000 // max(1, region.shape[1] * region.shape[2]))
    for first in range(0, region.shape[0], step):  # slabs stay in the processor's cache
        rows = slice(first, first + step)
        across = (region.x[rows] - x) * (1.0 / wide)
        along = (region.y[rows] if region.y.shape[0] > 1 else region.y) - y
        along = along * (1.0 / deep)
        across *= across
        along *= along
        # squarer than an ellipse; bounded, because far outside the product would turn the sign
        value = np.minimum(across, 1.3) * np.minimum(along, 1.3)
        value *= np.float32(-0.3)
        value += across
        value += along
        np.sqrt(value, out=value)
        value -= 1.0
        value *= mean
        distance[rows] = value
    return distance


def paint_trunk(
    canvas: Canvas, trunk: Trunk, traits: Traits, *, skin: Floats, cage: Floats
) -> None:
    """Lay skin, fat, muscle and the fat of the belly (``skin``, ``cage``: distances everywhere)."""
    everything, tissues = canvas.everything(), traits.tissues
    fat_mm = np.float32(traits.fat_mm)
    canvas.paint(everything, skin, tissues.skin)
    canvas.paint(everything, skin + np.float32(2.2), tissues.fat)
    is_trunk = np.clip((trunk.at(trunk.cage.wide, everything.z) - 30) / 60, 0.3, 1.0)
    outer = np.maximum(skin + fat_mm * is_trunk, cage - trunk.at(trunk.muscle, everything.z))
    canvas.paint(everything, outer, tissues.muscle)
    canvas.paint(everything, cage + trunk.at(trunk.wall, everything.z), tissues.fat - 4.0)


def paint_muscles(canvas: Canvas, trunk: Trunk, column: Column, traits: Traits) -> None:
    """Lay the muscles along the spine: erectors, psoas, quadratus, and those of the neck."""
    size, muscle = traits.scale, traits.tissues.muscle
    l1, l5 = column.height_of("L1"), column.height_of("L5")
    t1, c2 = column.height_of("T1"), column.height_of("C2")
    # name: side, behind the spine, half axes at the lower and upper end, heights
    bands = (
        (26, -50, (24, 20), (16, 12), l5 - 45, t1),
        (30, -22, (22, 12), (15, 9), l5 - 25, t1),
        (22, -34, (17, 16), (17, 15), t1 - 30, c2),
        (20, -2, (12, 10), (10, 9), t1, c2),
        (52, 4, (26, 24), (8, 8), l5 - 30, l1 + 18),
        (64, -24, (19, 12), (16, 9), l5 - 5, l1 + 10),
    )
    for side, behind, lower, upper, low, high in bands:
        for sign in (-1, 1):
            _paint_band(
                canvas, trunk, side=sign * side * size, behind=behind * size,
                lower=(lower[0] * size, lower[1] * size), upper=(upper[0] * size, upper[1] * size),
                low=low, high=high, narrow=side == 52, hu=muscle,
            )  # fmt: skip


def _paint_band(
    canvas: Canvas,
    trunk: Trunk,
    *,
    side: float,
    behind: float,
    lower: tuple[float, float],
    upper: tuple[float, float],
    low: float,
    high: float,
    narrow: bool,
    hu: float,
) -> None:
    """Lay one muscle that follows the spine; ``narrow`` lets it come closer to it at the top."""
    heights = np.linspace(low, high, 12)
    x, y = trunk.at(trunk.spine_x, heights), trunk.at(trunk.spine_y, heights)
    reach = abs(side) + lower[0]
    region = canvas.region(
        (float(x.min()) - reach, float(y.min()) + behind - 30, low - 10),
        (float(x.max()) + reach, float(y.max()) + behind + 30, high + 10),
    )
    if region is None:
        return
    z = region.z
    part = np.clip((z - low) / (high - low), 0.0, 1.0).astype(np.float32)
    out = side * (1.0 - 0.4 * part) if narrow else np.float32(side)
    wide, deep = (a + (b - a) * part for a, b in zip(lower, upper, strict=True))
    across = (region.x - trunk.at(trunk.spine_x, z) - out) / wide
    along = (region.y - trunk.at(trunk.spine_y, z) - behind) / deep
    distance = (np.sqrt(across * across + along * along) - 1.0) * (0.5 * (wide + deep))
    ends = np.maximum(low - z, z - high) * np.float32(0.6)
    canvas.paint(region, np.maximum(distance, ends).astype(np.float32), hu)
