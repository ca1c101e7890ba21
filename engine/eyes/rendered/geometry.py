"""Where things are: from pixels to the eye's own coordinates, and the curves of the lids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.eyes.rendered.noise import Field
from engine.eyes.rendered.traits import Lids, Stye
from engine.eyes.rendered.truth import Framing, Point

__all__ = ["Curves", "Placement", "choose_framing", "lid_curves", "sample_placement"]

_REACH: Final = 2.0  # the lids' curves are tabulated for u in -2..2
_STEPS: Final = 801


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """An affine map between the eye's coordinates (u, v) and pixels (x, y).

    ``to_pixels`` is ``(2, 3) float64``; the inner corner is at (-0.5, 0), the outer at (0.5, 0).
    """

    to_pixels: NDArray[np.float64]
    size: tuple[int, int]

    @property
    def scale_px(self) -> float:
        """Pixels per eye width, along and across on average."""
        return float(np.sqrt(abs(np.linalg.det(self.to_pixels[:, :2]))))

    def pixel(self, u: float, v: float) -> Point:
        """Return the pixel (x, y) of an eye coordinate."""
        x, y = self.to_pixels @ (u, v, 1.0)
        return float(x), float(y)

    def pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return pixels (..., 2) of eye coordinates (..., 2)."""
        return points @ self.to_pixels[:, :2].T + self.to_pixels[:, 2]

    def coordinates(self) -> tuple[Field, Field]:
        """Return u and v of every pixel, each ``(H, W) float32``."""
        inverse = np.linalg.inv(self.to_pixels[:, :2])
        offset = -inverse @ self.to_pixels[:, 2]
        x = np.arange(self.size[1]) + 0.5
        y = np.arange(self.size[0]) + 0.5
        fields = [
            ((inverse[k, 0] * x + offset[k])[None, :] + (inverse[k, 1] * y)[:, None]).astype(
                np.float32
            )
            for k in (0, 1)
        ]
        return fields[0], fields[1]


def _sample_width(rng: np.random.Generator, framing: Framing) -> float:
    """Return the eye's width over the picture's width."""
    low, high = {
        "half_face": (0.25, 0.45),
        "region": (0.42, 0.82),
        "close_up": (0.82, 1.35),
        "iris": (1.3, 2.7),
        "canonical": (0.66, 0.77),
    }[framing]
    return float(rng.uniform(low, high))


def choose_framing(rng: np.random.Generator) -> Framing:
    """Return a framing by chance, as often as collections of pictures have them (about)."""
    choices: tuple[Framing, ...] = ("half_face", "region", "close_up", "iris", "canonical")
    return choices[int(rng.choice(5, p=(0.13, 0.31, 0.24, 0.16, 0.16)))]


def sample_placement(
    rng: np.random.Generator, *, framing: Framing, size: tuple[int, int]
) -> Placement:
    """Choose where the eye lies in a picture of ``size`` (H, W): scale, roll, stretch, side."""
    height, width = size
    if framing == "any":
        framing = choose_framing(rng)
    steady = framing == "canonical"
    scale = _sample_width(rng, framing) * min(width, height * 1.3)
    roll = rng.normal(0, 0.04 if steady else 0.16)
    stretch = float(np.exp(rng.normal(0, 0.05 if steady else 0.14)))
    shear = rng.normal(0, 0.03 if steady else 0.1)
    nose_left = rng.uniform() < 0.5
    shape = np.array([[scale if nose_left else -scale, shear * scale], [0, scale / stretch]])
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    linear = turn @ shape
    freedom = 0.02 if steady else 0.08
    middle = np.array([width / 2, height / 2]) + rng.normal(0, freedom, 2) * (
        width,
        height,
    )
    return Placement(to_pixels=np.column_stack([linear, middle]), size=size)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """The lids' edges as tables over u in -2..2: opening where ``-upper(u) < v < lower(u)``."""

    upper: NDArray[np.float32]
    lower: NDArray[np.float32]

    def read(self, table: NDArray[np.float32], u: Field) -> Field:
        """Return a table's value at every u."""
        position = (u + np.float32(_REACH)) * np.float32((_STEPS - 1) / (2 * _REACH))
        row = np.zeros_like(position)
        return np.asarray(
            cv2.remap(
                table[None, :],
                position,
                row,
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            ),
            np.float32,
        )

    def at(self, table: NDArray[np.float32], u: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a table's value at single places."""
        return np.interp(u, np.linspace(-_REACH, _REACH, _STEPS), table.astype(np.float64))

    @property
    def openness(self) -> float:
        """Largest height of the opening, in eye widths."""
        return float(max(0.0, (self.upper + self.lower).max()))

    @property
    def middle(self) -> float:
        """Height v of the opening's middle at its highest place."""
        k = int((self.upper + self.lower).argmax())
        return float(self.lower[k] - self.upper[k]) / 2


def _arch(u: NDArray[np.float64], peak: float, inner: float, outer: float) -> NDArray[np.float64]:
    """Return an arch from corner to corner of height ``peak`` that falls off beyond them."""
    t = np.clip(u + 0.5, 0, 1)
    shape = t**inner * (1 - t) ** outer
    beyond = np.maximum(np.abs(u) - 0.5, 0)
    arch: NDArray[np.float64] = peak * shape / shape.max() - 0.7 * beyond
    return arch


def lid_curves(lids: Lids, stye: Stye | None) -> Curves:
    """Tabulate both edges; a stye pushes its lid into the opening."""
    u = np.linspace(-_REACH, _REACH, _STEPS)
    upper = _arch(u, lids.upper, lids.upper_inner, lids.upper_outer)
    lower = _arch(u, lids.lower, lids.lower_inner, lids.lower_outer)
    if stye is not None:
        bump = np.exp(-(((u - stye.u) / stye.radius) ** 2))
        push = stye.height * stye.radius * (0.55 if stye.lid == "upper" else 0.4) * bump
        inside = np.clip(10 * (0.5 - np.abs(u)), 0, 1)
        if stye.lid == "upper":
            upper = np.maximum(upper - push * inside, np.minimum(upper, -0.2 * lower))
        else:
            lower = np.maximum(lower - push * inside, np.minimum(lower, -0.2 * upper))
    return Curves(upper=upper.astype(np.float32), lower=lower.astype(np.float32))
