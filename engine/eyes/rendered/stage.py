"""One drawing in progress: the traits, the fields of coordinates, and strokes made into masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.eyes.rendered.geometry import Curves, Placement
from engine.eyes.rendered.noise import Field, smoothstep, soften
from engine.eyes.rendered.traits import Traits

__all__ = ["Stage", "filled", "strokes"]

_SHIFT: Final = 4  # strokes are placed to 1/16 pixel


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything that the layers of a drawing share.

    ``u``, ``v`` are the eye's coordinates of each pixel; ``above`` and ``below`` the distances
    above the upper and below the lower lid's edge in eye widths (negative towards the opening).
    ``opening`` is 1 inside the opening and 0 outside, with a one-pixel ramp; ``upper`` is 1 on
    the upper lid's side of the eye's middle line and 0 on the lower one's. All ``(H, W)``.
    ``scale`` is pixels per eye width.
    """

    rng: np.random.Generator
    traits: Traits
    placement: Placement
    curves: Curves
    u: Field
    v: Field
    above: Field
    below: Field
    opening: Field
    upper: Field
    scale: float

    @classmethod
    def build(
        cls, rng: np.random.Generator, traits: Traits, placement: Placement, curves: Curves
    ) -> Stage:
        """Compute the fields."""
        u, v = placement.coordinates()
        above = -v - curves.read(curves.upper, u)
        below = v - curves.read(curves.lower, u)
        depth = -np.maximum(above, below)
        ramp = 0.6 / placement.scale_px
        return cls(
            rng=rng,
            traits=traits,
            placement=placement,
            curves=curves,
            u=u,
            v=v,
            above=above,
            below=below,
            opening=smoothstep(depth, -ramp, ramp),
            upper=smoothstep(above - below, -0.02, 0.02),
            scale=placement.scale_px,
        )

    def around_opening(self) -> tuple[Stage, tuple[slice, slice]] | None:
        """Return the part of the drawing that shows the eyeball, and its rows and columns.

        None when nothing of the opening is in the picture.
        """
        shown = self.opening > 0
        rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
        if not rows.size:
            return None
        place = (
            slice(int(rows[0]), int(rows[-1]) + 1),
            slice(int(columns[0]), int(columns[-1]) + 1),
        )
        matrix = self.placement.to_pixels.copy()
        matrix[:, 2] -= (place[1].start, place[0].start)
        size = (place[0].stop - place[0].start, place[1].stop - place[1].start)
        part = replace(
            self,
            placement=Placement(to_pixels=matrix, size=size),
            u=np.ascontiguousarray(self.u[place]),
            v=np.ascontiguousarray(self.v[place]),
            above=np.ascontiguousarray(self.above[place]),
            below=np.ascontiguousarray(self.below[place]),
            opening=np.ascontiguousarray(self.opening[place]),
            upper=np.ascontiguousarray(self.upper[place]),
        )
        return part, place

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the drawing."""
        return self.placement.size

    @property
    def iris_centre(self) -> tuple[float, float]:
        """(u, v) of the middle of the iris."""
        du, dv = self.traits.gaze
        return du, self.curves.middle + dv


def strokes(
    stage: Stage, paths: NDArray[np.float64], *, values: Sequence[int], thickness_px: float
) -> Field:
    """Draw open lines given as (n, points, 2) eye coordinates; return a mask in 0..1 (H, W).

    Lines thinner than a pixel are drawn one pixel thick and paler, as a camera would see them.
    """
    canvas = np.zeros(stage.shape, np.uint8)
    lines = _fixed(stage.placement.pixels(paths))
    paleness = min(1.0, 0.15 + 0.85 * thickness_px)
    thick = max(1, round(thickness_px))
    levels = np.asarray(values)
    for level in np.unique(levels):
        chosen = [lines[k] for k in np.flatnonzero(levels == level)]
        cv2.polylines(canvas, chosen, False, int(level), thick, cv2.LINE_AA, _SHIFT)
    return canvas.astype(np.float32) * np.float32(paleness / 255)


def filled(stage: Stage, outlines: Sequence[NDArray[np.float64]], *, soft_px: float = 0.0) -> Field:
    """Fill closed outlines given as (points, 2) eye coordinates; return a mask in 0..1 (H, W)."""
    canvas = np.zeros(stage.shape, np.uint8)
    for outline in outlines:
        fixed = _fixed(stage.placement.pixels(outline))
        cv2.fillPoly(canvas, [fixed], 255, cv2.LINE_AA, _SHIFT)
    mask = canvas.astype(np.float32) * np.float32(1 / 255)
    return soften(mask, soft_px)


def _fixed(pixels: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the fixed-point numbers that cv2 draws with; its (0, 0) is a pixel's centre."""
    scaled = np.rint((pixels - 0.5) * (1 << _SHIFT))
    return scaled.clip(-(2**24), 2**24).astype(np.int32)
