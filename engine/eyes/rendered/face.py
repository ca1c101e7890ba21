"""A whole face around two rendered eyes: drawn well enough for face finders, not for people.

Lengths are in eye widths from the middle between the eyes; X points right, Y down. The proportions
are those of drawing schools: five eye widths across, eyes halfway up the head.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.eyes.rendered.camera import photograph
from engine.eyes.rendered.drawing import describe, draw_skin_and_eye
from engine.eyes.rendered.geometry import Placement
from engine.eyes.rendered.noise import Field, blend, cloud, fractal, gaussian, smoothstep
from engine.eyes.rendered.traits import Light, Skin, Traits, sample_skin, sample_traits
from engine.eyes.rendered.truth import Condition, RenderedFace
from engine.imaging.boxes import Box

__all__ = ["render_face"]

_Side = Literal["left", "right"]

_APART: Final = 1.06  # from the middle of the face to the middle of an eye
_NOSE: Final = 1.35
_MOUTH: Final = 2.1
_CHIN: Final = 3.15
_WIDTH: Final = 2.35
_TOP: Final = -2.6


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """Where the head is: middle between the eyes and eye width in pixels, roll in radians."""

    x: float
    y: float
    scale: float
    roll: float
    size: tuple[int, int]

    def placement(self, side: Literal["left", "right"]) -> Placement:
        """Return the place of the *person's* left or right eye in the picture."""
        # The person's left eye is on the right of the picture, with the nose to its left.
        sign = 1.0 if side == "left" else -1.0
        turn = np.array(
            [[np.cos(self.roll), -np.sin(self.roll)], [np.sin(self.roll), np.cos(self.roll)]]
        )
        linear = turn @ np.array([[sign * self.scale, 0.0], [0.0, self.scale]])
        middle = np.array([self.x, self.y]) + turn @ (sign * _APART * self.scale, 0.0)
        return Placement(to_pixels=np.column_stack([linear, middle]), size=self.size)

    def coordinates(self) -> tuple[Field, Field]:
        """Return X and Y of every pixel."""
        matrix = self.placement("left").to_pixels.copy()
        matrix[:, 2] = (self.x, self.y)
        return Placement(to_pixels=matrix, size=self.size).coordinates()


def render_face(
    rng: np.random.Generator,
    *,
    left: Condition = "Healthy",
    right: Condition = "Healthy",
    size: tuple[int, int] = (480, 640),
) -> RenderedFace:
    """Draw a face whose eyes show ``left`` and ``right`` (the *person's* own), by some camera.

    Parameters
    ----------
    rng
        Everything random comes from here.
    left, right
        What the eyes show.
    size
        (H, W) in pixels, at least 160 each; 480×640 is a webcam's.

    Raises
    ------
    InputError
        When a condition is unknown or the size too small.
    """
    if min(size) < 160:
        raise InputError(f"A rendered face needs at least 160×160 px, but got {size}.")
    height, width = size
    scale = float(rng.uniform(0.105, 0.125) * height)
    head = _Head(
        x=width / 2 + float(rng.normal(0, 0.03) * width),
        y=height * float(rng.uniform(0.43, 0.49)),
        scale=scale,
        roll=float(rng.normal(0, 0.04)),
        size=size,
    )
    skin = _calm(sample_skin(rng))
    light = Light(
        x=float(rng.normal(0, 0.5)),
        y=-0.5,
        strength=float(rng.uniform(0.02, 0.12)),
        ambient=float(rng.uniform(0.95, 1.1)),
    )
    seed = int(rng.integers(2**32))
    eyes = _matching_traits(rng, left=left, right=right, skin=skin, light=light)
    planes, labels = _both_eyes(head, eyes, seed)
    _put_features(rng, planes, head, skin)
    _put_outside(rng, planes, head, skin)
    picture = photograph(rng, planes)
    described = {
        side: describe(picture, labels[side], eyes[side], head.placement(side))
        for side in ("left", "right")
    }
    return RenderedFace(
        picture=picture, box=_face_box(head), left=described["left"], right=described["right"]
    )


def _calm(skin: Skin) -> Skin:
    """Return skin without what would repeat on both sides of the face."""
    return replace(
        skin, freckles=0.0, wrinkles=0.5 * skin.wrinkles, brow=max(skin.brow, 0.6), shadow=None
    )


def _matching_traits(
    rng: np.random.Generator, *, left: Condition, right: Condition, skin: Skin, light: Light
) -> dict[_Side, Traits]:
    """Choose two eyes of one person: only what the condition changes may differ."""
    first = sample_traits(rng, condition=left, skin=skin, light=light)
    other = sample_traits(rng, condition=right, skin=skin, light=replace(light, x=-light.x))
    openness = float(rng.uniform(0.3, 0.42))
    lids = replace(first.lids, upper=0.58 * openness, lower=0.42 * openness)
    look = float(np.clip(rng.normal(0, 0.05), -0.12, 0.12))
    down = float(rng.normal(0, 0.015))
    first = replace(first, lids=lids, gaze=(look, down), slit_lamp=0.0)
    second = replace(
        other,
        lids=lids,
        gaze=(-look, down),
        slit_lamp=0.0,
        sclera=first.sclera,
        iris_outer=first.iris_outer,
        iris_inner=first.iris_inner,
        iris_radius=first.iris_radius,
        iris_contrast=first.iris_contrast,
        limbus=first.limbus,
        limbal_ring=first.limbal_ring,
        reflections=first.reflections,
    )
    if "Cataract" not in (left, right):
        second = replace(second, pupil_ratio=first.pupil_ratio)
    return {"left": first, "right": second}


def _both_eyes(
    head: _Head, eyes: dict[_Side, Traits], seed: int
) -> tuple[Field, dict[_Side, NDArray[np.uint8]]]:
    """Draw each eye over the picture and join the two along the middle of the face."""
    scenes: dict[_Side, Field] = {}
    labels: dict[_Side, NDArray[np.uint8]] = {}
    for side in ("left", "right"):
        # The same seed on both sides: brows, folds and lashes come out as mirror images.
        rng = np.random.default_rng(seed)
        scenes[side], labels[side] = draw_skin_and_eye(rng, eyes[side], head.placement(side))
    x, _ = head.coordinates()
    share = smoothstep(x, -0.45, 0.45)
    planes = scenes["right"] + share * (scenes["left"] - scenes["right"])
    return planes, labels


def _put_features(rng: np.random.Generator, planes: Field, head: _Head, skin: Skin) -> None:
    """Draw nose, mouth, cheeks and chin."""
    x, y = head.coordinates()
    away = np.abs(x)
    shade = np.ones(head.size, np.float32)
    bridge = smoothstep(y, -0.9, 0.0) * smoothstep(y, 1.5, 1.1)
    shade += np.float32(0.13) * gaussian(x, 0, 0.17) * bridge
    wings = smoothstep(y, 0.1, 1.2) * smoothstep(y, 1.6, 1.4)
    shade -= np.float32(0.2) * gaussian(away, 0.5, 0.11) * wings
    shade -= np.float32(0.34) * gaussian(y, _NOSE + 0.17, 0.06) * gaussian(x, 0, 0.36)
    shade -= np.float32(0.1) * gaussian(away - 0.35 * (y - 1.2), 0.6, 0.06) * gaussian(y, 1.65, 0.3)
    shade += np.float32(0.1) * gaussian(away, 1.35, 0.5) * gaussian(y, 1.0, 0.5)
    shade -= np.float32(0.2) * gaussian(y, _MOUTH + 0.48, 0.09) * gaussian(x, 0, 0.5)
    shade += np.float32(0.08) * gaussian(y, -1.3, 0.5) * gaussian(x, 0, 1.2)
    rim = np.hypot(x / _WIDTH, (y - 0.3) / (_CHIN - 0.3))
    shade -= np.float32(0.4) * smoothstep(rim, 0.7, 1.05)
    planes *= np.clip(shade, 0.2, 1.4)
    hole = np.exp(-(((away - 0.2) / 0.1) ** 2) - (((y - _NOSE) / 0.055) ** 2))
    blend(planes, hole * np.float32(0.85), (0.12, 0.06, 0.05))
    _put_mouth(rng, planes, x, y, skin)


def _put_mouth(rng: np.random.Generator, planes: Field, x: Field, y: Field, skin: Skin) -> None:
    half = rng.uniform(0.68, 0.86)
    arch = np.clip(1 - (x / np.float32(half)) ** 2, 0, 1)
    line = y - np.float32(_MOUTH) + np.float32(rng.uniform(-0.02, 0.08)) * (1 - arch)
    bow = np.float32(0.05) * np.exp(-((x / np.float32(0.12)) ** 2))
    upper = smoothstep(-line, 0.0, 0.03) * smoothstep(
        -line, 0.17 * arch - bow + 0.03, 0.17 * arch - bow
    )
    lower = smoothstep(line, 0.0, 0.03) * smoothstep(line, 0.22 * arch + 0.03, 0.22 * arch)
    tone = skin.tone
    red = (tone[0] * 0.82, tone[1] * 0.5, tone[2] * 0.52)
    lips = np.clip(upper + lower, 0, 1) * (arch > 0.01)
    blend(planes, lips * np.float32(rng.uniform(0.5, 0.9)), red)
    gap = gaussian(line, 0, 0.022) * (arch > 0.01)
    blend(planes, gap * np.float32(0.8), (0.16, 0.07, 0.06))


def _put_outside(rng: np.random.Generator, planes: Field, head: _Head, skin: Skin) -> None:
    """Put hair, neck, clothes and a room around the face."""
    x, y = head.coordinates()
    edge = 0.06
    tall = np.where(y < 0.3, 0.3 - _TOP, _CHIN - 0.3).astype(np.float32)
    jaw = 1 + np.float32(0.12) * smoothstep(y, 1.2, 3.0)
    rim = np.asarray(np.hypot(x * jaw / _WIDTH, (y - 0.3) / tall), np.float32)
    room = np.empty_like(planes)
    room[:] = rng.uniform(0.1, 0.85, 3).astype(np.float32)[:, None, None]
    room *= 1 + np.float32(0.12) * fractal(rng, head.size, head.size[1] / 3)
    neck = smoothstep(np.abs(x), 1.35, 1.25) * smoothstep(y, 1.5, 2.0)
    darker = (skin.tone[0] * 0.62, skin.tone[1] * 0.58, skin.tone[2] * 0.58)
    blend(room, neck, darker)
    slope = np.float32(0.22) * np.clip(np.abs(x) - np.float32(1.3), 0, None)
    shoulders = smoothstep(y - slope, 4.0, 4.15)
    cloth = rng.uniform(0.05, 0.8, 3)
    blend(room, shoulders, (float(cloth[0]), float(cloth[1]), float(cloth[2])))
    for sign in (-1.0, 1.0):
        ear = np.hypot((x - sign * _WIDTH * 1.02) / 0.3, (y - 0.7) / 0.62)
        blend(room, smoothstep(ear, 1.05, 0.95), (skin.tone[0] * 0.8, *skin.tone[1:]))
    hair_rim = np.hypot(x / np.float32(_WIDTH * 1.12), (y + 0.1) / np.float32(2.95))
    long = rng.uniform() < 0.35
    lowest = 2.5 if long else rng.uniform(-0.6, 0.1)
    head_hair = smoothstep(hair_rim, 1.0 + edge, 1.0 - edge) * smoothstep(y, lowest + 0.3, lowest)
    strands = 1 + np.float32(0.2) * cloud(rng, head.size, 2.5)
    hair = np.array(skin.hair, np.float32)[:, None, None] * strands
    room += head_hair * (hair - room)
    face = smoothstep(rim, 1.0 + edge / 2, 1.0 - edge / 2)
    planes += (1 - face) * (room - planes)
    line = rng.uniform(-1.9, -1.55) + np.float32(0.35) * np.clip(x / _WIDTH, -1, 1) ** 2
    fringe = smoothstep(y, line + 0.08, line - 0.08) * smoothstep(hair_rim, 1.05, 0.98)
    planes += fringe * (hair - planes)


def _face_box(head: _Head) -> Box:
    """Return the box from brows to chin and from cheek to cheek, as face finders draw it."""
    half = _WIDTH * head.scale
    top, bottom = head.y - 1.5 * head.scale, head.y + _CHIN * head.scale
    return Box(head.x - half, top, 2 * half, bottom - top)
