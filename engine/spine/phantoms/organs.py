"""What lies in chest and belly: lungs, heart, vessels, liver, spleen, kidneys, bowel, bladder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from engine.spine.phantoms.canvas import Canvas, Floats, Region
from engine.spine.phantoms.column import Column
from engine.spine.phantoms.shapes import capsule, ellipsoid
from engine.spine.phantoms.traits import Traits
from engine.spine.phantoms.trunk import Trunk

__all__ = ["Inside", "paint_organs", "paint_vessels"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """The patient from inside: what the organs are placed by."""

    canvas: Canvas
    trunk: Trunk
    column: Column
    traits: Traits
    cage: Floats
    """Distance to the cage on all voxels."""
    grain: Floats
    """A random field with standard deviation 1 on all voxels."""

    def part(self, region: Region, field: Floats) -> Floats:
        """Cut a field of all voxels to a region."""
        return field[region.inside]


def paint_organs(rng: np.random.Generator, inside: Inside) -> None:
    """Lay everything between diaphragm and pelvis, then the chest."""
    dome = inside.column.height_of("T9") + float(rng.uniform(-18, 14))
    _belly(rng, inside, dome)
    _chest(rng, inside, dome)


def _diaphragm(region: Region, inside: Inside, dome: float) -> Floats:
    """Distance to what lies below the diaphragm (below 0 there)."""
    trunk, size = inside.trunk, inside.traits.scale
    wide = float(trunk.at(trunk.cage.wide, dome))
    deep = float(trunk.at(trunk.cage.deep, dome))
    y0 = float(trunk.at(trunk.cage.y, dome)) + 8
    x = (region.x - np.float32(trunk.at(trunk.cage.x, dome))) / wide
    y2 = ((region.y - np.float32(y0)) / deep) ** 2
    right = dome - 105 * size * ((x - 0.45) ** 2 + 0.55 * y2)
    left = dome - 14 * size - 105 * size * ((x + 0.45) ** 2 + 0.55 * y2)
    return ((region.z - np.maximum(right, left)) * np.float32(0.75)).astype(np.float32)


def _solid(
    inside: Inside,
    centre: tuple[float, float, float],
    radii: tuple[float, float, float],
    hu: float | Floats,
    *,
    within: float | None = None,
    gas_above: float | None = None,
) -> None:
    """Lay an ellipsoid; ``within`` keeps it that deep inside of the cage.

    ``gas_above`` fills it with gas in front of (the patient lies on the back) that part of it.
    """
    region = inside.canvas.region(
        [c - r for c, r in zip(centre, radii, strict=True)],
        [c + r for c, r in zip(centre, radii, strict=True)],
    )
    if region is None:
        return
    at = [np.float32(c) for c in centre]
    # no organ is an ellipsoid: bend it by waves along the other axes
    wave = np.float32(0.14 * min(radii))
    x = region.x - at[0] + wave * np.sin((region.y - at[1]) / (0.6 * radii[1]) + at[2])
    y = region.y - at[1] + wave * np.sin((region.z - at[2]) / (0.6 * radii[2]) + at[0])
    z = region.z - at[2] + wave * np.sin((region.x - at[0]) / (0.7 * radii[0]) + at[1])
    distance = ellipsoid(x, y, z, radii)
    if within is not None:
        distance = np.maximum(distance, inside.part(region, inside.cage) + np.float32(within))
    inside.canvas.paint(region, distance, hu)
    if gas_above is not None:
        level = at[1] + np.float32(gas_above * radii[1]) - region.y
        inside.canvas.paint(region, np.maximum(distance + 2.5, level), -970.0)


def _belly(rng: np.random.Generator, inside: Inside, dome: float) -> None:
    column, trunk, tissues, size = (
        inside.column,
        inside.trunk,
        inside.traits.tissues,
        inside.traits.scale,
    )
    wall = 13.0 * size + 2
    l1, l3 = column.height_of("L1"), column.height_of("L3")
    back = float(trunk.at(trunk.spine_y, l1))
    front = float(trunk.at(trunk.cage.y, l1) + trunk.at(trunk.cage.deep, l1))
    x0 = float(trunk.at(trunk.cage.x, l1))
    s = size
    _bowel(rng, inside)
    for sign, drop in ((1, 22), (-1, 0)):
        centre = (x0 + sign * 62 * s, back - 6, l1 - drop * s + float(rng.normal(0, 10)))
        _solid(inside, centre, (29 * s, 27 * s, 54 * s), tissues.kidney, within=wall)
        _solid(inside, centre, (12 * s, 12 * s, 34 * s), tissues.fat * 0.3, within=wall)
    middle = (front + back) / 2
    _solid(inside, (x0 - 55 * s, middle + 14, dome - 75 * s), (44 * s, 44 * s, 58 * s), 35.0,
           within=wall, gas_above=float(rng.uniform(0.0, 0.9)))  # fmt: skip
    _solid(inside, (x0 - 92 * s, back + 12, dome - 78 * s), (30 * s, 46 * s, 50 * s),
           tissues.spleen, within=wall)  # fmt: skip
    _solid(inside, (x0, back + 48 * s, l1 + 5), (62 * s, 13 * s, 17 * s), 40.0, within=wall)
    big = float(rng.uniform(0.9, 1.15)) * s
    _liver(inside, (x0 + 62 * s, middle - 4, dome - 62 * s), (84 * big, 98 * big, 82 * big), dome)
    _liver(inside, (x0 - 8 * s, middle + 34, dome - 52 * s), (76 * big, 44 * big, 46 * big), dome)
    if rng.random() < 0.8:
        _solid(inside, (x0 + 48 * s, middle + 32, dome - 112 * s), (16, 24, 24), tissues.water)
    bladder = float(rng.uniform(22, 55)) * s
    _solid(inside, (x0, back + 72 * s, l3 - 172 * s), (bladder * 1.2, bladder, bladder),
           tissues.water, within=wall)  # fmt: skip
    _solid(inside, (x0, back + 2, l3 - 150 * s), (22 * s, 20 * s, 40 * s), 30.0,
           gas_above=0.2 if rng.random() < 0.6 else None)  # fmt: skip


def _liver(
    inside: Inside, centre: tuple[float, ...], radii: tuple[float, ...], dome: float
) -> None:
    region = inside.canvas.region(
        [c - r for c, r in zip(centre, radii, strict=True)],
        [c + r for c, r in zip(centre, radii, strict=True)],
    )
    if region is None:
        return
    at = [np.float32(c) for c in centre]
    distance = ellipsoid(region.x - at[0], region.y - at[1], region.z - at[2], radii)
    distance = np.maximum(distance, inside.part(region, inside.cage) + np.float32(16))
    distance = np.maximum(distance, _diaphragm(region, inside, dome) + 3)
    inside.canvas.paint(region, distance, inside.traits.tissues.liver)


def _bowel(rng: np.random.Generator, inside: Inside) -> None:
    column, trunk, traits, size = inside.column, inside.trunk, inside.traits, inside.traits.scale
    top, low = column.height_of("L1") + 15, column.height_of("L5") - 95 * size
    wall = 15.0 * size
    for _ in range(int(rng.integers(45, 85))):
        z = float(rng.uniform(low, top))
        wide, deep = float(trunk.at(trunk.cage.wide, z)), float(trunk.at(trunk.cage.deep, z))
        back = float(trunk.at(trunk.spine_y, z)) + 48 * size
        front = float(trunk.at(trunk.cage.y, z)) + deep - wall - 10
        x = float(trunk.at(trunk.cage.x, z)) + float(rng.uniform(-0.78, 0.78)) * wide
        y = float(rng.uniform(min(back, front), max(back, front)))
        radii = tuple(float(r) * size for r in rng.uniform((11, 10, 11), (32, 24, 30)))
        hu = traits.tissues.bowel + float(rng.normal(0, 9))
        gas = float(rng.uniform(-0.4, 0.7)) if rng.random() < 0.5 * traits.gas else None
        _solid(inside, (x, y, z), radii, hu, within=wall, gas_above=gas)  # type: ignore[arg-type]
    for sign in (-1, 1):
        _colon(rng, inside, sign)


def _colon(rng: np.random.Generator, inside: Inside, side: int) -> None:
    """Lay the colon at one side, with stool: gas in grains."""
    trunk, size = inside.trunk, inside.traits.scale
    top, low = inside.column.height_of("L1"), inside.column.height_of("L5") - 30 * size
    z = np.linspace(low, top, 6)
    x = trunk.at(trunk.cage.x, z) + side * (trunk.at(trunk.cage.wide, z) - 38 * size)
    y = trunk.at(trunk.spine_y, z) + rng.uniform(22, 48) * size
    full = bool(rng.random() < 0.5 + 0.5 * inside.traits.gas)
    for n in range(5):
        radius = float(rng.uniform(15, 27)) * size
        start, end = (x[n], y[n], z[n]), (x[n + 1], y[n + 1], z[n + 1])
        region = inside.canvas.region(
            [min(a, b) - radius for a, b in zip(start, end, strict=True)],
            [max(a, b) + radius for a, b in zip(start, end, strict=True)],
        )
        if region is None:
            continue
        tube = capsule(region.x, region.y, region.z, start, end, radius=radius)
        inside.canvas.paint(region, tube, 35.0)
        if full:
            stool = np.clip(-130 + 230 * inside.part(region, inside.grain), -980, 60)
            inside.canvas.paint(region, tube + 3, stool)


def _chest(rng: np.random.Generator, inside: Inside, dome: float) -> None:
    column, trunk, tissues, s = (
        inside.column,
        inside.trunk,
        inside.traits.tissues,
        inside.traits.scale,
    )
    top, t4 = column.height_of("T1") - 4, column.height_of("T4")
    wide = float(trunk.cage.wide.max())
    x0 = float(trunk.at(trunk.cage.x, t4))
    y = float(trunk.at(trunk.cage.y, t4))
    deep = float(trunk.cage.deep.max())
    region = inside.canvas.region(
        (x0 - wide - 30, y - deep - 50, dome - 115 * s), (x0 + wide + 30, y + deep + 50, top)
    )
    if region is None:
        return
    z = region.z
    middle_x = trunk.at(trunk.cage.x, z) - 6
    front = trunk.at(trunk.cage.y, z) + trunk.at(trunk.cage.deep, z)
    spine_y = trunk.at(trunk.spine_y, z)
    between = (
        np.sqrt(
            ((region.x - middle_x) / np.float32(34 * s)) ** 2
            + ((region.y - 0.5 * (front + spine_y)) / (0.5 * (front - spine_y) + 14)) ** 2
        )
        - 1.0
    ) * np.float32(34 * s)
    heart = ellipsoid(
        region.x - np.float32(x0 - 24 * s),
        region.y - np.float32(trunk.at(trunk.cage.y, dome) + 22 * s),
        z - np.float32(dome + 34 * s),
        (56 * s, 50 * s, 56 * s),
    )
    lungs = inside.part(region, inside.cage) + np.float32(15 * s)
    spine = np.sqrt((region.x - trunk.at(trunk.spine_x, z)) ** 2 + (region.y - spine_y) ** 2)
    lungs = np.maximum(lungs, np.float32(25 * s) - spine)  # the lungs leave room for the spine
    lungs = np.maximum(lungs, -_diaphragm(region, inside, dome))
    lungs = np.maximum(np.maximum(lungs, -between), -heart)
    lungs = np.maximum(lungs, z - np.float32(top))
    grain = inside.part(region, inside.grain)
    # vessels and bronchi: the high tail of a random field, denser near the diaphragm
    tissue = tissues.lung + 28 * grain + 560 * np.clip(grain - 1.3, 0.0, 1.2)
    tissue += 60 * np.clip(1.0 - (z - np.float32(dome - 40)) / 120, 0.0, 1.0)
    inside.canvas.paint(region, lungs.astype(np.float32), np.minimum(tissue, 60).astype(np.float32))
    blood = 0.75 * tissues.vessel + 12
    heart = np.maximum(heart, _diaphragm(region, inside, dome) * -1)
    inside.canvas.paint(region, heart + 6, blood if rng.random() < 0.8 else tissues.muscle)
    inside.canvas.paint(region, np.abs(heart + 3) - 3.5, tissues.muscle)


def paint_vessels(rng: np.random.Generator, inside: Inside) -> None:
    """Lay aorta, vena cava, windpipe and gullet, and chalk in the wall of the aorta."""
    column, trunk, traits = inside.column, inside.trunk, inside.traits
    s, tissues = traits.scale, traits.tissues
    t4, t12, l4 = (column.height_of(name) for name in ("T4", "T12", "L4"))
    c5, t1 = column.height_of("C5"), column.height_of("T1")
    width = float(rng.uniform(9.5, 14.5)) * s
    wander = float(rng.normal(0, 4))
    tubes = (
        # lower end, upper end, right of the spine at both, before the spine at both, radius, hu
        (l4 - 8, t12, -4 + wander, -10, 30 * s, 28 * s, width * 0.85, tissues.vessel),
        (t12, t4, -10, -22, 28 * s, 18 * s, width, tissues.vessel),
        (l4 - 12, t12 + 45, 17 * s, 22 * s, 29 * s, 38 * s, 11.5 * s, tissues.vein),
        (t4 - 8, c5, 1, 1, 34 * s, 26 * s, 8.5 * s, -985.0),
        (t12 + 20, c5, -6, -2, 22 * s, 16 * s, 6.5 * s, 38.0),
        (t1, column.height_of("C1") + 12, 0, 0, 18 * s, 22 * s, 9 * s, 45.0),
        (c5 + 5, column.height_of("C1") + 18, 0, 0, 19 * s, 24 * s, 6.5 * s, -980.0),
        (t1 - 10, column.height_of("C2"), 26 * s, 32 * s, 18 * s, 14 * s, 5.5 * s, tissues.vein),
        (
            t1 - 10,
            column.height_of("C2"),
            -26 * s,
            -32 * s,
            18 * s,
            14 * s,
            5.5 * s,
            tissues.vessel,
        ),
    )
    for low, high, x_low, x_high, y_low, y_high, radius, hu in tubes:
        _tube(inside, low, high, (x_low, x_high), (y_low, y_high), radius, hu)
    for sign in (-1, 1):  # iliac vessels
        start = _beside(trunk, l4 - 8, sign * 6, 30 * s)
        end = _beside(trunk, l4 - 130 * s, sign * 62 * s, 62 * s)
        _rod(inside, start, end, 7.5 * s, tissues.vessel if sign < 0 else tissues.vein)
    arch = _beside(trunk, t4, -20 * s, 18 * s), _beside(trunk, t4 + 4, 6 * s, 62 * s)
    _rod(inside, arch[0], arch[1], width, tissues.vessel)
    _rod(inside, arch[1], _beside(trunk, t4 - 62 * s, 8 * s, 70 * s), 1.2 * width, tissues.vessel)
    for _ in range(int(30 * traits.disease.calcified)):
        z = float(rng.uniform(l4, t4))
        part = float(np.clip((z - t12) / (t4 - t12), 0, 1))
        angle = float(rng.uniform(0, 2 * np.pi))
        at = _beside(
            trunk, z, -8 - 13 * part + width * np.cos(angle),
            (29 - 9 * part) * s + width * np.sin(angle),
        )  # fmt: skip
        radii = tuple(float(r) for r in rng.uniform(1.2, 4.0, 3))
        _solid(inside, at, radii, float(rng.uniform(350, 1000)))  # type: ignore[arg-type]


def _beside(trunk: Trunk, z: float, right: float, before: float) -> tuple[float, float, float]:
    return (
        float(trunk.at(trunk.spine_x, z)) + right,
        float(trunk.at(trunk.spine_y, z)) + before,
        z,
    )


def _rod(
    inside: Inside,
    start: tuple[float, float, float],
    end: tuple[float, float, float],
    radius: float,
    hu: float,
) -> None:
    region = inside.canvas.region(
        [min(a, b) - radius for a, b in zip(start, end, strict=True)],
        [max(a, b) + radius for a, b in zip(start, end, strict=True)],
    )
    if region is not None:
        rod = capsule(region.x, region.y, region.z, start, end, radius=radius)
        inside.canvas.paint(region, rod, hu)


def _tube(
    inside: Inside,
    low: float,
    high: float,
    right: tuple[float, float],
    before: tuple[float, float],
    radius: float,
    hu: float,
) -> None:
    """Lay a tube that follows the spine at some distance."""
    trunk = inside.trunk
    heights = np.linspace(low, high, 16)
    x, y = trunk.at(trunk.spine_x, heights), trunk.at(trunk.spine_y, heights)
    region = inside.canvas.region(
        (float(x.min()) + min(right) - radius, float(y.min()) + min(before) - radius, low),
        (float(x.max()) + max(right) + radius, float(y.max()) + max(before) + radius, high),
    )
    if region is None:
        return
    z = region.z
    part = np.clip((z - low) / (high - low), 0.0, 1.0).astype(np.float32)
    dx = region.x - trunk.at(trunk.spine_x, z) - (right[0] + (right[1] - right[0]) * part)
    dy = region.y - trunk.at(trunk.spine_y, z) - (before[0] + (before[1] - before[0]) * part)
    distance = np.sqrt(dx * dx + dy * dy) - np.float32(radius)
    distance = np.maximum(distance, np.maximum(low - z, z - high))
    inside.canvas.paint(region, distance.astype(np.float32), hu)
