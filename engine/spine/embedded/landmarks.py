"""What the maps show beside the row of bodies: sacrum, skull, ribs, and how large the bodies are.

Distances along the spine are counted in levels: 0 is the first body of the row, 1 the next one,
and so on past both ends. Gives evidence only; :mod:`engine.spine.embedded.naming` weighs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from engine.spine.audit import Anchors
from engine.spine.embedded.column import Body
from engine.spine.embedded.maps import SpineMaps
from engine.spine.vertebrae import Point

__all__ = ["Landmarks", "Line", "read_landmarks"]

Floats = NDArray[np.float64]

LEAST_ML = 4.0
"""Less sacrum or skull than this is a mistake of the network or hardly in view."""
MIDDLE_MM, SKULL_REACH_MM, SACRUM_REACH_MM = 17.0, 30.0, 55.0
S1_MM = 24.0
RIB_REACH_MM = (10.0, 42.0)
"""Heads and necks of ribs lie this far beside the line of the bodies' centres."""
RIB_BEHIND_MM = (-14.0, 40.0)
RIB_SHIFT = 0.22
"""Necks of ribs lie this part of a level above the centre of their vertebra."""
RIB_ML = 0.8
"""Volume of head and neck in view of an ordinary rib; a quarter of it may be a false voxel."""
SEEN_RIB = 0.45
RIB_VIEW_MM = 34.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Landmarks:
    """Evidence beside ``n`` bodies.

    ``sacrum_level`` is where S1's centre lies below the row, counted in levels from its last body
    (1: directly below it); ``skull_level`` where the foramen magnum lies above its first body.
    None when not seen. ``room_above`` and ``room_below`` are how many levels of image there are
    beyond the row's ends. ``ribs`` ``(n, 2)`` is the volume in ml of rib beside each body (left,
    right), ``rib_view`` ``(n,)`` whether both sides are in view. ``body_ml`` ``(n,)`` is the
    volume that the network calls body.
    """

    sacrum_mm: Point | None
    sacrum_level: float | None
    skull_mm: Point | None
    skull_level: float | None
    room_above: float
    room_below: float
    ribs: Floats
    rib_view: NDArray[np.bool_]
    rib_heads_mm: tuple[tuple[Point | None, Point | None], ...]
    body_ml: Floats

    def rib_chances(self) -> Floats:
        """Return how likely each body carries ribs, ``(n,)``; NaN where the view is too narrow."""
        share = np.clip(self.ribs / RIB_ML, 0.0, 1.0)
        chance = 0.65 * share.max(axis=1, initial=0.0) + 0.35 * share.mean(axis=1)
        return np.where(self.rib_view | (chance > SEEN_RIB), chance, np.nan)

    def anchors(self) -> Anchors:
        """Return the landmarks for the numbering audit, RAS+ mm."""
        heads = tuple(
            head
            for chance, pair in zip(self.rib_chances(), self.rib_heads_mm, strict=True)
            for head in pair
            if head is not None and chance > SEEN_RIB
        )
        return Anchors(
            sacrum_mm=self.sacrum_mm,
            rib_heads_mm=heads,
            ribs_looked_for=bool(len(self.rib_view)) and bool(self.rib_view.mean() > 0.6),
            skull_mm=self.skull_mm,
        )


@final
class Line:
    """The spine's line through the bodies: where points lie along, beside and behind it."""

    def __init__(self, bodies: Sequence[Body]) -> None:
        self.centres = np.array([body.centre_mm for body in bodies])
        self.ups = np.array([body.up for body in bodies])
        self.steps = np.array([body.step_mm for body in bodies])
        side = np.array([1.0, 0.0, 0.0])
        back = np.cross(side, self.ups)  # (n, 3): up × … points to the back or to the front
        back *= np.where(back[:, 1:2] > 0, -1.0, 1.0)
        self.backs = back / np.linalg.norm(back, axis=1, keepdims=True)

    def place(self, points_mm: Floats) -> tuple[Floats, NDArray[np.int64]]:
        """Return for points ``(m, 3)`` the level along the line, and the body that is nearest.

        The level is counted in bodies of the row: 2.5 lies in the middle between the third and
        the fourth, −1 one level above the first.
        """
        nearest = np.zeros(len(points_mm), np.int64)
        level = np.zeros(len(points_mm))
        best = np.full(len(points_mm), np.inf)
        for i, (centre, up, step) in enumerate(
            zip(self.centres, self.ups, self.steps, strict=True)
        ):
            along = (points_mm - centre) @ up / step
            closer = np.abs(along) < best
            nearest[closer], level[closer] = i, i - along[closer]
            best = np.where(closer, np.abs(along), best)
        return level, nearest

    def beside(self, points_mm: Floats, nearest: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Return how far points lie to the right of the line and behind it, mm."""
        away = points_mm - self.centres[nearest]
        back = (away * self.backs[nearest]).sum(axis=1)
        along = (away * self.ups[nearest]).sum(axis=1)
        rest = away - back[:, None] * self.backs[nearest] - along[:, None] * self.ups[nearest]
        return np.asarray(np.sign(rest[:, 0]) * np.linalg.norm(rest, axis=1)), back


def read_landmarks(maps: SpineMaps, bodies: Sequence[Body]) -> Landmarks:
    """Read the evidence beside a row of at least one body."""
    line = Line(bodies)
    sacrum_mm, sacrum_level = _sacrum(maps, line)
    skull_mm, skull_level = _skull(maps, line)
    ribs, heads = _ribs(maps, line)
    return Landmarks(
        sacrum_mm=sacrum_mm,
        sacrum_level=sacrum_level,
        skull_mm=skull_mm,
        skull_level=skull_level,
        room_above=maps.room_mm(line.centres[0], line.ups[0]) / line.steps[0],
        room_below=maps.room_mm(line.centres[-1], -line.ups[-1]) / line.steps[-1],
        ribs=ribs,
        rib_view=_rib_view(maps, line),
        rib_heads_mm=heads,
        body_ml=_body_volumes(maps, line),
    )


def _voxels(maps: SpineMaps, name: str, line: Line, reach_mm: float) -> tuple[Floats, Floats]:
    """Return places (mm) and probabilities of likely voxels of a class near the spine."""
    share = maps.of(name)
    corners = maps.index(np.concatenate([line.centres - 2 * reach_mm, line.centres + 2 * reach_mm]))
    low = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, None)
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, 0, np.asarray(maps.shape))
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    at = np.argwhere(share[box] > 0.3) + low
    return maps.world(at), share[tuple(at.T)].astype(np.float64)


def _sacrum(maps: SpineMaps, line: Line) -> tuple[Point | None, float | None]:
    points, share = _voxels(maps, "sacrum", line, SACRUM_REACH_MM)
    if share.sum() * _voxel_ml(maps) < LEAST_ML:
        return None, None
    centre, up, step = line.centres[-1], line.ups[-1], line.steps[-1]
    below = (centre - points) @ up
    right, back = line.beside(points, np.full(len(points), len(line.centres) - 1))
    middle = (np.abs(right) <= MIDDLE_MM) & (back > -35.0) & (back < 45.0) & (below > 0.0)
    middle &= share > 0.5
    if middle.sum() * _voxel_ml(maps) < LEAST_ML / 4:
        return None, None
    top = float(np.percentile(below[middle], 8))
    if top > 3.2 * step:
        return None, None
    first = middle & (below <= top + S1_MM)
    first &= back <= np.median(back[first])  # the body lies in front, canal and arch behind
    point = (points[first] * share[first, None]).sum(axis=0) / share[first].sum()
    # S1's centre lies half a body below its top.
    return _point(point), float((top + S1_MM / 2) / step)


def _skull(maps: SpineMaps, line: Line) -> tuple[Point | None, float | None]:
    points, share = _voxels(maps, "skull", line, SKULL_REACH_MM)
    if share.sum() * _voxel_ml(maps) < LEAST_ML:
        return None, None
    centre, up, step = line.centres[0], line.ups[0], line.steps[0]
    above = (points - centre) @ up
    flat = np.linalg.norm(points - centre - above[:, None] * up, axis=1)
    near = (flat <= SKULL_REACH_MM) & (above > 0.0) & (share > 0.5)
    if near.sum() * _voxel_ml(maps) < LEAST_ML / 4:
        return None, None
    low = float(np.percentile(above[near], 5))
    return _point(centre + low * up), low / float(step)


def _ribs(
    maps: SpineMaps, line: Line
) -> tuple[Floats, tuple[tuple[Point | None, Point | None], ...]]:
    """Return the volume of rib (left, right) beside each body, and where its inner end is."""
    count = len(line.centres)
    volumes = np.zeros((count, 2))
    heads: list[list[Point | None]] = [[None, None] for _ in range(count)]
    points, share = _voxels(maps, "rib", line, RIB_REACH_MM[1])
    if len(points):
        level, nearest = line.place(points)
        right, back = line.beside(points, nearest)
        scale = np.clip(line.steps[nearest] / 24.0, 0.7, 1.2)
        aside = np.abs(right) / scale
        near = (aside >= RIB_REACH_MM[0]) & (aside <= RIB_REACH_MM[1])
        near &= (back / scale >= RIB_BEHIND_MM[0]) & (back / scale <= RIB_BEHIND_MM[1])
        owner = np.rint(level + RIB_SHIFT).astype(np.int64)
        for i in range(count):
            for side, sign in enumerate((-1, 1)):
                own = near & (owner == i) & (np.sign(right) == sign)
                volumes[i, side] = share[own].sum() * _voxel_ml(maps)
                if volumes[i, side] >= RIB_ML / 4:
                    heads[i][side] = _head(line, i, points[own], np.abs(right[own]))
    return volumes, tuple((left, right) for left, right in heads)


def _head(line: Line, i: int, points: Floats, aside: Floats) -> Point:
    """Return the inner end of a rib, moved along the spine to the level that it belongs to."""
    inner = aside <= np.percentile(aside, 35)
    point = points[inner].mean(axis=0)
    level = float((line.centres[i] - point) @ line.ups[i] / line.steps[i])
    wanted = float(np.clip(level, -0.4, 0.15))
    return _point(point + (level - wanted) * line.steps[i] * line.ups[i])


def _rib_view(maps: SpineMaps, line: Line) -> NDArray[np.bool_]:
    """Tell for each body whether the places of both rib necks are in the image."""
    side = np.array([RIB_VIEW_MM, 0.0, 0.0])
    behind = 12.0 * line.backs + 0.2 * line.steps[:, None] * line.ups
    ends = [maps.depth_mm(line.centres + behind + sign * side) > 0 for sign in (-1, 1)]
    return np.asarray(ends[0] & ends[1])


def _body_volumes(maps: SpineMaps, line: Line) -> Floats:
    points, share = _voxels(maps, "body", line, 30.0)
    level, nearest = line.place(points)
    right, back = line.beside(points, nearest)
    size = line.steps[nearest]
    own = (np.abs(right) < size + 8) & (np.abs(back) < size + 4) & (np.abs(level - nearest) < 0.55)
    sums = np.bincount(nearest[own], weights=share[own], minlength=len(line.centres))
    return np.asarray(sums * _voxel_ml(maps))


def _voxel_ml(maps: SpineMaps) -> float:
    return float(maps.spacing_mm**3 / 1000.0)


def _point(values: Floats) -> Point:
    return float(values[0]), float(values[1]), float(values[2])
