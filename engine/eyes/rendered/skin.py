"""Everything around the opening: lids, folds, brow, lashes, make-up, swelling, crusts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.eyes.rendered.noise import Field, blend, cloud, fractal, gaussian, smoothstep, soften
from engine.eyes.rendered.stage import Stage, filled, strokes

__all__ = ["draw_skin", "put_hair"]


def draw_skin(stage: Stage) -> Field:
    """Draw skin over the whole picture; return planes (3, H, W)."""
    traits, rng = stage.traits, stage.rng
    skin = traits.skin
    planes = np.empty((3, *stage.shape), np.float32)
    planes[:] = np.array(skin.tone, np.float32)[:, None, None]
    mottled = fractal(rng, stage.shape, 0.3 * stage.scale)
    _put_colour(stage, planes, mottled)
    planes *= _relief(stage, mottled)
    _put_make_up(stage, planes)
    if traits.stye is not None:
        _put_stye(stage, planes)
    _put_margins(stage, planes)
    return planes


def _put_colour(stage: Stage, planes: Field, mottled: Field) -> None:
    traits, rng = stage.traits, stage.rng
    skin = traits.skin
    near = np.exp(-np.maximum(np.maximum(stage.above, stage.below), 0) * np.float32(1 / 0.16))
    red = skin.redness * 0.3 + 0.45 * traits.redness * rng.uniform(0.2, 1)
    if red > 0.02:
        tone = skin.tone
        blush = (min(1.0, tone[0] * 0.98), tone[1] * 0.62, tone[2] * 0.62)
        blend(planes, np.clip(near * red * (0.8 + 0.3 * mottled), 0, 0.8), blush)
    if skin.circles > 0.05:
        ring = gaussian(stage.below, rng.uniform(0.1, 0.2), 0.1) * _lower_half(stage)
        tint = (skin.tone[0] * 0.6, skin.tone[1] * 0.5, skin.tone[2] * 0.55)
        blend(planes, ring * np.float32(0.6 * skin.circles), tint)
    if skin.freckles > 0.05:
        spots = np.clip(cloud(rng, stage.shape, max(1.5, 0.03 * stage.scale)) - 1.3, 0, 1)
        brown = (skin.tone[0] * 0.62, skin.tone[1] * 0.5, skin.tone[2] * 0.42)
        blend(planes, spots * np.float32(0.7 * skin.freckles), brown)


def _relief(stage: Stage, mottled: Field) -> Field:
    """Return the brightness (H, W) of the skin's forms: socket, creases, wrinkles, pores."""
    traits, rng = stage.traits, stage.rng
    skin, lids, light = traits.skin, traits.lids, traits.light
    u, v = stage.u, stage.v
    shade = 1 + np.float32(light.strength) * (
        np.float32(light.x) * np.clip(u, -1.6, 1.6) + np.float32(light.y) * np.clip(v, -1.6, 1.6)
    )
    shade += np.float32(0.035) * mottled
    # The socket: dark beside the nose and under the brow, bright on brow bone and cheek.
    hollow = np.exp(-(((u + 0.62) / 0.22) ** 2) - ((v + 0.22) / 0.3) ** 2)
    shade -= np.float32(rng.uniform(0, 0.3)) * hollow
    bone = gaussian(v - 0.12 * u * u, rng.uniform(-0.55, -0.38), 0.13)
    shade += np.float32(rng.uniform(-0.05, 0.14)) * bone
    nose = smoothstep(u, -0.75, -1.15) * smoothstep(v, -0.45, 0.2)
    shade += np.float32(rng.uniform(-0.35, 0.2)) * nose
    shade += _creases(stage, lids.crease, lids.crease_strength, lids.hood)
    if skin.wrinkles > 0.05:
        shade += _wrinkles(stage)
    grain = cloud(rng, stage.shape, max(1.0, 0.012 * stage.scale))
    grain += cloud(rng, stage.shape, max(1.0, 0.03 * stage.scale))
    shade += np.float32(0.02 * skin.pores) * grain
    shade *= np.float32(light.ambient)
    return np.clip(shade, 0.06, 1.5)


def _creases(stage: Stage, height: float, strength: float, hood: float) -> Field:
    rng, u = stage.rng, stage.u
    peak = stage.traits.lids.upper
    bend = 1 - np.clip(np.abs(u - np.float32(0.03)) / np.float32(0.66), 0, 1.6) ** 2
    fold = -stage.v - (
        np.float32(0.92 * peak + 0.02) * bend + np.float32(height * 0.8) + height * 0.2 * bend
    )
    window = smoothstep(np.abs(u), 0.72, 0.4)
    width = rng.uniform(0.008, 0.02)
    shade = -np.float32(0.5 * strength) * gaussian(fold, 0, width) * window
    shade -= np.float32(0.25 * strength + 0.2 * hood) * gaussian(fold, 0.05, 0.06) * window
    lid = gaussian(stage.above, height * 0.5, 0.04) * window * stage.upper
    shade += np.float32(rng.uniform(-0.02, 0.14)) * lid
    # The lower lid: a soft roll, its fold, and the bag below.
    drop = rng.uniform(0.05, 0.11)
    below = stage.below - np.float32(0.1) * u * u
    window = window * _lower_half(stage)
    shade += np.float32(rng.uniform(0, 0.1)) * gaussian(below, drop * 0.5, 0.025) * window
    shade -= np.float32(rng.uniform(0, 0.22)) * gaussian(below, drop, 0.018) * window
    shade -= (
        np.float32(rng.uniform(0, 0.18)) * gaussian(below, rng.uniform(0.2, 0.34), 0.06) * window
    )
    return shade


def _lower_half(stage: Stage) -> Field:
    """Return 1 below the eye and 0 above it, with a ramp wide enough to show no seam."""
    return smoothstep(stage.below - stage.above, -0.1, 0.3)


def _wrinkles(stage: Stage) -> Field:
    rng, skin = stage.rng, stage.traits.skin
    wave = cloud(rng, stage.shape, 0.22 * stage.scale)
    radial = np.arctan2(stage.v, stage.u - np.float32(0.1))
    under = np.sin(stage.below * np.float32(rng.uniform(45, 110)) + 1.6 * wave)
    crow = np.sin(radial * np.float32(rng.uniform(16, 34)) + 1.4 * wave)
    where_under = gaussian(stage.below, 0.16, 0.1)
    where_crow = smoothstep(stage.u, 0.42, 0.7) * gaussian(stage.v, 0.05, 0.3)
    where_under *= (1 - stage.upper) * np.clip(
        0.3 + 0.6 * cloud(rng, stage.shape, 0.18 * stage.scale), 0, 1
    )
    where_crow *= np.clip(0.4 + 0.6 * wave, 0, 1)
    lines = np.clip(under, -1, 0.2) * where_under + np.clip(crow, -1, 0.2) * where_crow
    return np.asarray(np.float32(0.13 * skin.wrinkles) * lines, np.float32)


def _put_make_up(stage: Stage, planes: Field) -> None:
    traits, rng = stage.traits, stage.rng
    if traits.skin.shadow is not None:
        reach = traits.lids.crease * rng.uniform(0.8, 2.2)
        area = smoothstep(stage.above, reach * 1.5, reach * 0.3) * smoothstep(stage.u, -0.75, -0.4)
        area *= smoothstep(stage.u, rng.uniform(0.6, 0.95), 0.45) * stage.upper
        blend(planes, soften(area, 0.02 * stage.scale) * rng.uniform(0.2, 0.75), traits.skin.shadow)
    if traits.skin.liner > 0:
        width = rng.uniform(0.008, 0.035)
        tail = np.float32(width) * (1 + np.clip(stage.u, -0.5, 0.6))
        line = smoothstep(stage.above / tail, 1.3, 0.6) * smoothstep(np.abs(stage.u), 0.62, 0.5)
        line *= stage.upper
        if rng.uniform() < 0.4:
            low = smoothstep(stage.below, 0.028, 0.012) * smoothstep(np.abs(stage.u), 0.5, 0.45)
            line = np.maximum(line, 0.8 * low * (1 - stage.upper))
        blend(planes, line * np.float32(traits.skin.liner * 0.9), (0.06, 0.05, 0.06))


def _put_margins(stage: Stage, planes: Field) -> None:
    """Draw the wet rim of the lower lid and the thickness of the upper one."""
    traits, rng = stage.traits, stage.rng
    tone = traits.skin.tone
    inflamed = 0.5 * traits.redness
    width = rng.uniform(0.006, 0.035)
    rim = smoothstep(stage.below, width + 0.008, width) * smoothstep(np.abs(stage.u), 0.53, 0.46)
    pink = (
        min(1.0, tone[0] * 0.7 + 0.28),
        (tone[1] * 0.6 + 0.24) * (1 - 0.45 * inflamed),
        (tone[2] * 0.6 + 0.25) * (1 - 0.45 * inflamed),
    )
    rim *= 1 - stage.upper
    blend(planes, rim * np.float32(rng.uniform(0.2, 0.9)), pink)
    if traits.condition == "Conjunctivitis" and rng.uniform() < 0.15:
        # The lower lid drawn down: its red inside shows as a band.
        band = smoothstep(stage.below, rng.uniform(0.05, 0.14), 0.02) * (1 - stage.upper)
        band *= smoothstep(np.abs(stage.u), 0.5, 0.38)
        blend(planes, band * np.float32(0.85), (0.78, 0.2, 0.2))
    edge = smoothstep(stage.above, rng.uniform(0.012, 0.03), 0.0) * smoothstep(
        np.abs(stage.u), 0.56, 0.48
    )
    edge *= stage.upper
    dark = (tone[0] * 0.38, tone[1] * 0.3, tone[2] * 0.3)
    blend(planes, edge * np.float32(rng.uniform(0.3, 0.9)), dark)


def _put_stye(stage: Stage, planes: Field) -> None:
    """Draw a dome on the lid's edge: red, shaded by its own form, shiny, sometimes with a point."""
    stye, light, rng = stage.traits.stye, stage.traits.light, stage.rng
    if stye is None:
        return
    sign = -1.0 if stye.lid == "upper" else 1.0
    table = stage.curves.upper if stye.lid == "upper" else stage.curves.lower
    edge = float(stage.curves.at(table, np.array([stye.u]))[0]) * sign
    middle = edge + sign * stye.radius * rng.uniform(0.15, 0.6)
    du = (stage.u - np.float32(stye.u)) / np.float32(stye.radius)
    dv = (stage.v - np.float32(middle)) / np.float32(stye.radius * rng.uniform(0.6, 0.95))
    dome = np.exp(-(du * du + dv * dv))
    lid_side = stage.above if stye.lid == "upper" else stage.below
    wide = np.exp(-((du / stye.spread) ** 2)) * gaussian(lid_side, 0.04, 0.09 * stye.spread)
    tone = stage.traits.skin.tone
    purple = rng.uniform(0.45, 0.75)
    red = (min(1.0, tone[0] * 0.95 + 0.05), tone[1] * 0.42 + 0.04, tone[2] * purple)
    mottled = 0.9 + 0.15 * cloud(rng, stage.shape, 0.05 * stage.scale)
    wide *= stage.upper if stye.lid == "upper" else 1 - stage.upper
    alpha = np.clip(0.85 * dome + 0.6 * wide, 0, 1) * mottled * np.float32(0.9 * stye.redness)
    blend(planes, np.clip(alpha, 0, 0.92), red)
    lx, ly = light.x, light.y - 0.35
    slope = (du * np.float32(lx) + dv * np.float32(ly)) * dome
    planes *= np.clip(1 + np.float32(0.75 * stye.height) * slope, 0.4, 1.5)
    hot = np.exp(-(((du - 0.35 * lx) / 0.28) ** 2) - (((dv - 0.4 * ly) / 0.2) ** 2))
    blend(planes, hot * np.float32(rng.uniform(0, 0.55) * stye.height), (1.0, 0.95, 0.92))
    if stye.point:
        size = rng.uniform(0.14, 0.4)
        tip_v = sign * rng.uniform(-0.5, 0.1)
        tip = np.exp(-((du / size) ** 2) - (((dv - np.float32(tip_v)) / size) ** 2))
        blend(planes, np.clip(1.3 * tip, 0, 0.95), (0.95, float(rng.uniform(0.8, 0.92)), 0.6))


def put_hair(stage: Stage, planes: Field) -> None:
    """Draw lashes, brow and crusts over lids and eyeball alike."""
    skin, rng = stage.traits.skin, stage.rng
    if skin.brow > 0:
        _put_brow(stage, planes)
    if stage.traits.discharge > 0:
        _put_discharge(stage, planes)
    if skin.lashes > 0:
        dark = (
            tuple(c * rng.uniform(0.3, 1) for c in skin.hair) if rng.uniform() < 0.8 else skin.hair
        )
        mask = np.maximum(_upper_lashes(stage), _lower_lashes(stage))
        blend(planes, mask * np.float32(rng.uniform(0.6, 0.95)), (dark[0], dark[1], dark[2]))


def _lashes(
    stage: Stage,
    base: NDArray[np.float64],
    *,
    lean: NDArray[np.float64],
    length: NDArray[np.float64],
    heading: tuple[float, float],
    values: tuple[int, ...],
    thickness: float,
) -> Field:
    """Draw hairs from ``base`` (n, 2); each leaves along ``heading[0]`` (v) and bends to the other.

    A hair tapers: it is drawn whole and thin, then its first half again, thicker.
    """
    rng = stage.rng
    s = np.linspace(0, 1, 6)[None, :]
    du = lean[:, None] * (0.45 * s + 0.55 * s * s) * length[:, None]
    dv = (heading[0] * s + (heading[1] - heading[0]) * s * s) * length[:, None]
    paths = np.stack([base[:, :1] + du, base[:, 1:] + dv], axis=-1)
    levels = rng.choice(values, len(base)).tolist()
    px = stage.scale * thickness
    tips = strokes(stage, paths, values=levels, thickness_px=0.55 * px)
    roots = strokes(stage, paths[:, :4], values=levels, thickness_px=px)
    return np.maximum(tips, roots)


def _upper_lashes(stage: Stage) -> Field:
    rng, skin = stage.rng, stage.traits.skin
    clumps = int(10 + 32 * skin.lashes)
    each = int(rng.integers(1, 5))
    middle = np.repeat(np.linspace(-0.42, 0.49, clumps) + rng.normal(0, 0.01, clumps), each)
    u = np.clip(middle + rng.normal(0, 0.014, middle.size), -0.46, 0.5)
    base = np.stack([u, -stage.curves.at(stage.curves.upper, u) - 0.004], axis=-1)
    lean = rng.uniform(1.1, 2.4) * (middle - rng.uniform(-0.15, 0.1)) + rng.normal(0, 0.16, u.size)
    longest = rng.uniform(0.04, 0.14)
    length = rng.uniform(0.55, 1.1, u.size) * longest * (0.75 + 0.5 * (u + 0.5))
    drooping = stage.curves.openness < 0.2 or rng.uniform() < 0.25
    heading = (
        (rng.uniform(0.2, 0.9), rng.uniform(-0.2, 0.8))
        if drooping
        else (
            rng.uniform(-0.35, 0.25),
            rng.uniform(-1.1, -0.6),
        )
    )
    return _lashes(
        stage,
        base,
        lean=lean,
        length=length,
        heading=heading,
        values=(150, 205, 255),
        thickness=rng.uniform(0.006, 0.015),
    )


def _lower_lashes(stage: Stage) -> Field:
    rng, skin = stage.rng, stage.traits.skin
    n = int(8 + 50 * skin.lashes * rng.uniform())
    u = rng.uniform(-0.36, 0.48, n)
    base = np.stack([u, stage.curves.at(stage.curves.lower, u) + 0.012], axis=-1)
    return _lashes(
        stage,
        base,
        lean=1.6 * u + rng.normal(0.02, 0.3, n),
        length=rng.uniform(0.5, 1.1, n) * rng.uniform(0.02, 0.07),
        heading=(0.5, 1.0),
        values=(90, 140, 200),
        thickness=rng.uniform(0.003, 0.008),
    )


def _put_brow(stage: Stage, planes: Field) -> None:
    rng, skin = stage.rng, stage.traits.skin
    low = stage.traits.lids.upper + rng.uniform(0.2, 0.5)
    if min(stage.placement.pixel(u, -low - 0.25)[1] for u in (-0.5, 0.5)) > stage.shape[0]:
        return
    n = int(120 + 320 * skin.brow)
    u = rng.uniform(-0.68, 0.78, n)
    arch = rng.uniform(0.04, 0.16)
    centre = -(low + arch * (1 - ((u - 0.15) / 0.75) ** 2))
    thick = rng.uniform(0.05, 0.13) * np.clip(1.1 - 0.9 * np.clip(u - 0.05, 0, 1), 0.2, 1)
    across = rng.uniform(-1, 1, n)
    base = np.stack([u, centre + across * thick * 0.7], axis=-1)
    heading = -1.0 + 1.15 * (u + 0.68) / 1.46 + 0.5 * across * (u > 0) + rng.normal(0, 0.18, n)
    length = rng.uniform(0.05, 0.13, n)
    s = np.linspace(0, 1, 4)[None, :]
    paths = np.stack(
        [
            base[:, :1] + np.cos(heading)[:, None] * s * length[:, None],
            base[:, 1:] + (np.sin(heading)[:, None] * s + 0.25 * s * s) * length[:, None],
        ],
        axis=-1,
    )
    values = rng.choice((140, 200, 255), n)
    mask = strokes(
        stage, paths, values=values.tolist(), thickness_px=stage.scale * rng.uniform(0.007, 0.013)
    )
    mass = soften(mask, 0.02 * stage.scale)
    alpha = np.clip(np.maximum(mask, 0.9 * mass), 0, 1)
    blend(planes, alpha * np.float32(0.35 + 0.6 * skin.brow), skin.hair)


def _put_discharge(stage: Stage, planes: Field) -> None:
    """Crusts and pus: pale yellow lumps along the lids and in the inner corner."""
    rng, amount = stage.rng, stage.traits.discharge
    outlines = []
    for _ in range(int(2 + 12 * amount)):
        u = -0.49 if rng.uniform() < 0.35 else rng.uniform(-0.5, 0.5)
        upper = rng.uniform() < 0.4
        table = stage.curves.upper if upper else stage.curves.lower
        v = float(stage.curves.at(table, np.array([u]))[0]) * (-1 if upper else 1)
        turn = np.linspace(0, 2 * np.pi, 9, endpoint=False)
        radius = rng.uniform(0.005, 0.024) * rng.uniform(0.6, 1.4, 9)
        lump = np.stack([np.cos(turn), np.sin(turn) * rng.uniform(0.5, 1.6)], axis=-1)
        outlines.append(np.array([u, v]) + lump * radius[:, None] + rng.normal(0, 0.012, 2))
    mask = filled(stage, outlines, soft_px=0.4 + 0.004 * stage.scale)
    pale = (0.9, float(rng.uniform(0.8, 0.88)), float(rng.uniform(0.5, 0.75)))
    grain = np.clip(0.8 + 0.2 * cloud(rng, stage.shape, max(1.0, 0.015 * stage.scale)), 0, 1)
    blend(planes, mask * grain * np.float32(rng.uniform(0.5, 0.95)), pale)
