"""The eyeball: sclera with vessels, iris, pupil with what is behind it, and reflections."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.eyes.rendered.noise import (
    Colour,
    Field,
    blend,
    cloud,
    fractal,
    gaussian,
    polar,
    smoothstep,
    soften,
)
from engine.eyes.rendered.stage import Stage, filled, strokes
from engine.eyes.rendered.traits import Lens

__all__ = ["Globe", "draw_globe"]

_ANGLES: Final = 256
_RADII: Final = 40
_PINK: Final = (0.80, 0.47, 0.43)
_BLOOD: Final = (0.66, 0.11, 0.12)
_INFLAMED: Final = (0.86, 0.30, 0.29)

Globe = tuple[Field, Field, Field]
"""Planes (3, H, W) of the eyeball, and the soft masks (H, W) of iris and of pupil."""


def draw_globe(stage: Stage) -> Globe:
    """Draw the eyeball over all of the stage; the lids cover it later."""
    traits = stage.traits
    cu, cv = stage.iris_centre
    du, dv = stage.u - np.float32(cu), stage.v - np.float32(cv)
    distance, angle = polar(du, dv)
    distance *= np.float32(1 / traits.iris_radius)
    planes = _sclera(stage, distance)
    pixel = 1 / (stage.scale * traits.iris_radius)
    edge = max(traits.limbus, pixel)
    iris = smoothstep(distance, 1 + edge, 1 - edge)
    _put_iris(stage, planes, distance, angle, iris)
    pupil, inside = _pupil(stage, du, dv, pixel)
    _put_pupil(stage, planes, inside, pupil)
    _put_shade(stage, planes, du, dv, iris)
    _put_reflections(stage, planes, iris)
    hard_iris = smoothstep(distance, 1 + pixel, 1 - pixel)
    return planes, hard_iris, pupil


def _sclera(stage: Stage, distance: Field) -> Field:
    traits, rng = stage.traits, stage.rng
    planes = np.empty((3, *stage.shape), np.float32)
    planes[:] = np.array(traits.sclera, np.float32)[:, None, None]
    mottled = fractal(rng, stage.shape, 0.25 * stage.scale)
    planes *= 1 + np.float32(0.025) * mottled
    # The white of the eye is greyer towards the corners, where the ball turns away.
    turned = 1 - np.float32(rng.uniform(0.5, 1.9)) * (stage.u * stage.u)
    planes *= np.clip(turned, 0.45, 1)
    if traits.skin.tone[0] < 0.6 and rng.uniform() < 0.5:
        blend(planes, np.clip(mottled - 0.6, 0, 1) * 0.3, (0.45, 0.33, 0.22))
    _put_redness(stage, planes, distance, mottled)
    corner = smoothstep(stage.u, -0.40, -0.475)
    blend(planes, corner * np.float32(rng.uniform(0.5, 1)), _PINK)
    outer = smoothstep(stage.u, 0.38, 0.5) * np.float32(rng.uniform(0, 0.6))
    blend(planes, outer, _PINK)
    return planes


def _put_redness(stage: Stage, planes: Field, distance: Field, mottled: Field) -> None:
    traits, rng = stage.traits, stage.rng
    if traits.diffuse > 0.01:
        # Conjunctivitis spares the limbus, uveitis does not; both kinds are wanted.
        spared = smoothstep(distance, 0.9, rng.uniform(1.1, 2.6))
        field = np.clip(0.8 + 0.35 * mottled, 0.2, 1.3) * (0.45 + 0.55 * spared)
        deep = rng.uniform() < 0.4
        tint = _INFLAMED if not deep else (float(rng.uniform(0.5, 0.8)), 0.14, 0.14)
        blend(planes, np.clip(field * np.float32(0.85 * traits.diffuse), 0, 0.85), tint)
    if traits.bleeding > 0:
        # Blood under the conjunctiva: a sharp, even, deep red patch.
        patch = fractal(rng, stage.shape, 0.3 * stage.scale)
        level = rng.uniform(-0.5, 0.8)
        blood = smoothstep(patch, level, level + 0.3) * np.float32(0.9 * traits.bleeding)
        blend(planes, blood, (0.55, 0.05, 0.06))
    if traits.vessels > 0.01:
        mask = _vessels(stage, count=int(8 + 110 * min(traits.vessels, 1.0)))
        blend(planes, np.clip(mask * np.float32(0.4 + 0.9 * traits.vessels), 0, 0.9), _BLOOD)


def _vessels(stage: Stage, count: int) -> Field:
    """Draw winding lines from the rim of the ball towards the iris."""
    rng, traits = stage.rng, stage.traits
    steps = 16
    cu, cv = stage.iris_centre
    start = rng.uniform(0, 2 * np.pi, count)
    far = rng.uniform(0.4, 0.75, count)
    near = traits.iris_radius * rng.uniform(1.0, 1.9, count)
    along = np.linspace(0, 1, steps)
    radius = far[:, None] + (near - far)[:, None] * along
    wiggle = np.cumsum(rng.normal(0, 0.06, (count, steps)), axis=1)
    wiggle[:, 1:-1] = (wiggle[:, :-2] + wiggle[:, 1:-1] + wiggle[:, 2:]) / 3
    turn = start[:, None] + wiggle + rng.normal(0, 0.25, (count, 1)) * along
    paths = np.stack([cu + radius * np.cos(turn), cv + radius * np.sin(turn) * 0.8], axis=-1)
    values = rng.choice((70, 120, 170, 230), count, p=(0.35, 0.3, 0.2, 0.15))
    thick = stage.scale * rng.uniform(0.0018, 0.0045)
    return soften(
        strokes(stage, paths, values=values.tolist(), thickness_px=thick), rng.uniform(0.3, 0.8)
    )


def _unroll(tile: Field, distance: Field, angle: Field) -> Field:
    """Read a (radii, angles) tile at every pixel: radius 0..1, angle 0..2π."""
    rows, columns = tile.shape
    column = angle * np.float32(columns / (2 * np.pi))
    row = np.clip(distance * np.float32(rows - 1), 0, rows - 1)
    read = cv2.remap(tile, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(read, np.float32)


def _rays(rng: np.random.Generator, count: int, rows: int) -> Field:
    """Return a tile (radii, angles) of ``count`` random rays, seamless over the full turn."""
    grid = rng.standard_normal((rows, count), dtype=np.float32)
    grid = np.concatenate([grid[:, -2:], grid, grid[:, :2]], axis=1)
    step = _ANGLES / count
    wide = cv2.resize(grid, (round(step * (count + 4)), _RADII), interpolation=cv2.INTER_CUBIC)
    first = round(2 * step)
    return np.ascontiguousarray(wide[:, first : first + _ANGLES])


def _put_iris(stage: Stage, planes: Field, distance: Field, angle: Field, iris: Field) -> None:
    traits, rng = stage.traits, stage.rng
    radius = np.linspace(0, 1, _RADII, dtype=np.float32)[:, None]
    fibres = 0.6 * _rays(rng, int(rng.integers(60, 120)), 4) + 0.6 * _rays(
        rng, int(rng.integers(18, 40)), 6
    )
    collarette = traits.pupil_ratio + (1 - traits.pupil_ratio) * rng.uniform(0.2, 0.6)
    frill = radius + 0.03 * _rays(rng, 24, 2)
    inner = smoothstep(frill, collarette + 0.12, collarette - 0.12)
    light = 1 + np.float32(0.24 * traits.iris_contrast) * fibres
    crypts = np.clip(_rays(rng, int(rng.integers(10, 22)), 6) - 1.1, 0, 1)
    light *= 1 - 0.35 * crypts * np.float32(traits.iris_contrast)
    ring = smoothstep(radius, 0.78, 1.02) * np.float32(0.75 * traits.limbal_ring)
    light = np.clip(light * (1 - ring), 0.15, 1.8)
    spots = np.clip(_rays(rng, 16, 5) - 1.6, 0, 1) if rng.uniform() < 0.3 else None
    for k in range(3):
        outer_k, inner_k = np.float32(traits.iris_outer[k]), np.float32(traits.iris_inner[k])
        tile = (outer_k + (inner_k - outer_k) * inner) * light
        if spots is not None:
            tile = tile + spots * (np.float32((0.25, 0.14, 0.06)[k]) - tile)
        colour = _unroll(np.ascontiguousarray(tile, dtype=np.float32), distance, angle)
        planes[k] += iris * (colour - planes[k])


def _pupil(stage: Stage, du: Field, dv: Field, pixel: float) -> tuple[Field, tuple[Field, Field]]:
    """Return the pupil's mask, and radius (in pupil radii) and angle around its centre."""
    traits, rng = stage.traits, stage.rng
    off = traits.iris_radius * 0.05
    ratio = traits.iris_radius * traits.pupil_ratio
    oval = rng.uniform(0.93, 1.07)
    distance, angle = polar(
        (du + np.float32(rng.uniform(0, off))) * np.float32(oval / ratio),
        (dv + np.float32(rng.uniform(-off, off))) * np.float32(1 / ratio),
    )
    if rng.uniform() < 0.3:
        # A pupil's edge is rarely a perfect circle after surgery, inflammation or in age.
        ruff = _rays(rng, int(rng.integers(5, 14)), 2)
        distance *= 1 + np.float32(rng.uniform(0.01, 0.05)) * _unroll(
            ruff, np.ones_like(distance), angle
        )
    soft = max(pixel / traits.pupil_ratio, rng.uniform(0.02, 0.07))
    return smoothstep(distance, 1 + soft, 1 - soft), (distance, angle)


def _put_pupil(stage: Stage, planes: Field, inside: tuple[Field, Field], pupil: Field) -> None:
    traits, rng = stage.traits, stage.rng
    distance, angle = inside
    dark = np.float32(rng.uniform(0.01, 0.07))
    black = (dark * rng.uniform(0.8, 1.3), dark, dark * rng.uniform(0.8, 1.3))
    blend(planes, pupil, (float(black[0]), float(dark), float(black[2])))
    if traits.lens.kind == "clear":
        if rng.uniform() < 0.04:
            # The red reflex of a flash: bright, but clear.
            blend(planes, pupil * smoothstep(distance, 1, 0.2) * 0.7, (0.75, 0.2, 0.12))
        return
    tile = _lens_tile(rng, traits.lens)
    opacity = _unroll(tile, distance, angle)
    # The iris throws a dark rim on a lens that lies behind it.
    rim = smoothstep(distance, 1.0, 1 - rng.uniform(0.05, 0.3))
    opacity *= np.float32(0.35) + np.float32(0.65) * rim
    if traits.lens.kind == "reflex":
        glow = pupil * smoothstep(distance, 1.15, 0.2)
        blend(planes, glow, (0.85, float(rng.uniform(0.2, 0.45)), 0.16))
        blend(planes, pupil * np.clip(opacity * 1.2 - 0.2, 0, 0.9), (0.22, 0.08, 0.05))
        return
    blend(planes, pupil * np.clip(opacity, 0, 0.97), _lens_colour(rng, traits.lens))


def _lens_colour(rng: np.random.Generator, lens: Lens) -> Colour:
    gain = rng.uniform(0.7, 1.1)
    red, green, blue = (float(min(1.0, c * gain)) for c in lens.colour)
    return red, green, blue


def _lens_tile(rng: np.random.Generator, lens: Lens) -> Field:
    """Return the opacity 0..1 of a clouded lens over (radii, angles)."""
    radius = np.linspace(0, 1, _RADII, dtype=np.float32)[:, None]
    milk = 0.5 * _rays(rng, 7, 3) + 0.5 * _rays(rng, 24, 6)
    # At the centre all angles meet; without this the cloud would show a star there.
    milk *= smoothstep(radius, 0.0, 0.35)
    tile: NDArray[np.floating]
    if lens.kind == "mature":
        tile = 1.0 + 0.12 * milk
    elif lens.kind in ("nuclear", "reflex"):
        core, soft = rng.uniform(0.35, 0.85), rng.uniform(0.04, 0.35)
        base = rng.uniform(0.0, 0.45)
        tile = base + (1.1 - base) * smoothstep(radius, core + soft, core - soft) + 0.1 * milk
    elif lens.kind == "spokes":
        wedge = np.clip(_rays(rng, lens.lobes, 2) * 0.9 + 0.25, 0, 1)
        reach = smoothstep(radius, 0.0, 0.6) if rng.uniform() < 0.6 else 1 - 0.5 * radius
        tile = rng.uniform(0.15, 0.45) + 0.75 * wedge * reach + 0.06 * milk
    elif lens.kind == "flakes":
        flakes = np.clip(_rays(rng, int(rng.integers(14, 40)), int(rng.integers(5, 12))), 0, 1.5)
        tile = 0.2 + 0.6 * flakes * smoothstep(radius, 1.0, 0.4)
    else:
        tile = 0.25 + 0.8 * gaussian(radius, rng.uniform(0.4, 0.8), 0.12) + 0.1 * milk
    whole = np.broadcast_to(tile, (_RADII, _ANGLES)) * np.float32(lens.opacity)
    return np.ascontiguousarray(np.clip(whole, 0, 1), dtype=np.float32)


def _put_shade(stage: Stage, planes: Field, du: Field, dv: Field, iris: Field) -> None:
    """Shade the ball: the lid's shadow, the light's side, the bright side of the iris."""
    traits, rng = stage.traits, stage.rng
    light = traits.light
    depth = rng.uniform(0.02, 0.09)
    shadow = np.exp(np.clip(stage.above, -1, 0) * np.float32(1 / depth))
    shade = 1 - np.float32(rng.uniform(0.2, 0.75)) * shadow
    under = np.exp(np.clip(stage.below, -1, 0) * np.float32(1 / 0.03))
    shade *= 1 - np.float32(rng.uniform(0, 0.3)) * under
    # All round the opening the lids keep some light off the ball.
    rim = np.maximum(stage.above, stage.below)
    shade *= 1 - np.float32(rng.uniform(0, 0.45)) * np.exp(
        np.clip(rim, -1, 0) * np.float32(1 / 0.06)
    )
    side = stage.u * np.float32(light.x) + stage.v * np.float32(light.y)
    shade *= 1 + np.float32(0.55 * light.strength) * side
    # Light falls through the cornea and lands on the far side of the iris.
    far = (du * np.float32(light.x) + dv * np.float32(light.y)) * np.float32(
        -rng.uniform(0, 0.6) / traits.iris_radius
    )
    shade *= 1 + far * iris
    shade *= 1 + np.float32(traits.side_light) * du * np.float32(1.5)
    planes *= np.clip(shade, 0.06, 1.8)


def _put_reflections(stage: Stage, planes: Field, iris: Field) -> None:
    traits, rng = stage.traits, stage.rng
    if traits.haze > 0.02:
        tint = rng.uniform(0.55, 0.9)
        veil = iris * np.float32(0.3 * traits.haze)
        blend(planes, veil, (tint, tint, float(tint * rng.uniform(0.9, 1.1))))
    if traits.mirror > 0.05:
        scene = fractal(rng, stage.shape, 0.12 * stage.scale)
        bright = iris * np.clip(scene - rng.uniform(-0.2, 0.8), 0, 1.2)
        blue = float(rng.uniform(0.75, 1.0))
        blend(planes, bright * np.float32(0.55 * traits.mirror), (0.78, 0.82, blue))
    for _ in range(traits.reflections):
        _put_glint(stage, planes)
    wet = gaussian(stage.below, -0.012, 0.006) * np.clip(
        cloud(rng, stage.shape, 0.08 * stage.scale), 0, 1
    )
    blend(planes, np.clip(wet * np.float32(rng.uniform(0, 0.9)), 0, 0.9), (0.97, 0.96, 0.95))


def _put_glint(stage: Stage, planes: Field) -> None:
    rng, radius = stage.rng, stage.traits.iris_radius
    cu, cv = stage.iris_centre
    reach = radius * (0.75 if rng.uniform() < 0.85 else 2.0) * np.sqrt(rng.uniform())
    angle = rng.uniform(0, 2 * np.pi)
    centre = np.array([cu + reach * np.cos(angle), cv + reach * np.sin(angle)])
    size = radius * float(np.exp(rng.uniform(np.log(0.06), np.log(0.5))))
    kind = rng.choice(5, p=(0.42, 0.22, 0.16, 0.05, 0.15))
    if kind == 3:
        centre = np.array([cu, cv]) + rng.normal(0, 0.1 * radius, 2)
        size = radius * rng.uniform(0.15, 0.5)
    soft = rng.uniform(0.4, 1.2) + 0.02 * size * stage.scale
    mask = filled(stage, _glint_outlines(rng, int(kind), centre, size), soft_px=soft)
    tints = ((1.0, 1.0, 1.0), (0.98, 0.97, 0.92), (0.9, 0.95, 1.0), (0.75, 0.82, 1.0))
    blend(planes, mask * np.float32(rng.uniform(0.45, 1)), tints[int(rng.integers(4))])


def _glint_outlines(
    rng: np.random.Generator, kind: int, centre: NDArray[np.float64], size: float
) -> list[NDArray[np.float64]]:
    """Return the outlines of a spot, a window, a soft box, a ring of lights or a slit."""
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    if kind == 0:
        return [centre + circle * size * rng.uniform(0.5, 1, 2)]
    if kind == 3:
        dots = int(rng.integers(8, 40))
        places = np.linspace(0, 2 * np.pi, dots, endpoint=False)
        return [
            centre + size * np.array([np.cos(a), np.sin(a)]) + circle[::3] * size * 0.16
            for a in places
        ]
    aspect = rng.uniform(0.5, 1.1) if kind != 4 else rng.uniform(0.1, 0.3)
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (size * aspect, size)
    square += rng.normal(0, 0.12 * size * aspect, (4, 2))
    if kind != 1:
        return [centre + square]
    return [
        centre + square * 0.44 + np.array([x * aspect, y]) * size
        for x in (-0.5, 0.5)
        for y in (-0.5, 0.5)
    ]
