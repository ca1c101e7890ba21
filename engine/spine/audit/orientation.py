"""Is this scan upside down, back to front, mirrored or turned? Asked of the vertebrae alone.

Each witness gives log odds for the wrong way round. What the names say is kept apart from what the
anatomy says, because a scan that is upside down and names that run backwards look alike otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import final

import numpy as np
from numpy.typing import NDArray

from engine.spine.audit.anchors import Anchors
from engine.spine.audit.findings import Axis
from engine.spine.vertebrae import Point, Vertebra, level_of

__all__ = ["Probe", "probe", "turn_anchors", "turn_point", "turn_vertebra"]

Floats = NDArray[np.float64]
Axes = tuple[Axis, Axis, Axis]

SURE = 3.0
"""Log odds from which a direction is told (20 to 1)."""
SIZE_LOG_ODDS_PER_STEP = 0.9
"""Bodies grow by about 3.5 % in height and 7 % in volume per level; see ``_growth``."""
CURVE_ODDS_PER_MM = 0.45
CURVE_FREE_MM = 3.0
"""Straight spines exist: a bend of this much the wrong way says nothing."""
MIRRORED_MM = 25.0
"""The liver's centre lies farther than this to the right of the spine."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What the orientation probe says; ``axes`` turn the scan right (``("x", "y", "z")``: it is).

    ``upside_down`` and ``names_reversed`` may both be False although names run upwards: then
    ``names_run_up`` is True and nothing tells which of the two it is.
    """

    axes: Axes
    turned: bool
    upside_down: bool
    names_run_up: bool
    names_reversed: bool
    back_to_front: bool
    left_right: bool


def probe(vertebrae: Sequence[Vertebra], anchors: Anchors) -> Probe:
    """Look at names, sizes, arches, curvature and landmarks."""
    turned = _turned(vertebrae)
    straight = [turn_vertebra(v, turned) for v in vertebrae]
    landmarks = turn_anchors(anchors, turned)
    up = _names_run_up(straight)
    odds = _upside_down_odds(straight, landmarks)
    flipped = odds > SURE or (up and odds > -SURE)
    if flipped:
        straight = [turn_vertebra(v, ("x", "y", "-z")) for v in straight]
        landmarks = turn_anchors(landmarks, ("x", "y", "-z"))
    backwards = _back_to_front_odds(straight, landmarks) > SURE
    mirrored = _left_right(straight, landmarks)
    signs = ("-" if mirrored else "", "-" if backwards else "", "-" if flipped else "")
    return Probe(
        axes=_compose(signs, turned),
        turned=turned != ("x", "y", "z"),
        upside_down=odds > SURE,
        names_run_up=up,
        names_reversed=(up and odds < -SURE) or (not up and odds > SURE and _named(straight) > 1),
        back_to_front=backwards,
        left_right=mirrored,
    )


def turn_point(point: Point, axes: Axes) -> Point:
    """Return a point in turned axes.

    >>> turn_point((1.0, 2.0, 3.0), ("x", "-y", "-z"))
    (1.0, -2.0, -3.0)
    """
    values = dict(zip("xyz", point, strict=True))
    x, y, z = (-values[a[-1]] if a.startswith("-") else values[a[-1]] for a in axes)
    return x, y, z


def turn_vertebra(vertebra: Vertebra, axes: Axes) -> Vertebra:
    """Return a vertebra with centre, bounds and arch in turned axes."""
    bounds = vertebra.bounds_mm
    if bounds is not None:
        corners = np.array([turn_point(corner, axes) for corner in bounds])
        low, high = corners.min(axis=0), corners.max(axis=0)
        bounds = (_point(low), _point(high))
    return replace(
        vertebra,
        centre_mm=turn_point(vertebra.centre_mm, axes),
        bounds_mm=bounds,
        arch_mm=None if vertebra.arch_mm is None else turn_point(vertebra.arch_mm, axes),
    )


def turn_anchors(anchors: Anchors, axes: Axes) -> Anchors:
    """Return landmarks in turned axes."""

    def turned(point: Point | None) -> Point | None:
        return None if point is None else turn_point(point, axes)

    return replace(
        anchors,
        sacrum_mm=turned(anchors.sacrum_mm),
        dens_mm=turned(anchors.dens_mm),
        skull_mm=turned(anchors.skull_mm),
        liver_mm=turned(anchors.liver_mm),
        rib_heads_mm=tuple(turn_point(p, axes) for p in anchors.rib_heads_mm),
    )


def _turned(vertebrae: Sequence[Vertebra]) -> Axes:
    """Which axis the spine runs along: swaps it with z when it is not z."""
    if len(vertebrae) < 3:
        return ("x", "y", "z")
    spread = np.ptp(np.array([v.centre_mm for v in vertebrae]), axis=0)
    if spread[0] > 1.7 * spread[2] and spread[0] >= spread[1]:
        return ("z", "y", "-x")
    if spread[1] > 1.7 * spread[2]:
        return ("x", "z", "-y")
    return ("x", "y", "z")


def _compose(signs: tuple[str, str, str], axes: Axes) -> Axes:
    def signed(sign: str, axis: Axis) -> Axis:
        flipped: Axis = axis[1:] if axis.startswith("-") else f"-{axis}"  # type: ignore[assignment] # again one of the six
        return flipped if sign else axis

    return signed(signs[0], axes[0]), signed(signs[1], axes[1]), signed(signs[2], axes[2])


def _named(vertebrae: Sequence[Vertebra]) -> int:
    return sum(level_of(v.label) is not None for v in vertebrae)


def _names_run_up(vertebrae: Sequence[Vertebra]) -> bool:
    """Whether names, read from the top, run from the foot to the head."""
    known = [(v.centre_mm[2], at) for v in vertebrae if (at := level_of(v.label)) is not None]
    if len(known) < 2:
        return False
    known.sort(key=lambda pair: -pair[0])
    places = np.array([place for _, place in known])
    pairs = np.sign(places[None, :] - places[:, None])[np.triu_indices(len(places), 1)]
    return bool(pairs.sum() < 0)


def _upside_down_odds(vertebrae: Sequence[Vertebra], anchors: Anchors) -> float:
    """Log odds that the feet are up, from anatomy alone."""
    heights = np.array([v.centre_mm[2] for v in vertebrae])
    odds = 0.0
    if anchors.sacrum_mm is not None and len(heights):
        odds += 6.0 * float(np.sign(anchors.sacrum_mm[2] - heights.mean()))
    if anchors.skull_mm is not None and len(heights):
        odds += 6.0 * float(np.sign(heights.mean() - anchors.skull_mm[2]))
    odds += _growth(vertebrae)
    return odds


def _growth(vertebrae: Sequence[Vertebra]) -> float:
    """Log odds from sizes: they grow towards the feet everywhere but in the last lumbar ones.

    The robust slope (median of all pairs) of log size per level is compared with +g (right way)
    and −g (upside down); the spread of sizes within a person sets the weight.
    """
    whole = sorted((v for v in vertebrae if not v.truncated), key=lambda v: -v.centre_mm[2])
    odds = []
    for name, growth, sd in (("volume_ml", 0.07, 0.17), ("height_mm", 0.03, 0.14)):
        values = np.array([getattr(v, name) or np.nan for v in whole], dtype=np.float64)
        good = np.flatnonzero(np.isfinite(values))
        if len(good) < 4:
            continue
        a, b = np.triu_indices(len(good), 1)
        slope = float(np.median((np.log(values[good[b]]) - np.log(values[good[a]])) / (b - a)))
        error = sd * np.sqrt(12.0 / (len(good) * (len(good) ** 2 - 1.0)))
        error = float(np.hypot(error, 0.015))  # proportions differ between people
        odds.append(-2.0 * growth * slope / error**2)
    steps = np.array([np.subtract(b.centre_mm, a.centre_mm) for a, b in pairwise(whole)])
    if len(steps) >= 5 and not odds:
        lengths = np.log(np.linalg.norm(steps, axis=1))
        a, b = np.triu_indices(len(lengths), 1)
        slope = float(np.median((lengths[b] - lengths[a]) / (b - a)))
        error = 0.15 * np.sqrt(12.0 / (len(lengths) * (len(lengths) ** 2 - 1.0)))
        odds.append(-2.0 * 0.03 * slope / float(np.hypot(error, 0.015)) ** 2)
    return float(np.clip(np.mean(odds), -8.0, 8.0)) * SIZE_LOG_ODDS_PER_STEP if odds else 0.0


def _back_to_front_odds(vertebrae: Sequence[Vertebra], anchors: Anchors) -> float:
    """Log odds that front and back are exchanged: arches, then curvature, then the sacrum."""
    arches = np.array([v.arch_mm for v in vertebrae if v.arch_mm is not None and not v.truncated])
    if len(arches):
        share = arches[:, 1] / np.linalg.norm(arches, axis=1)
        return 10.0 * float(np.clip(2.0 * np.median(share), -1.0, 1.0))
    odds = _bend_odds(vertebrae, "L", 1.0) + _bend_odds(vertebrae, "T", -1.0)
    low = [v for v in vertebrae if v.label in ("L4", "L5")]
    if anchors.sacrum_mm is not None and len(low) == 2:
        # L5's axis leans backwards going down: S1 lies behind the line through L4 and L5 mostly.
        behind = low[-1].centre_mm[1] - anchors.sacrum_mm[1]
        odds += float(np.clip(-0.15 * (behind - 5.0), -2.5, 2.5))
    return odds


def _bend_odds(vertebrae: Sequence[Vertebra], region: str, front: float) -> float:
    """Lumbar bodies bow to the front, thoracic ones to the back: the bow against its chord, mm."""
    part = sorted(
        (v.centre_mm for v in vertebrae if v.label.startswith(region)), key=lambda p: -p[2]
    )
    if len(part) < 4:
        return 0.0
    points = np.array(part)
    chord = np.interp(points[::-1, 2], points[[-1, 0], 2], points[[-1, 0], 1])[::-1]
    inner = (points[:, 1] - chord)[1:-1]
    bow = front * float(inner[np.argmax(np.abs(inner))])
    beyond = float(np.sign(bow) * max(abs(bow) - CURVE_FREE_MM, 0.0))
    return float(np.clip(-CURVE_ODDS_PER_MM * beyond, -5.0, 5.0))


def _left_right(vertebrae: Sequence[Vertebra], anchors: Anchors) -> bool:
    if anchors.liver_mm is None or not vertebrae:
        return False
    middle = float(np.median([v.centre_mm[0] for v in vertebrae]))
    return anchors.liver_mm[0] - middle < -MIRRORED_MM


def _point(values: Floats) -> Point:
    return float(values[0]), float(values[1]), float(values[2])
