"""From vertebrae and landmarks to the row that is weighed: order, copies, cuts, ribs, locks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from engine.spine.audit.anatomy import SACRUM, SKULL, VARIANTS
from engine.spine.audit.anchors import Anchors
from engine.spine.audit.hypotheses import name_place
from engine.spine.audit.tiling import Row
from engine.spine.vertebrae import Bounds, Point, Vertebra

__all__ = [
    "LaidOut",
    "at_border",
    "has_body",
    "lay_out",
    "looks_cut",
    "ordered",
    "rib_bearing",
    "same_place",
    "scraps",
]

Floats = NDArray[np.float64]

BORDER_MM = 1.5
"""A box that ends within this of the field of view is cut by it."""
SAME_PLACE_SHARE = 0.3
"""Two objects nearer than this share of the usual step (and than 9 mm) are one vertebra twice."""
SAME_PLACE_MM = 9.0
CUT_SHARE = 0.62
"""An object at an end of the row below this share of its neighbour's size looks cut."""
SCRAP_SHARE = 0.4
"""A cut object below this share of the nearest whole one is a scrap."""
LOCK_REACH = 0.45
"""A landmark belongs to an object within this share of the usual step."""
RIB_SHIFT = 0.15
"""Heads of ribs 2–10 lie at the disc above their vertebra, the others beside it or, where the head
itself was not labelled, a little below: this part of a step down sorts all to their own."""

# What ignoring a landmark costs (log): a sacrum is hard to mistake, a single point less so.
SACRUM_COST, SKULL_COST, DENS_COST = 7.0, 5.0, 5.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LaidOut:
    """The row, and which of its places are objects of the list (``indices``; −1 a landmark)."""

    row: Row
    labels: tuple[str, ...]
    indices: tuple[int, ...]


def ordered(vertebrae: Sequence[Vertebra]) -> list[int]:
    """Return indices of upright vertebrae from the head down."""
    return sorted(range(len(vertebrae)), key=lambda i: -vertebrae[i].centre_mm[2])


def same_place(vertebrae: Sequence[Vertebra], order: Sequence[int]) -> list[tuple[int, int]]:
    """Return pairs (kept, copy) of objects that lie in one place."""
    points = np.array([vertebrae[i].centre_mm for i in order])
    if len(points) < 2:
        return []
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    limit = SAME_PLACE_MM
    apart = steps[steps > SAME_PLACE_MM]
    if len(apart):
        limit = min(limit, SAME_PLACE_SHARE * float(np.median(apart)))
    pairs = []
    for at in np.flatnonzero(steps < limit).tolist():
        pair = sorted((order[at], order[at + 1]), key=lambda i: -(vertebrae[i].volume_ml or 0.0))
        pairs.append((pair[0], pair[1]))
    return pairs


def at_border(vertebra: Vertebra, fov_mm: Bounds | None) -> bool:
    """Whether the border of the image cuts a vertebra, by its flag or by its box."""
    if vertebra.truncated or fov_mm is None or vertebra.bounds_mm is None:
        return vertebra.truncated
    low = np.subtract(vertebra.bounds_mm[0], fov_mm[0])
    high = np.subtract(fov_mm[1], vertebra.bounds_mm[1])
    return bool(min(low.min(), high.min()) < BORDER_MM)


def has_body(vertebra: Vertebra) -> bool:
    """Whether only arch or processes of a truncated vertebra are cut, as measuring found."""
    return "process_cut" in vertebra.flags


def scraps(
    vertebrae: Sequence[Vertebra],
    order: Sequence[int],
    cut: Sequence[bool],
    anchors: Anchors,
) -> dict[int, bool]:
    """Return end objects of which hardly a part is in view: index → whether it is the upper end.

    What is seen of them is a process, whose place says nothing about the body's. At an end with
    skull or sacrum in view the image goes on, so nothing there is a scrap.
    """
    whole = [place for place, i in enumerate(order) if not cut[i]]
    found = {}
    for place, i in enumerate(order):
        volume = vertebrae[i].volume_ml
        if not cut[i] or volume is None or not whole:
            continue
        nearest = min(whole, key=lambda other: abs(other - place))
        usual = vertebrae[order[nearest]].volume_ml
        if usual is not None and volume < SCRAP_SHARE * usual:
            upper = 2 * place < len(order)
            if (anchors.skull_mm if upper else anchors.sacrum_mm) is None:
                found[i] = upper
    return found


def looks_cut(vertebrae: Sequence[Vertebra], order: Sequence[int]) -> list[int]:
    """Return end objects that are much smaller than their neighbours, as if cut."""
    found = []
    for end, neighbour in ((0, 1), (-1, -2)):
        if len(order) < 3:
            break
        here, there = vertebrae[order[end]], vertebrae[order[neighbour]]
        ratios = [
            a / b
            for a, b in ((here.volume_ml, there.volume_ml), (here.height_mm, there.height_mm))
            if a is not None and b is not None
        ]
        # The atlas and the axis differ from each other by nature, and so do C7 and T1.
        if ratios and min(ratios) < CUT_SHARE and here.label not in ("C1", "C2", "C3"):
            found.append(order[end])
    return found


def rib_bearing(points: Floats, heads: Sequence[Point]) -> NDArray[np.bool_]:
    """Return for each centre, from the head down, whether a rib's head belongs to it."""
    n = len(points)
    bearing = np.zeros(n, dtype=bool)
    if n < 2:
        return bearing
    steps = np.gradient(points, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    for head in heads:
        # Along the spine, not along z: heads lie behind the bodies, and the neck leans.
        along = ((np.array(head) - points) * steps).sum(axis=1) / lengths**2
        nearest = int(np.argmin(np.abs(along)))
        place = round(nearest + float(along[nearest]) + RIB_SHIFT)
        if 0 <= place < n:
            bearing[place] = True
    return bearing


def lay_out(
    vertebrae: Sequence[Vertebra],
    order: Sequence[int],
    cut: Sequence[bool],
    anchors: Anchors,
) -> LaidOut:
    """Build the row of upright vertebrae (``order`` from the head down) with its landmarks."""
    points = [np.array(vertebrae[i].centre_mm) for i in order]
    indices, labels = list(order), [vertebrae[i].label for i in order]
    locks: list[str | None] = [None] * len(order)
    costs = [0.0] * len(order)
    ribs = _ribs(points, [cut[i] for i in order], anchors)
    step = _usual_step(np.array(points))
    for point, name, cost in (
        (anchors.dens_mm, "C2", DENS_COST),
        (anchors.sacrum_mm, SACRUM, SACRUM_COST),
    ):
        near = _nearest(points, point, LOCK_REACH * step)
        if near is not None:
            locks[near], costs[near] = name, cost
    for point, name, cost, end in (
        (anchors.skull_mm, SKULL, SKULL_COST, 0),
        (anchors.sacrum_mm, SACRUM, SACRUM_COST, len(points)),
    ):
        if point is None or name in locks:
            continue
        where = end + (1 if end and len(indices) > len(order) else 0)
        points.insert(where, np.array(point))
        indices.insert(where, -1)
        labels.insert(where, "")
        locks.insert(where, name)
        costs.insert(where, cost)
        ribs.insert(where, float("nan"))
    return _row(vertebrae, cut, points, indices, labels, locks, costs, ribs)


def _row(
    vertebrae: Sequence[Vertebra],
    cut: Sequence[bool],
    points: list[Floats],
    indices: list[int],
    labels: list[str],
    locks: list[str | None],
    costs: list[float],
    ribs: list[float],
) -> LaidOut:
    found = [None if i < 0 else vertebrae[i] for i in indices]
    arches = sum(v.arch_mm is not None for v in vertebrae)
    steps = np.linalg.norm(np.diff(np.array(points), axis=0), axis=1)
    row = Row(
        steps_mm=np.maximum(steps, 1.0),
        heights_mm=np.array([np.nan if v is None else v.height_mm or np.nan for v in found]),
        volumes_ml=np.array([np.nan if v is None else v.volume_ml or np.nan for v in found]),
        whole=2 * arches >= len(vertebrae),
        cut=np.array([i >= 0 and cut[i] for i in indices]),
        names=np.array([name_place(label, VARIANTS[0]) for label in labels]),
        locks=tuple(locks),
        lock_costs=np.array(costs),
        ribs=np.array(ribs),
        is_anchor=np.array([i < 0 for i in indices]),
    )
    return LaidOut(row=row, labels=tuple(labels), indices=tuple(indices))


def _usual_step(points: Floats) -> float:
    if len(points) < 2:
        return 25.0
    return float(np.median(np.linalg.norm(np.diff(points, axis=0), axis=1)))


def _nearest(points: list[Floats], point: Point | None, reach: float) -> int | None:
    if point is None or not points:
        return None
    apart = [float(np.linalg.norm(p - np.array(point))) for p in points]
    at = int(np.argmin(apart))
    return at if apart[at] <= reach else None


def _ribs(points: list[Floats], cut: list[bool], anchors: Anchors) -> list[float]:
    """1 with a rib, 0 without, NaN where that means nothing (not looked for, or cut)."""
    if not anchors.ribs_looked_for:
        return [float("nan")] * len(points)
    bearing = rib_bearing(np.array(points), anchors.rib_heads_mm)
    return [
        1.0 if has else float("nan") if is_cut else 0.0
        for has, is_cut in zip(bearing, cut, strict=True)
    ]
