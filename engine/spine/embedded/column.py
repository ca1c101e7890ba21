"""The one row of hills that is a spine: chosen among all hills of the heat map.

Dynamic programming over pairs of hills, from the head down. A row is worth its hills (heat, and
spine around them) and pays for sharp bends, uneven distances, and stretches without spine between
two bodies; so ribs, hips and the table do not get in, and a weak hill between two strong ones
does. Where a distance is two levels long the body between is looked for again with less demand,
and so is the one above a neck's highest: the atlas lies so near to the axis that their hills melt
into one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from engine.spine.audit.anatomy import CENTRE_STEP_MM
from engine.spine.embedded.maps import Map, SpineMaps
from engine.spine.embedded.peaks import Peaks, column_evidence, disc_share, find_peaks
from engine.spine.vertebrae import REGULAR_LABELS, Point

__all__ = ["Body", "find_column"]

Floats = NDArray[np.float64]

USUAL_HEAT, USUAL_EVIDENCE, BODY_COST = 0.25, 0.35, 0.45
"""A hill this high with this much spine around it is worth minus ``BODY_COST``: an end of the row
needs more than that to stay in, a hill between two others does not."""
STEPS_MM = (9.0, 46.0)
"""Nearest and farthest centres of neighbours: necks of small children, loins of tall men."""
LONGEST_MM = 84.0
SKIPPED_COST = 1.4
BETWEEN = 0.45
STEP_SD, LEVEL_STEP_SD, BEND_DEG, STEEPEST = 0.22, 0.3, 18.0, 0.35
MOST_BEND_DEG = 65.0
ALONE_COST = 2.0
DISC_COST, DISC_WORTH = 1.5, 1.5
"""What a centre in a disc costs, and what a disc between two centres is worth."""
HEIGHT_SHARE = 0.76
"""Height of a body as a share of the distance between centres."""
LEAST_IN_VIEW, LEAST_IN_VIEW_SURE = 0.45, 0.25
SURE_HEAT, SURE_EVIDENCE = 0.6, 0.5
TWO_LEVELS = 1.55
FILLING_HEAT, FILLING_EVIDENCE = 0.03, 0.55
DOUBLED, DOUBLED_OF_TOO_MANY = 1.45, 1.6
"""Of three bodies in a row the middle one is another's shadow where both steps together are shorter
than so many usual ones; the second limit holds while there are more bodies than a spine has."""
CROWN_LEVEL, CROWN_HEAT, CROWN_EVIDENCE = 5.0, 0.3, 0.4
"""Above a row whose highest body looks like C5 or higher, one more is there when its place is this
hot with this much spine around it."""
CROWN_SHARES = (0.8, 1.25)
"""Where to look for it, in steps of the row."""

_LEVEL_STEP = np.array([CENTRE_STEP_MM[name] for name in REGULAR_LABELS[:-1]])


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """One body of the row.

    ``centre_mm`` is in RAS+ mm and inside the image. ``heat`` and ``evidence`` (0..1) say how
    sure the network is. ``skipped`` is how many levels have no body between the one above and
    this one. ``up`` is the unit vector along the spine to the head, ``step_mm`` the usual distance
    of neighbours here. ``in_view`` is how much of the body's height the image shows (0..1).
    """

    centre_mm: Point
    heat: float
    evidence: float
    skipped: int
    up: Point
    step_mm: float
    in_view: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Links:
    """Which pairs of peaks may be neighbours: ``(p,)`` each, ``worth`` without the peaks'."""

    upper: NDArray[np.int64]
    lower: NDArray[np.int64]
    levels: NDArray[np.int64]  # 1: neighbours, 2: one is missed between
    direction: Floats  # (p, 3) unit vectors down
    step: Floats  # mm for each level
    worth: Floats


def find_column(maps: SpineMaps) -> tuple[Body, ...]:
    """Return the bodies of the spine, from the head down; none where there is no spine."""
    evidence = column_evidence(maps)
    discs = disc_share(maps)
    peaks = find_peaks(maps, evidence, discs)
    order = np.argsort(-peaks.points_mm[:, 2], kind="stable")
    peaks = peaks.picked(order)
    chain, levels = _best_chain(maps, evidence, discs, peaks)
    if not chain:
        return ()
    row = peaks.picked(np.asarray(chain))
    found = _filled(maps, evidence, row, _recounted(maps, row.points_mm, levels))
    found = _thinned(maps, *found)
    return _trimmed(_described(maps, *_crowned(maps, evidence, *found)))


def _worth(peaks: Peaks) -> Floats:
    heat = 1.5 * np.clip(np.log(np.maximum(peaks.heat, 1e-3) / USUAL_HEAT), -1.5, 1.4)
    spine = np.clip(np.log((peaks.evidence + 0.02) / USUAL_EVIDENCE), -3.0, 1.0)
    return np.asarray(heat + spine - BODY_COST)


def _best_chain(
    maps: SpineMaps, evidence: Map, discs: Map, peaks: Peaks
) -> tuple[list[int], NDArray[np.int64]]:
    """Return the best row as indices of peaks, and the levels of each of its steps."""
    own = _worth(peaks) - DISC_COST * maps.read(discs, peaks.points_mm)
    links = _links(maps, evidence, discs, peaks)
    single = int(np.argmax(own)) if len(own) else -1
    best_single = own[single] - ALONE_COST if len(own) else 0.0
    if not len(links.upper):
        return ([single] if best_single > 0 else []), np.empty(0, np.int64)
    total = own[links.upper] + own[links.lower] + links.worth
    back = np.full(len(total), -1)
    for link in np.argsort(links.upper, kind="stable").tolist():  # peaks are sorted downwards
        above = np.flatnonzero(links.lower == links.upper[link])
        if not len(above):
            continue
        gain = total[above] + own[links.lower[link]] + links.worth[link]
        gain -= _unevenness(links, above, link)
        choice = int(np.argmax(gain))
        if gain[choice] > total[link]:
            total[link], back[link] = gain[choice], above[choice]
    last = int(np.argmax(total))
    if total[last] <= max(best_single, 0.0):
        return ([single] if best_single > 0 else []), np.empty(0, np.int64)
    path = [last]
    while back[path[-1]] >= 0:
        path.append(int(back[path[-1]]))
    path.reverse()
    chain = [int(links.upper[path[0]]), *(int(links.lower[link]) for link in path)]
    return chain, links.levels[path]


def _links(maps: SpineMaps, evidence: Map, discs: Map, peaks: Peaks) -> _Links:
    n = len(peaks)
    upper, lower = np.triu_indices(n, k=1)
    apart = peaks.points_mm[lower] - peaks.points_mm[upper]
    length = np.linalg.norm(apart, axis=1)
    near = (length >= STEPS_MM[0]) & (length <= LONGEST_MM) & (-apart[:, 2] >= STEEPEST * length)
    upper, lower, apart, length = upper[near], lower[near], apart[near], length[near]
    direction = apart / length[:, None]
    common = _between(maps, evidence, peaks.points_mm[upper], apart) - _steepness(direction)
    expected = _expected_step(maps, peaks.points_mm)
    expected = (expected[upper] + expected[lower]) / 2.0
    rows = []
    for levels, cost in ((1, 0.0), (2, SKIPPED_COST)):
        step = length / levels
        fits = (step >= STEPS_MM[0]) & (step <= STEPS_MM[1])
        odd = np.log(step / expected) / LEVEL_STEP_SD
        worth = common - cost - np.minimum(0.5 * odd**2, 3.0)
        if levels == 1:
            worth = worth + _disc_between(maps, discs, peaks.points_mm[upper], apart)
        rows.append(
            (np.flatnonzero(fits), np.full(int(fits.sum()), levels), step[fits], worth[fits])
        )
    at, levels_of, step, worth = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    return _Links(
        upper=upper[at],
        lower=lower[at],
        levels=levels_of,
        direction=direction[at],
        step=step,
        worth=worth,
    )


def _between(maps: SpineMaps, evidence: Map, start: Floats, apart: Floats) -> Floats:
    """Rate the way between two bodies by how much spine lies on it."""
    shares = np.linspace(0.1, 0.9, 9)
    points = start[:, None] + shares[None, :, None] * apart[:, None]
    values = maps.read(evidence, points.reshape(-1, 3)).reshape(-1, len(shares))
    worth = np.clip(2.0 * np.log((values.mean(axis=1) + 0.02) / BETWEEN), -6.0, 0.4)
    return np.asarray(worth - 2.0 * (values.min(axis=1) < 0.08))


def _disc_between(maps: SpineMaps, discs: Map, start: Floats, apart: Floats) -> Floats:
    """Rate the way between neighbours by the disc in its middle, against both ends."""
    shares = np.array([0.0, 0.35, 0.5, 0.65, 1.0])
    points = start[:, None] + shares[None, :, None] * apart[:, None]
    values = maps.read(discs, points.reshape(-1, 3)).reshape(-1, len(shares))
    rise = values[:, 1:4].max(axis=1) - values[:, (0, 4)].mean(axis=1)
    return np.asarray(DISC_WORTH * np.clip(rise, -0.7, 0.7))


def _steepness(direction: Floats) -> Floats:
    degrees = np.degrees(np.arccos(np.clip(-direction[:, 2], -1.0, 1.0)))
    return np.asarray(0.5 * (np.maximum(degrees - 35.0, 0.0) / 15.0) ** 2)


def _expected_step(maps: SpineMaps, points: Floats) -> Floats:
    """Return the mean distance of neighbours in adults at the level that the network guesses."""
    level = np.clip(maps.level_at(points), 0, len(_LEVEL_STEP) - 1)
    return np.asarray(np.interp(level, np.arange(len(_LEVEL_STEP)), _LEVEL_STEP))


def _unevenness(links: _Links, above: NDArray[np.int64], link: int) -> Floats:
    """Return what two steps in a row cost: a bend, and steps of different length."""
    cosine = np.clip(links.direction[above] @ links.direction[link], -1.0, 1.0)
    bend = np.degrees(np.arccos(cosine))
    uneven = np.log(links.step[link] / links.step[above]) / STEP_SD
    cost = np.minimum(0.5 * (bend / BEND_DEG) ** 2, 3.5) + np.minimum(0.5 * uneven**2, 2.2)
    return np.asarray(np.where(bend > MOST_BEND_DEG, 1e6, cost))


def _recounted(maps: SpineMaps, points: Floats, levels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Call a step two levels long that is far longer than the others of the row suggest."""
    if len(levels) < 3:
        return levels
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    expected = _expected_step(maps, points)
    ratio = lengths / levels / ((expected[1:] + expected[:-1]) / 2.0)
    usual = [np.median(np.delete(ratio, i)) for i in range(len(ratio))]
    return np.where((levels == 1) & (ratio > TWO_LEVELS * np.asarray(usual)), 2, levels)


def _filled(
    maps: SpineMaps, evidence: Map, chain: Peaks, levels: NDArray[np.int64]
) -> tuple[Peaks, NDArray[np.int64]]:
    """Look again for bodies where a step is two levels long; return the row and what it skips."""
    points, heat, spine = [chain.points_mm[0]], [chain.heat[0]], [chain.evidence[0]]
    skipped = [0]
    for i in range(1, len(chain)):
        missing = int(levels[i - 1]) - 1
        if missing:
            found = _looked_for(maps, evidence, chain.points_mm[i - 1], chain.points_mm[i])
            if found is not None:
                points.append(found[0])
                heat.append(found[1])
                spine.append(found[2])
                skipped.append(0)
                missing = 0
        points.append(chain.points_mm[i])
        heat.append(chain.heat[i])
        spine.append(chain.evidence[i])
        skipped.append(missing)
    row = Peaks(points_mm=np.array(points), heat=np.array(heat), evidence=np.array(spine))
    return row, np.array(skipped)


def _looked_for(
    maps: SpineMaps, evidence: Map, above: Floats, below: Floats
) -> tuple[Floats, float, float] | None:
    """Return (place, heat, evidence) of a body in the middle third between two others."""
    shares = np.linspace(0.36, 0.64, 15)
    line = above + shares[:, None] * (below - above)
    spine, heat = maps.read(evidence, line), maps.read(maps.heat, line)
    if spine.mean() < FILLING_EVIDENCE:
        return None
    if heat.max() >= FILLING_HEAT:
        weight = heat**2
        place = (weight[:, None] * line).sum(axis=0) / weight.sum()
    else:
        place = line[len(line) // 2]
    return place, float(max(heat.max(), 0.05)), float(spine.max())


def _thinned(
    maps: SpineMaps, row: Peaks, skipped: NDArray[np.int64]
) -> tuple[Peaks, NDArray[np.int64]]:
    """Leave out bodies between two others that are too near to each other for one between them."""
    while len(row) > 4 and not skipped.any():
        steps = np.linalg.norm(np.diff(row.points_mm, axis=0), axis=1)
        both = (steps[1:] + steps[:-1]) / _expected_step(maps, row.points_mm)[1:-1]
        both *= 2.0 / np.median(both)  # children are small, and so are all of their steps
        if both.min() >= (DOUBLED_OF_TOO_MANY if len(row) > len(_LEVEL_STEP) else DOUBLED):
            break
        stay = np.arange(len(row)) != int(both.argmin()) + 1
        row, skipped = row.picked(np.flatnonzero(stay)), skipped[stay]
    return row, skipped


def _crowned(
    maps: SpineMaps, evidence: Map, row: Peaks, skipped: NDArray[np.int64]
) -> tuple[Peaks, NDArray[np.int64]]:
    """Add the body above the highest one of a neck, where the maps show one without a top."""
    points = row.points_mm
    is_full = len(points) + int(skipped.sum()) >= len(_LEVEL_STEP)
    if len(points) < 3 or is_full or skipped[1:3].any():
        return row, skipped
    if float(maps.level_at(points[:1])[0]) > CROWN_LEVEL:
        return row, skipped
    step = (points[0] - points[2]) / 2.0
    line = points[0] + np.linspace(*CROWN_SHARES, 10)[:, None] * step
    line = line[maps.depth_mm(line) > 0]
    if not len(line):
        return row, skipped
    heat, spine = maps.read(maps.heat, line), maps.read(evidence, line)
    hot = (heat >= CROWN_HEAT) & (spine >= CROWN_EVIDENCE)
    if not hot.any():
        return row, skipped
    at = int(np.flatnonzero(hot).mean())
    crowned = Peaks(
        points_mm=np.vstack([line[at], points]),
        heat=np.append(heat[at], row.heat),
        evidence=np.append(spine[at], row.evidence),
    )
    return crowned, np.append(0, skipped)


def _described(maps: SpineMaps, row: Peaks, skipped: NDArray[np.int64]) -> list[Body]:
    """Add direction, usual step and share in view to each body of the row."""
    points = row.points_mm
    place = np.arange(len(points)) + np.cumsum(skipped)
    if len(points) > 1:
        slopes = np.gradient(points, place.astype(float), axis=0)
        steps = np.linalg.norm(slopes, axis=1)
        ups = -slopes / steps[:, None]
    else:
        steps = _expected_step(maps, points)
        ups = np.array([[0.0, 0.0, 1.0]])
    room = [
        (_signed_room(maps, point, up), _signed_room(maps, point, -up))
        for point, up in zip(points, ups, strict=True)
    ]
    return [
        Body(
            centre_mm=_point(_pulled_in(maps, points[i])),
            heat=float(row.heat[i]),
            evidence=float(row.evidence[i]),
            skipped=int(skipped[i]),
            up=_point(ups[i]),
            step_mm=float(steps[i]),
            in_view=_share_in_view(room[i], HEIGHT_SHARE * float(steps[i])),
        )
        for i in range(len(points))
    ]


def _signed_room(maps: SpineMaps, point: Floats, direction: Floats) -> float:
    """Return the way to the image's border; negative for a point that lies outside by it."""
    depth = float(maps.depth_mm([point])[0])
    if depth >= 0:
        return maps.room_mm(point, direction)
    ahead = float(maps.depth_mm([point + direction])[0])
    return depth if ahead < depth else float("inf")


def _share_in_view(room: tuple[float, float], height: float) -> float:
    shown = sum(float(np.clip(side, -height / 2, height / 2)) for side in room)
    return float(np.clip(shown / height, 0.0, 1.0))


def _pulled_in(maps: SpineMaps, point: Floats) -> Floats:
    """Return the point, or the nearest place inside of the image."""
    index = np.linalg.inv(maps.image_affine) @ np.append(point, 1.0)
    limits = np.asarray(maps.image_shape) - 1.0
    inside = np.append(np.clip(index[:3], 0.0, limits), 1.0)
    return np.asarray((maps.image_affine @ inside)[:3])


def _trimmed(bodies: list[Body]) -> tuple[Body, ...]:
    """Leave out end bodies of which the image hardly shows a part."""

    def stays(body: Body) -> bool:
        sure = body.heat >= SURE_HEAT and body.evidence >= SURE_EVIDENCE
        return body.in_view >= (LEAST_IN_VIEW_SURE if sure else LEAST_IN_VIEW)

    while bodies and not stays(bodies[0]):
        bodies = bodies[1:]
    while bodies and not stays(bodies[-1]):
        bodies = bodies[:-1]
    return tuple(bodies)


def _point(values: Floats) -> Point:
    return float(values[0]), float(values[1]), float(values[2])
