"""Pictures that do not show the outside of a human eye, so that a reader learns to say no.

Many of them have what a careless reader takes for an eye: dark discs in bright rings, vessels on
red, an almond outline. Animal eyes, drawn eyes and the inside of an eye (a fundus) belong here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.eyes.rendered import plain_scenes, round_things
from engine.eyes.rendered.camera import photograph
from engine.eyes.rendered.noise import Field

__all__ = ["KINDS", "render_not_an_eye"]

_Drawer = Callable[[np.random.Generator, tuple[int, int]], Field]

_DRAWERS: Final[dict[str, _Drawer]] = {
    "fundus": round_things.fundus,
    "drawn_eye": round_things.drawn_eye,
    "animal_eye": round_things.animal_eye,
    "ball": round_things.ball,
    "rings": round_things.rings,
    "wheel": round_things.wheel,
    "cells": round_things.cells,
    "skin": plain_scenes.skin,
    "mouth": plain_scenes.mouth,
    "nostrils": plain_scenes.nostrils,
    "ear": plain_scenes.ear,
    "fur": plain_scenes.fur,
    "landscape": plain_scenes.landscape,
    "text": plain_scenes.text,
    "code": plain_scenes.code,
    "texture": plain_scenes.texture,
    "gradient": plain_scenes.gradient,
    "shapes": plain_scenes.shapes,
    "slice": plain_scenes.body_slice,
}

KINDS: Final = tuple(_DRAWERS)
"""Names of what :func:`render_not_an_eye` can draw."""


def render_not_an_eye(
    rng: np.random.Generator, *, size: tuple[int, int] = (192, 216), kind: str | None = None
) -> NDArray[np.uint8]:
    """Draw something that is no outside of a human eye; return ``(H, W, 3) uint8 RGB``.

    Parameters
    ----------
    rng
        Everything random comes from here.
    size
        (H, W) in pixels, at least 16 each.
    kind
        One of :data:`KINDS`; None chooses by chance.

    Raises
    ------
    InputError
        When the kind is unknown or the size too small.
    """
    if min(size) < 16:
        raise InputError(f"A rendered picture needs at least 16×16 px, but got {size}.")
    if kind is None:
        kind = KINDS[int(rng.integers(len(KINDS)))]
    if kind not in _DRAWERS:
        raise InputError(f"Kinds are {', '.join(KINDS)}, but got {kind!r}.")
    planes = np.clip(_DRAWERS[kind](rng, size), 0, 1).astype(np.float32)
    return photograph(rng, planes)
