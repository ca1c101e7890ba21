"""One eye from traits to picture and truth."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.eyes.rendered.camera import photograph, put_background, put_border
from engine.eyes.rendered.geometry import Placement, choose_framing, lid_curves, sample_placement
from engine.eyes.rendered.globe import draw_globe
from engine.eyes.rendered.noise import Field, blend, gaussian, smoothstep
from engine.eyes.rendered.skin import draw_skin, put_hair
from engine.eyes.rendered.stage import Stage
from engine.eyes.rendered.traits import Traits, sample_traits
from engine.eyes.rendered.truth import IRIS, PUPIL, SCLERA, Condition, Framing, RenderedEye

__all__ = [
    "describe",
    "draw_eye",
    "draw_scene",
    "draw_skin_and_eye",
    "near_iris",
    "render_eye",
]


def render_eye(
    rng: np.random.Generator,
    *,
    condition: Condition,
    size: tuple[int, int] = (192, 216),
    framing: Framing = "any",
) -> RenderedEye:
    """Draw an eye that shows ``condition``, photographed by some camera.

    Parameters
    ----------
    rng
        Everything random comes from here: the same generator state gives the same picture.
    condition
        What the eye shows.
    size
        (H, W) of the picture in pixels, at least 16 each.
    framing
        How much is in the picture, see :data:`engine.eyes.rendered.truth.Framing`.

    Raises
    ------
    InputError
        When the condition is unknown or the size too small.
    """
    if min(size) < 16:
        raise InputError(f"A rendered eye needs at least 16×16 px, but got {size}; ask for more.")
    if framing == "any":
        framing = choose_framing(rng)
    traits = sample_traits(rng, condition=condition)
    placement = sample_placement(rng, framing=framing, size=size)
    if framing == "iris":
        traits, placement = near_iris(rng, traits, placement)
    return draw_eye(rng, traits, placement)


def near_iris(
    rng: np.random.Generator, traits: Traits, placement: Placement
) -> tuple[Traits, Placement]:
    """Aim a very close picture at the iris; the lids are then mostly held wide open."""
    if rng.uniform() < 0.75:
        openness = float(rng.uniform(0.42, 0.75))
        grow = openness / (traits.lids.upper + traits.lids.lower)
        lids = replace(traits.lids, upper=traits.lids.upper * grow, lower=traits.lids.lower * grow)
        traits = replace(traits, lids=lids)
    middle = lid_curves(traits.lids, traits.stye).middle
    iris = np.array([traits.gaze[0], middle + traits.gaze[1]])
    matrix = placement.to_pixels.copy()
    matrix[:, 2] -= matrix[:, :2] @ iris
    return traits, replace(placement, to_pixels=matrix)


def draw_eye(rng: np.random.Generator, traits: Traits, placement: Placement) -> RenderedEye:
    """Draw chosen traits at a chosen place and photograph them."""
    planes, labels = draw_scene(rng, traits, placement)
    picture = photograph(rng, planes)
    if rng.uniform() < 0.16:
        put_border(rng, picture, labels)
    return describe(picture, labels, traits, placement)


def draw_scene(
    rng: np.random.Generator, traits: Traits, placement: Placement
) -> tuple[Field, NDArray[np.uint8]]:
    """Return the scene before any camera, (3, H, W) in 0..1, and its labels (H, W)."""
    stage, planes, labels = _draw_head(rng, traits, placement)
    if traits.slit_lamp > 0 and placement.scale_px > 0.5 * placement.size[1]:
        _put_slit_lamp(stage, planes)
    elif rng.uniform() < 0.2:
        edge = rng.uniform(0.8, 1.5)
        bow = stage.u + np.float32(rng.uniform(-0.1, 0.2)) * stage.v * stage.v
        put_background(rng, planes, smoothstep(bow, edge, edge + 0.06))
    return planes, labels


def draw_skin_and_eye(
    rng: np.random.Generator, traits: Traits, placement: Placement
) -> tuple[Field, NDArray[np.uint8]]:
    """Return planes and labels as :func:`draw_scene` does, without lamp and background."""
    _, planes, labels = _draw_head(rng, traits, placement)
    return planes, labels


def _draw_head(
    rng: np.random.Generator, traits: Traits, placement: Placement
) -> tuple[Stage, Field, NDArray[np.uint8]]:
    curves = lid_curves(traits.lids, traits.stye)
    stage = Stage.build(rng, traits, placement, curves)
    planes = draw_skin(stage)
    labels = np.zeros(stage.shape, np.uint8)
    shown = stage.around_opening()
    if shown is not None:
        part, place = shown
        globe, iris, pupil = draw_globe(part)
        window = planes[:, place[0], place[1]]
        window += part.opening * (globe - window)
        named = np.where(pupil > 0.5, PUPIL, np.where(iris > 0.5, IRIS, SCLERA))
        labels[place] = named * (part.opening > 0.5)
    put_hair(stage, planes)
    return stage, planes, labels


def _put_slit_lamp(stage: Stage, planes: Field) -> None:
    """Darken what the lamp does not reach; a narrow beam often crosses the cornea."""
    rng, strength = stage.rng, stage.traits.slit_lamp
    cu, cv = stage.iris_centre
    reach = rng.uniform(0.25, 0.7)
    far = np.hypot(stage.u - np.float32(cu), stage.v - np.float32(cv))
    keep = 1 - np.float32(strength) * smoothstep(far, reach * 0.6, reach * 1.7)
    planes *= keep
    if rng.uniform() < 0.45:
        radius = stage.traits.iris_radius
        across = stage.u - np.float32(cu + rng.uniform(-0.8, 0.8) * radius)
        bow = across + np.float32(rng.normal(0, 0.6)) * (stage.v - np.float32(cv)) ** 2
        beam = gaussian(bow, 0, rng.uniform(0.006, 0.03)) * smoothstep(far, 1.6 * radius, radius)
        blend(planes, beam * stage.opening * np.float32(rng.uniform(0.2, 0.8)), (0.95, 0.97, 1.0))


def describe(
    picture: NDArray[np.uint8], labels: NDArray[np.uint8], traits: Traits, placement: Placement
) -> RenderedEye:
    """Return the record of a picture: the truth in pixels."""
    curves = lid_curves(traits.lids, traits.stye)
    along, across = placement.to_pixels[:, 0], placement.to_pixels[:, 1]
    length = float(np.hypot(*along))
    height = abs(float(along[0] * across[1] - along[1] * across[0])) / length
    inner, outer = placement.pixel(-0.5, 0), placement.pixel(0.5, 0)
    nose_left = inner[0] <= outer[0]
    du, dv = traits.gaze
    shift = (along * du + across * dv) / length
    centre = placement.pixel(du, curves.middle + dv)
    side: Literal["left", "right"] = "left" if nose_left else "right"
    return RenderedEye(
        picture=picture,
        condition=traits.condition,
        labels=labels,
        corners=(inner, outer) if nose_left else (outer, inner),
        inner=0 if nose_left else 1,
        side=side,
        openness=curves.openness * height / length,
        gaze=(float(shift[0]), float(shift[1])),
        iris_centre=centre,
        iris_radius=traits.iris_radius * length,
        pupil_radius=traits.iris_radius * traits.pupil_ratio * length,
        redness=traits.redness,
        lens_opacity=traits.lens.opacity,
    )
