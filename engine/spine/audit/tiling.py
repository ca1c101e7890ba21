"""How a row of objects tiles the levels of a spine: where one is missing, double or halved.

For every variant of the spine and every level that the first object may be, the best tiling is
found by dynamic programming on half levels: an object covers one level, or two (merged), or half of
one (split), and levels may be missing between objects. Distances between centres, heights and
volumes are compared with the tables of :mod:`engine.spine.audit.anatomy` at the scan's own scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from engine.spine.audit import anatomy
from engine.spine.audit.anatomy import Variant

__all__ = ["DOUBLE", "LOWER", "SINGLE", "SIZE_WEIGHT", "UPPER", "Row", "Tilings", "tile"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SINGLE, DOUBLE, UPPER, LOWER = range(4)
"""An object is one level, two levels, the upper or the lower half of one level."""

_MIDDLE = np.array([0.5, 1.0, 0.25, 0.75])  # from the start of the level, in levels
_LENGTH = np.array([1, 2, 0, 1])  # levels from this object's start to the next one's
_NOTHING = -1e9
_MARGIN = 6  # levels kept beyond the last object, for missing ones

# Logarithmic standard deviations from one level to the next, after the scan's own scale. About
# 10 % of a size is what the cited tables report between people; discs vary more than bodies.
STEP_SD, ROUGH_STEP_SD, ANCHOR_STEP_SD, CUT_STEP_SD = 0.11, 0.17, 0.25, 0.45
HEIGHT_SD, VOLUME_SD = 0.13, 0.17
SCALE_SD = 0.13  # adults; small people and children are covered by the limits below
SCALE_LIMIT = 0.5
OUTLIER_SHARE, OUTLIER_DENSITY = 0.03, 0.25  # collapsed bodies, bad measurements: any size
BAD_STEP_SHARE, BAD_STEP_SD = 0.012, 0.24  # a step may be off, but hardly by a whole level

# Prior log probabilities of what a segmenter does to one vertebra (our assumptions).
LOG_DOUBLE, LOG_SPLIT = np.log(0.006), np.log(0.004)
LOG_GAP = np.log([0.97, 0.02, 0.005, 0.002])
SIZE_WEIGHT = 0.35
"""Exponent of the likelihood of sizes and distances: neighbours err together, since people differ
in proportion, so 20 vertebrae are not 20 witnesses. See :mod:`engine.spine.audit.hypotheses`."""
MISFIT = -2.0
"""Below this log density (about 2.7 standard deviations) a distance counts fully nevertheless."""
NAME_STEP_PENALTY = 1.5
"""What a step of the names that contradicts the step of levels costs in choosing a tiling."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Objects from the head down: what was measured of each; NaN where it was not.

    ``locks`` names the level that a landmark gives to an object (None for most) and
    ``lock_costs`` what ignoring it costs. ``ribs`` is 1 with, 0 without, NaN when not known.
    ``names`` are places on the regular ladder (NaN unknown). ``is_anchor`` marks landmarks that
    are no objects of the list.
    """

    steps_mm: Floats  # (n - 1,)
    heights_mm: Floats  # (n,)
    volumes_ml: Floats
    whole: bool
    cut: NDArray[np.bool_]
    names: Floats
    locks: tuple[str | None, ...]
    lock_costs: Floats
    ribs: Floats
    is_anchor: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.heights_mm)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Tilings:
    """The best tiling for each variant v and first level k; arrays ``(V, K, n)``.

    ``first`` is the level index at which an object starts (in the variant's ladder), ``kind`` is
    SINGLE, DOUBLE, UPPER or LOWER. ``score`` ``(V, K)`` is the log likelihood of distances and
    sizes, ``extra`` that of anchors and ribs and of the tiling itself.
    """

    variants: tuple[Variant, ...]
    first: Ints
    kind: Ints
    score: Floats
    extra: Floats


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Tables:
    """Sizes by position, from the chosen first level on; ``(V, K, positions)``."""

    place_mm: Floats  # by quarter levels
    height: Floats  # by level
    volume: Floats
    locks: Floats  # (V, K, n, levels): cost of the landmark
    rib: Floats  # (V, K, levels): chance of a rib
    valid: NDArray[np.bool_]  # (V, K, levels)


def tile(row: Row, variants: tuple[Variant, ...], starts: Ints) -> Tilings:
    """Find the best tiling for each variant and each first level.

    Parameters
    ----------
    row
        n objects from the head down.
    variants
        Counts of the spine to try.
    starts
        ``(V, K)`` index in each variant's levels that the first object may start at.
    """
    levels = len(row) + _MARGIN
    tables = _tables(row, variants, starts, levels)
    scale = _scales(row, tables, None)
    for _ in range(2):  # a second pass with the scale of the tiling found first
        centre, kind = _best(row, tables, scale, levels)
        scale = _scales(row, tables, (centre, kind))
    score, extra = _rate(row, tables, scale, centre, kind)
    first = _first_levels(centre, kind) + starts[..., None]
    valid = extra.sum(axis=-1) > _NOTHING / 2
    return Tilings(
        variants=variants,
        first=first,
        kind=kind,
        score=np.where(valid, score.sum(axis=-1), _NOTHING),
        extra=np.where(valid, extra.sum(axis=-1), _NOTHING),
    )


def _tables(row: Row, variants: tuple[Variant, ...], starts: Ints, levels: int) -> _Tables:
    shape = (*starts.shape, levels)
    height, volume = np.full(shape, 20.0), np.full(shape, 20.0)
    rib, valid = np.full(shape, 0.5), np.zeros(shape, dtype=bool)
    place = np.zeros((*starts.shape, 4 * levels + 1))
    locks = np.zeros((*starts.shape, len(row), levels))
    exponent = anatomy.WHOLE_VOLUME_EXPONENT if row.whole else 1.0
    for v, variant in enumerate(variants):
        names = variant.levels
        bodies = [name if name in anatomy.BODY_HEIGHT_MM else "C1" for name in names]
        all_heights = np.array([anatomy.BODY_HEIGHT_MM[name] for name in bodies])
        all_volumes = np.array([anatomy.body_volume_ml(name) for name in bodies]) ** exponent
        all_ribs = np.array([_rib_chance(name) for name in names])
        steps = [anatomy.CENTRE_STEP_MM[name] for name in names[:-1]]
        centres = np.concatenate([[0.0], np.cumsum(steps)])
        knots, where = _knots(centres, all_heights)
        for k, start in enumerate(starts[v]):
            index = np.arange(start, start + levels)
            inside = (index >= 0) & (index < len(names))
            picked = np.clip(index, 0, len(names) - 1)
            valid[v, k] = inside
            height[v, k], volume[v, k] = all_heights[picked], all_volumes[picked]
            rib[v, k] = all_ribs[picked]
            quarters = np.arange(4 * levels + 1) + 4 * start
            place[v, k] = np.interp(quarters, knots, where)
            for i, lock in enumerate(row.locks):
                if lock is not None:
                    at = names.index(lock) if lock in names else -1
                    locks[v, k, i] = np.where(index == at, 0.0, -row.lock_costs[i])
    return _Tables(place_mm=place, height=height, volume=volume, locks=locks, rib=rib, valid=valid)


def _knots(centres: Floats, heights: Floats) -> tuple[Floats, Floats]:
    """Return positions in quarter levels and mm: each centre, and a quarter body to each side."""
    middle = 4.0 * np.arange(len(centres)) + 2.0
    knots = np.stack([middle - 1.0, middle, middle + 1.0], axis=1).ravel()
    quarter = heights / 4.0
    where = np.stack([centres - quarter, centres, centres + quarter], axis=1).ravel()
    return knots, where


def _rib_chance(name: str) -> float:
    """Chance that a rib is seen at a level (segmenters lose short ones; our assumptions)."""
    if name.startswith("T"):
        return 0.92 if name in ("T12", "T13") else 0.97
    return {"L1": 0.02, "C7": 0.02}.get(name, 0.004)


def _scales(
    row: Row, tables: _Tables, path: tuple[Floats, Ints] | None
) -> tuple[Floats, Floats, Floats]:
    """Log scale of steps, heights, volumes for each (v, k): the median against the table."""
    n = len(row)
    if path is None:
        middle = np.broadcast_to(np.arange(n) + 0.5, (*tables.valid.shape[:2], n))
        kind = np.zeros(middle.shape, dtype=np.int64)
    else:
        middle, kind = path
    here = _at(tables.place_mm, np.rint(4 * middle).astype(np.int64))
    body = ~row.is_anchor & ~row.cut
    use = body[1:] & body[:-1]
    expected = np.diff(here, axis=-1)
    ratio = np.log(row.steps_mm) - np.log(np.maximum(expected, 1.0))
    prior = np.zeros((*ratio.shape[:2], 1))
    steps = _median(np.concatenate([ratio[..., use], prior], axis=-1))
    steps = np.clip(steps, -SCALE_LIMIT, SCALE_LIMIT)
    heights = _size_scale(row.heights_mm, tables.height, middle, kind, body, steps)
    volumes = _size_scale(row.volumes_ml, tables.volume, middle, kind, body, None)
    return steps, heights, volumes


def _size_scale(
    values: Floats,
    table: Floats,
    middle: Floats,
    kind: Ints,
    body: NDArray[np.bool_],
    prior: Floats | None,
) -> Floats:
    use = body & np.isfinite(values)
    if not use.any():
        return np.zeros(middle.shape[:2])
    ratio = np.log(values[use]) - np.log(_size(table, middle, kind))[..., use]
    if prior is not None:
        ratio = np.concatenate([ratio, prior[..., None]], axis=-1)
    return _median(ratio)


def _median(values: Floats) -> Floats:
    return np.asarray(np.median(values, axis=-1))


def _at(table: Floats, index: Ints) -> Floats:
    return np.take_along_axis(table, np.clip(index, 0, table.shape[-1] - 1), axis=-1)


def _size(table: Floats, middle: Floats, kind: Ints) -> Floats:
    """Size expected of an object: of one level, of two levels together, of half a level."""
    first = _first_levels(middle, kind)
    one = _at(table, first)
    two = one + _at(table, first + 1)
    return np.where(kind == DOUBLE, two, np.where(kind == SINGLE, one, one / 2.0))


def _first_levels(middle: Floats, kind: Ints) -> Ints:
    """Return the level in which an object starts, from its middle in levels."""
    return np.asarray(np.floor(middle - _MIDDLE[kind] + 1e-6), dtype=np.int64)


def _size_odds(difference: Floats, sd: float) -> Floats:
    """Log density of a logarithmic difference of sizes; collapse and bad masks are common."""
    return np.asarray(
        np.log((1.0 - OUTLIER_SHARE) * _normal(difference, sd) + OUTLIER_SHARE * OUTLIER_DENSITY)
    )


def _step_odds(difference: Floats, sd: Floats | float) -> Floats:
    """Log density of a logarithmic difference of distances."""
    inside, beyond = _normal(difference, sd), _normal(difference, np.maximum(sd, BAD_STEP_SD))
    mixed = (1.0 - BAD_STEP_SHARE) * inside + BAD_STEP_SHARE * beyond
    return np.asarray(np.log(np.maximum(mixed, 1e-12)))


def _normal(difference: Floats, sd: Floats | float) -> Floats:
    return np.asarray(np.exp(-0.5 * (difference / sd) ** 2) / (2.5066 * sd))


def _step_sd(row: Row) -> Floats:
    sd = np.full(max(len(row) - 1, 0), STEP_SD)
    sd[row.is_anchor[1:] | row.is_anchor[:-1]] = ANCHOR_STEP_SD
    sd[row.cut[1:] | row.cut[:-1]] = CUT_STEP_SD
    return sd


def _window(i: int, levels: int) -> tuple[int, int]:
    """First levels that object i may start at: some halves before it, some missing levels."""
    return min(max(0, i - 3), levels - 1), min(levels, i + _MARGIN + 1)


def _emission(
    row: Row, i: int, tables: _Tables, scale: tuple[Floats, Floats, Floats], kind: int
) -> tuple[Floats, Floats]:
    """Return (sizes, landmarks) log likelihoods of object i if it starts at each level.

    Both ``(V, K, window)``, for the levels of :func:`_window` only.
    """
    levels = tables.height.shape[-1]
    here = np.arange(*_window(i, levels))
    following = np.minimum(here + 1, levels - 1)
    valid = tables.valid[..., here]
    if kind == DOUBLE:
        valid = valid & tables.valid[..., following]
    sizes = np.zeros(valid.shape)
    if not row.is_anchor[i] and not row.cut[i]:
        share = {SINGLE: 1.0, DOUBLE: 2.0}.get(kind, 0.5)
        for value, table, log_scale, sd in (
            (row.heights_mm[i], tables.height, scale[1], HEIGHT_SD),
            (row.volumes_ml[i], tables.volume, scale[2], VOLUME_SD),
        ):
            if np.isfinite(value):
                expected = share * table[..., here]
                if kind == DOUBLE:
                    expected = table[..., here] + table[..., following]
                sizes += _size_odds(np.log(value) - np.log(expected) - log_scale[..., None], sd)
    extra = tables.locks[:, :, i, here]
    if kind == DOUBLE:  # either level may carry the landmark
        extra = np.maximum(extra, tables.locks[:, :, i, following])
    if np.isfinite(row.ribs[i]):
        rib = tables.rib[..., here]
        extra = extra + np.log(rib if row.ribs[i] else 1.0 - rib)
    prior = {SINGLE: 0.0, DOUBLE: LOG_DOUBLE}.get(kind, LOG_SPLIT / 2.0)
    if kind != SINGLE and (row.is_anchor[i] or row.cut[i]):
        prior = _NOTHING
    return sizes, np.where(valid, extra + prior, _NOTHING)


_MOVES = np.array(
    [
        # kind before, kind now, missing levels between
        (SINGLE, SINGLE, 0), (DOUBLE, SINGLE, 0), (LOWER, SINGLE, 0),
        (SINGLE, SINGLE, 1), (SINGLE, SINGLE, 2), (SINGLE, SINGLE, 3), (DOUBLE, SINGLE, 1),
        (SINGLE, DOUBLE, 0), (DOUBLE, DOUBLE, 0), (LOWER, DOUBLE, 0), (SINGLE, DOUBLE, 1),
        (SINGLE, UPPER, 0), (DOUBLE, UPPER, 0),
        (UPPER, LOWER, 0),
    ]
)  # fmt: skip
_BEFORE, _NOW, _MISSING = _MOVES.T
_JUMP = _LENGTH[_BEFORE] + _MISSING  # levels from start to start
_PLAIN = (_BEFORE == SINGLE) & (_NOW == SINGLE)


def _best(
    row: Row, tables: _Tables, scale: tuple[Floats, Floats, Floats], levels: int
) -> tuple[Floats, Ints]:
    """Dynamic programming over objects; returns centres (in levels) and kinds, ``(V, K, n)``.

    The state is (kind, level at which the object starts).
    """
    n, shape = len(row), tables.height.shape
    step_sd = _step_sd(row)
    best = np.full((*shape[:2], 4, levels), _NOTHING)
    for kind in (SINGLE, DOUBLE, UPPER):  # the first object starts at the first level
        best[..., kind, 0] = np.add(*_emission(row, 0, tables, scale, kind))[..., 0]
    back = np.zeros((n, *shape[:2], 4, levels), dtype=np.int8)
    for i in range(1, n):
        low, high = _window(i, levels)
        starts = np.arange(low, high)
        origin = starts - _JUMP[:, None]  # (moves, window)
        gain = best[:, :, _BEFORE[:, None], np.maximum(origin, 0)]  # (V, K, moves, window)
        gain += _step_gains(row, i, tables, scale[0], step_sd[i - 1], starts)
        gain[..., origin < 0] = _NOTHING
        best = np.full((*shape[:2], 4, levels), _NOTHING)
        for kind in range(4):
            moves = np.flatnonzero(kind == _NOW)
            choice = gain[..., moves, :].argmax(axis=2)
            reached = np.take_along_axis(gain[..., moves, :], choice[:, :, None], axis=2)[:, :, 0]
            likely = np.add(*_emission(row, i, tables, scale, kind))
            best[..., kind, low:high] = reached + likely
            back[i, ..., kind, low:high] = moves[choice]
    return _trace(best, back)


def _step_gains(
    row: Row, i: int, tables: _Tables, log_scale: Floats, sd: float, starts: Ints
) -> Floats:
    """Log likelihood of the distance before object i, by move and level: (V, K, moves, window)."""
    quarters = np.rint(4 * _MIDDLE).astype(np.int64)
    here = 4 * starts + quarters[_NOW][:, None]
    before = 4 * np.maximum(starts - _JUMP[:, None], 0) + quarters[_BEFORE][:, None]
    expected = np.maximum(tables.place_mm[:, :, here] - tables.place_mm[:, :, before], 1.0)
    difference = np.log(row.steps_mm[i - 1]) - np.log(expected) - log_scale[..., None, None]
    sds = np.where(_PLAIN, sd, max(sd, ROUGH_STEP_SD))[:, None]
    prior = LOG_GAP[_MISSING]
    named = row.names[i] - row.names[i - 1]
    if np.isfinite(named):
        prior = prior - NAME_STEP_PENALTY * (_PLAIN & (named != _JUMP))
    return np.asarray(_step_odds(difference, sds) + prior[:, None])


def _trace(best: Floats, back: NDArray[np.int8]) -> tuple[Floats, Ints]:
    """Follow the best path back for each (v, k)."""
    n, variants, starts, _, levels = back.shape
    ends = best.copy()
    ends[..., UPPER, :] = _NOTHING  # an upper half needs its lower half
    flat = ends.reshape(variants, starts, 4 * levels).argmax(axis=-1)
    kind, level = flat // levels, flat % levels
    v, k = np.indices((variants, starts))
    centres, kinds = np.zeros((variants, starts, n)), np.zeros((variants, starts, n), np.int64)
    for i in range(n - 1, -1, -1):
        kinds[..., i], centres[..., i] = kind, level + _MIDDLE[kind]
        if i:
            move = back[i, v, k, kind, level]
            kind = _BEFORE[move]
            level = np.maximum(level - _JUMP[move], 0)
    return centres, kinds


def _rate(
    row: Row,
    tables: _Tables,
    scale: tuple[Floats, Floats, Floats],
    centre: Floats,
    kind: Ints,
) -> tuple[Floats, Floats]:
    """Score each object of the best paths: sizes with distances, and anchors, ``(V, K, n)``."""
    score, extra = np.zeros(centre.shape), np.zeros(centre.shape)
    first = _first_levels(centre, kind)
    for i in range(len(row)):
        low, high = _window(i, tables.height.shape[-1])
        at = np.clip(first[..., i] - low, 0, high - low - 1)[..., None]
        for each in np.unique(kind[..., i]):
            pair = _emission(row, i, tables, scale, int(each))
            chosen = kind[..., i] == each
            for part, total in zip(pair, (score, extra), strict=True):
                value = np.take_along_axis(part, at, axis=-1)[..., 0]
                total[..., i] = np.where(chosen, value, total[..., i])
    if len(row) > 1:
        here = _at(tables.place_mm, np.rint(4 * centre).astype(np.int64))
        expected = np.log(np.maximum(np.diff(here, axis=-1), 1.0)) + scale[0][..., None]
        plain = (kind[..., 1:] == SINGLE) & (kind[..., :-1] == SINGLE)
        sd = np.where(plain, _step_sd(row), np.maximum(_step_sd(row), ROUGH_STEP_SD))
        steps = _step_odds(np.log(row.steps_mm) - expected, sd)
        score[..., 1:] += steps
        extra[..., 1:] += (1.0 - SIZE_WEIGHT) * np.minimum(steps - MISFIT, 0.0)
        jump = np.diff(first, axis=-1) - _LENGTH[kind[..., :-1]]
        extra[..., 1:] += LOG_GAP[np.clip(jump, 0, 3)]
    score[..., 0] += -0.5 * (scale[0] / SCALE_SD) ** 2
    return score, extra
