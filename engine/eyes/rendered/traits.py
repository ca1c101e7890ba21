"""What one drawn eye looks like: every random choice that has a name.

Lengths are in eye widths (the distance between the corners of the lids). The inner corner lies at
``u = -0.5``, the outer at ``u = +0.5``; ``v`` points down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

import numpy as np

from engine.errors import InputError
from engine.eyes.rendered.noise import Colour
from engine.eyes.rendered.truth import CONDITIONS, Condition

__all__ = [
    "Lens",
    "Lids",
    "Light",
    "Skin",
    "Stye",
    "Traits",
    "sample_light",
    "sample_skin",
    "sample_traits",
]

# From very light to very dark, RGB; between neighbours we interpolate.
_SKIN_TONES: Final = (
    (250, 224, 210),
    (242, 206, 184),
    (228, 184, 156),
    (208, 158, 124),
    (176, 124, 90),
    (140, 94, 64),
    (104, 68, 46),
    (74, 48, 34),
)
# (outer, inner) colours of irises as they appear under white light.
_IRISES: Final = (
    ((44, 26, 18), (58, 34, 22)),
    ((70, 42, 26), (92, 56, 32)),
    ((98, 62, 38), (128, 80, 44)),
    ((92, 46, 26), (112, 56, 30)),
    ((124, 66, 36), (140, 76, 42)),
    ((58, 30, 20), (64, 34, 22)),
    ((128, 86, 48), (160, 108, 56)),
    ((112, 98, 58), (140, 96, 50)),
    ((96, 112, 78), (140, 118, 66)),
    ((112, 126, 108), (136, 130, 96)),
    ((122, 134, 142), (158, 160, 152)),
    ((82, 122, 166), (138, 166, 188)),
    ((140, 176, 202), (182, 200, 206)),
    ((46, 76, 118), (96, 124, 152)),
    ((60, 120, 130), (150, 160, 120)),
    ((150, 145, 112), (176, 160, 120)),
    ((172, 164, 138), (186, 170, 140)),
    ((30, 30, 33), (40, 38, 38)),
)
_SCLERAS: Final = (
    (228, 222, 216),
    (216, 220, 230),
    (232, 222, 200),
    (230, 210, 204),
    (196, 190, 184),
    (240, 238, 236),
    (210, 196, 176),
    (238, 214, 152),
    (206, 214, 236),
)
_LENSES: Final = (
    (226, 226, 218),
    (196, 200, 200),
    (150, 156, 158),
    (134, 160, 186),
    (160, 190, 215),
    (190, 180, 150),
    (198, 164, 98),
    (150, 116, 70),
    (104, 136, 118),
    (74, 104, 110),
    (84, 92, 98),
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """Where the light comes from (``x`` right, ``y`` down, towards the eye's side) and how hard."""

    x: float
    y: float
    strength: float
    ambient: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Skin:
    """Skin, hair and make-up; strengths in 0..1."""

    tone: Colour
    hair: Colour
    pores: float
    wrinkles: float
    freckles: float
    redness: float
    circles: float
    shine: float
    brow: float
    lashes: float
    shadow: Colour | None
    liner: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Lids:
    """The opening: peaks of both lids (``upper``, ``lower``), and how pointed each side is."""

    upper: float
    lower: float
    upper_inner: float
    upper_outer: float
    lower_inner: float
    lower_outer: float
    crease: float
    crease_strength: float
    hood: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Lens:
    """What is behind the pupil. ``opacity`` 0 is a clear lens, 1 a wholly opaque one."""

    opacity: float
    colour: Colour
    kind: Literal["clear", "mature", "nuclear", "spokes", "flakes", "ring", "reflex"]
    lobes: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stye:
    """A swelling of one lid around ``u`` on the lid's edge."""

    lid: Literal["upper", "lower"]
    u: float
    radius: float
    height: float
    redness: float
    point: bool
    spread: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """All that has a name about one drawn eye."""

    condition: Condition
    light: Light
    skin: Skin
    lids: Lids
    sclera: Colour
    redness: float
    diffuse: float
    vessels: float
    discharge: float
    iris_outer: Colour
    iris_inner: Colour
    iris_radius: float
    iris_contrast: float
    limbus: float
    limbal_ring: float
    pupil_ratio: float
    gaze: tuple[float, float]
    lens: Lens
    haze: float
    slit_lamp: float
    side_light: float
    bleeding: float
    reflections: int
    mirror: float
    stye: Stye | None


def _pick(rng: np.random.Generator, table: Sequence[tuple[int, int, int]]) -> int:
    return int(rng.integers(len(table)))


def _near(rng: np.random.Generator, colour: tuple[int, int, int], spread: float) -> Colour:
    """Return a colour like the given 0..255 one, with its lightness and its hue jittered."""
    gain = 1 + spread * rng.standard_normal()
    values = [c / 255 * gain * (1 + 0.4 * spread * rng.standard_normal()) for c in colour]
    red, green, blue = (float(np.clip(value, 0.02, 0.99)) for value in values)
    return red, green, blue


def sample_light(rng: np.random.Generator) -> Light:
    """Return a light, more often from above."""
    angle = rng.uniform(0, 2 * np.pi)
    hard = rng.uniform(0, 1)
    return Light(
        x=float(np.cos(angle)),
        y=float(np.sin(angle) * 0.7 - 0.4),
        strength=float(rng.uniform(0.05, 0.5) * (0.5 + hard)),
        ambient=float(rng.uniform(0.85, 1.2)),
    )


def sample_skin(rng: np.random.Generator) -> Skin:
    """Return skin of any human tone, with hair that goes with it."""
    place = rng.uniform(0, len(_SKIN_TONES) - 1.001)
    k, part = int(place), place - int(place)
    tone = np.array(_SKIN_TONES[k]) * (1 - part) + np.array(_SKIN_TONES[k + 1]) * part
    hairs = (
        (28, 20, 16),
        (52, 36, 26),
        (20, 16, 16),
        (92, 66, 44),
        (150, 120, 84),
        (130, 130, 130),
    )
    allowed = hairs if place < 3.5 else hairs[:3]
    made_up = rng.uniform() < 0.22
    return Skin(
        tone=_near(rng, (int(tone[0]), int(tone[1]), int(tone[2])), 0.06),
        hair=_near(rng, allowed[_pick(rng, allowed)], 0.15),
        pores=float(rng.uniform(0.1, 1)),
        wrinkles=float(rng.beta(1.0, 1.6)),
        freckles=float(max(0.0, rng.uniform(-1.5, 1))),
        redness=float(rng.beta(1, 3)),
        circles=float(rng.beta(1, 2)),
        shine=float(rng.beta(1, 2)),
        brow=float(rng.uniform(0.3, 1)) if rng.uniform() < 0.85 else 0.0,
        lashes=float(rng.uniform(0.15, 1)) if rng.uniform() < 0.9 else 0.0,
        shadow=_near(rng, tuple(rng.integers(40, 220, 3)), 0.1) if made_up else None,
        liner=float(rng.uniform(0.3, 1)) if made_up or rng.uniform() < 0.08 else 0.0,
    )


def _sample_lids(rng: np.random.Generator, openness: float) -> Lids:
    share = rng.uniform(0.36, 0.5)
    return Lids(
        upper=openness * (1 - share),
        lower=openness * share,
        upper_inner=float(rng.uniform(0.6, 1.3)),
        upper_outer=float(rng.uniform(0.5, 0.85)),
        lower_inner=float(rng.uniform(0.8, 1.7)),
        lower_outer=float(rng.uniform(0.45, 0.8)),
        crease=float(rng.uniform(0.05, 0.2)),
        crease_strength=float(rng.uniform(0, 1)),
        hood=float(max(0.0, rng.uniform(-1, 1))),
    )


def _sample_lens(rng: np.random.Generator, condition: Condition) -> Lens:
    if condition != "Cataract":
        return Lens(opacity=0.0, colour=(0.0, 0.0, 0.0), kind="clear", lobes=0)
    kinds: tuple[Literal["mature", "nuclear", "spokes", "flakes", "ring", "reflex"], ...] = (
        "mature",
        "nuclear",
        "spokes",
        "flakes",
        "ring",
        "reflex",
    )
    kind = kinds[int(rng.choice(6, p=(0.4, 0.22, 0.17, 0.1, 0.07, 0.04)))]
    return Lens(
        opacity=float(1 - 0.55 * rng.uniform() ** 1.4),
        colour=_near(rng, _LENSES[_pick(rng, _LENSES)], 0.1),
        kind=kind,
        lobes=int(rng.integers(5, 28)),
    )


def _sample_stye(rng: np.random.Generator) -> Stye:
    upper = rng.uniform() < 0.55
    return Stye(
        lid="upper" if upper else "lower",
        u=float(rng.uniform(-0.33, 0.38)),
        radius=float(rng.uniform(0.1, 0.26)),
        height=float(rng.uniform(0.3, 1)),
        redness=float(rng.uniform(0.5, 1)),
        point=bool(rng.uniform() < 0.4),
        spread=float(rng.uniform(1.0, 2.6)),
    )


def _sample_openness(rng: np.random.Generator, wide: float) -> float:
    kind = rng.uniform()
    if kind < wide:
        return float(rng.uniform(0.45, 0.72))
    if kind < wide + 0.14:
        return float(rng.uniform(0.07, 0.27))
    return float(rng.uniform(0.27, 0.48))


def sample_traits(
    rng: np.random.Generator,
    *,
    condition: Condition,
    skin: Skin | None = None,
    light: Light | None = None,
) -> Traits:
    """Choose an eye that shows ``condition``; a given ``skin`` or ``light`` is kept.

    Raises
    ------
    InputError
        When ``condition`` is none of the four.
    """
    if condition not in CONDITIONS:
        raise InputError(
            f"A rendered eye shows one of {', '.join(CONDITIONS)}, but got {condition!r}."
        )
    cataract, red_eye = condition == "Cataract", condition == "Conjunctivitis"
    openness = _sample_openness(rng, wide=0.4 if cataract else 0.15)
    lids = _sample_lids(rng, openness)
    redness = {
        "Cataract": rng.beta(1, 5) * 0.5,
        "Conjunctivitis": rng.uniform(0.4, 1),
        "Healthy": rng.beta(1, 5) * 0.35,
        "Stye": rng.beta(1, 4) * 0.5,
    }[condition]
    mix = rng.uniform(0.25, 1)
    dilated = rng.uniform() < (0.65 if cataract else 0.12)
    # Most people have brown eyes: the first of the table.
    brown = rng.uniform() < 0.5
    outer, inner = _IRISES[int(rng.integers(7 if brown else len(_IRISES)))]
    radius = float(rng.uniform(0.185, 0.262))
    slack = 0.42 * openness
    gaze_v = float(np.clip(rng.normal(-0.02, 0.035), -slack, slack))
    return Traits(
        condition=condition,
        light=light or sample_light(rng),
        skin=skin or sample_skin(rng),
        lids=lids,
        sclera=_near(rng, _SCLERAS[_pick(rng, _SCLERAS)], 0.05),
        redness=float(redness),
        diffuse=float(redness * (mix if red_eye else 0.6)),
        vessels=float(redness * (1.25 - mix) if red_eye else redness * 0.8 + rng.beta(1, 4) * 0.25),
        discharge=float(rng.uniform(0.2, 1)) if red_eye and rng.uniform() < 0.35 else 0.0,
        iris_outer=_near(rng, outer, 0.14),
        iris_inner=_near(rng, inner, 0.14),
        iris_radius=radius,
        iris_contrast=float(rng.uniform(0.02, 1) * rng.uniform(0.3, 1)),
        limbus=float(rng.uniform(0.03, 0.18)),
        limbal_ring=float(rng.uniform(0, 0.8)),
        pupil_ratio=float(rng.uniform(0.58, 0.9) if dilated else rng.uniform(0.2, 0.58)),
        gaze=(float(np.clip(rng.normal(0, 0.09), -0.24, 0.24)), gaze_v),
        lens=_sample_lens(rng, condition),
        haze=float(rng.beta(1, 4) * 0.5),
        slit_lamp=float(rng.uniform(0.3, 1))
        if rng.uniform() < (0.35 if cataract else 0.1)
        else 0.0,
        side_light=float(rng.normal(0, 0.5)) if rng.uniform() < 0.3 else 0.0,
        bleeding=float(rng.uniform(0.3, 1)) if red_eye and rng.uniform() < 0.15 else 0.0,
        reflections=int(rng.choice(5, p=(0.08, 0.4, 0.27, 0.15, 0.1))),
        mirror=float(rng.beta(1, 3)),
        stye=_sample_stye(rng) if condition == "Stye" else None,
    )
