"""Which naming is right: every way to place the row on a spine, weighed against the given names.

A hypothesis is a variant of the spine (regular, L6, T13, four lumbar, eleven thoracic …), the level
of the first object, and the best tiling that follows (missing, merged, split). Its posterior is ::

    prior(variant) · sizes and distances ^ 0.35 · landmarks · tiling · P(given names | levels)

The exponent keeps sizes from being believed too much: errors of neighbouring levels go together,
since spines differ in proportion, so 20 vertebrae are not 20 independent witnesses.
The given names follow a hidden shift that starts at 0 mostly and seldom changes along the spine,
with single names wrong now and then; so a shift of all names is one event, not twenty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from engine.spine.audit.anatomy import SACRUM, SKULL, VARIANTS, Variant
from engine.spine.audit.tiling import DOUBLE, SIZE_WEIGHT, Row, Tilings, tile

__all__ = ["Hypothesis", "Weighed", "name_place", "weigh"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHIFTS = np.arange(-3, 4)

# How often all names are off by so many levels, before anything is seen (our assumptions: peers
# report 1–2 % mix-ups in whole spines, 10–15 % in what they train on, and more in short scans).
# With an unusual count the segmenter has no name to give and is off more often.
SHIFT_PRIOR = np.array([0.0, 0.02, 0.115, 0.73, 0.115, 0.02, 0.0])
SHIFT_PRIOR_UNUSUAL = np.array([0.0, 0.02, 0.22, 0.52, 0.22, 0.02, 0.0])
RARE_NAME_COST = 3.4
"""A finder that says T13 or L6 mostly has a reason: other counts are thirty times less likely."""
KEEP_SHIFT = 0.99
CLOSE_UP = 0.4
"""Where a level is missing, double or halved, the names below close up this often, that is, they
go on by one as if nothing had happened."""
NAME_RIGHT = 0.985
REACH = 3
"""First levels are tried up to this many levels beside the one that the names suggest."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """One naming of the row: per object its first level's name, the tiling, and its probability."""

    variant: Variant
    labels: tuple[str, ...]
    first: tuple[int, ...]
    kind: tuple[int, ...]
    probability: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """All hypotheses with a probability above one in a million, the most probable first."""

    hypotheses: tuple[Hypothesis, ...]
    log_evidence: float


def name_place(label: str, variant: Variant) -> float:
    """Return the place of a name in a variant's levels; NaN for an unknown name.

    A name that the variant lacks stands one below its predecessor: L6 of a regular spine is where
    S1 is.

    >>> name_place("L6", VARIANTS[0]) == name_place("S1", VARIANTS[0])
    True
    """
    if label in variant.levels:
        return float(variant.levels.index(label))
    before = {"T13": "T12", "L6": "L5", "T12": "T11", "L5": "L4"}.get(label)
    return float("nan") if before is None else name_place(before, variant) + 1.0


def weigh(row: Row, labels: Sequence[str], *, transitional: bool = True) -> Weighed:
    """Weigh every hypothesis about a row.

    Parameters
    ----------
    row
        Objects and landmarks from the head down.
    labels
        Given name of each (landmarks: ``""``).
    transitional
        Whether other counts than 12 thoracic and 5 lumbar vertebrae are considered.
    """
    variants = VARIANTS if transitional else VARIANTS[:1]
    starts = _starts(labels, variants)
    tilings = tile(row, variants, starts)
    names = np.array([[name_place(label, v) for label in labels] for v in variants])
    rare = {"T13", "L6"} & set(labels)
    priors = np.array(
        [np.log(v.prior) - RARE_NAME_COST * len(rare - set(v.levels)) for v in variants]
    )[:, None]
    score = SIZE_WEIGHT * tilings.score + tilings.extra + priors
    score = score + _names_given_levels(tilings, names, np.array([v.name for v in variants]))
    top = float(score.max())
    chances = np.exp(score - top)
    total = float(chances.sum())
    return Weighed(
        hypotheses=_listed(tilings, chances / total), log_evidence=top + float(np.log(total))
    )


def _starts(labels: Sequence[str], variants: tuple[Variant, ...]) -> Ints:
    """First levels to try: around what the names say, or all of them without names."""
    rows = []
    for variant in variants:
        places = np.array([name_place(label, variant) for label in labels])
        known = np.isfinite(places)
        if known.any():
            middle = round(float(np.median((places - np.arange(len(places)))[known])))
            rows.append(np.arange(middle - REACH, middle + REACH + 1))
        else:
            rows.append(np.arange(len(VARIANTS[0].levels) + 1))
    return np.array(rows)


def _names_given_levels(tilings: Tilings, names: Floats, variant_names: NDArray[np.str_]) -> Floats:
    """Log probability of the given names, ``(V, K)``: forward algorithm over the hidden shift."""
    regular = (variant_names == "regular")[:, None, None]
    state = np.where(regular, SHIFT_PRIOR, SHIFT_PRIOR_UNUSUAL)
    state = np.broadcast_to(state, (*tilings.score.shape, len(SHIFTS))).copy()
    # A change of the shift is most often by one level.
    apart = np.abs(SHIFTS[:, None] - SHIFTS[None, :])
    change = np.where(apart == 0, 0.0, 0.25**apart)
    move = KEEP_SHIFT * np.eye(len(SHIFTS)) + (1 - KEEP_SHIFT) * change / change.sum(1)[:, None]
    log = np.zeros(tilings.score.shape)
    started = False
    jump = np.diff(tilings.first, axis=-1)
    for i in range(names.shape[1]):
        if not np.isfinite(names[:, i]).any():
            continue
        if started:
            state = _closed_up(state, 1 - jump[..., i - 1]) @ move
        started = True
        off = names[:, None, i] - tilings.first[..., i]
        beside = np.where(tilings.kind[..., i] == DOUBLE, off - 1.0, off)
        off = np.where(np.abs(beside) < np.abs(off), beside, off)
        hit = off[..., None] == SHIFTS
        state = state * np.where(hit, NAME_RIGHT, (1.0 - NAME_RIGHT) / 25.0)
        total = state.sum(axis=-1, keepdims=True)
        log += np.log(total[..., 0])
        state /= total
    return log


def _closed_up(state: Floats, slip: Ints) -> Floats:
    """Let part of the hidden shift move by ``slip``, ``(V, K)``, where levels are no row."""
    result = state
    for steps in np.unique(slip[slip != 0]):
        moved = np.zeros_like(state)
        if abs(steps) < len(SHIFTS):
            kept = slice(max(steps, 0), len(SHIFTS) + min(steps, 0))
            source = slice(max(-steps, 0), len(SHIFTS) + min(-steps, 0))
            moved[..., kept] = state[..., source]
        mixed = (1.0 - CLOSE_UP) * state + CLOSE_UP * moved
        result = np.where((slip == steps)[..., None], mixed, result)
    return result


def _listed(tilings: Tilings, chances: Floats) -> tuple[Hypothesis, ...]:
    order = np.argsort(chances, axis=None)[::-1]
    found = []
    for flat in order:
        v, k = np.unravel_index(flat, chances.shape)
        if chances[v, k] < 1e-6:
            break
        variant = tilings.variants[v]
        first, kind = tilings.first[v, k], tilings.kind[v, k]
        found.append(
            Hypothesis(
                variant=variant,
                labels=tuple(_label(variant, a, b) for a, b in zip(first, kind, strict=True)),
                first=tuple(int(a) for a in first),
                kind=tuple(int(b) for b in kind),
                probability=float(chances[v, k]),
            )
        )
    return tuple(found)


def _label(variant: Variant, first: int, kind: int) -> str:
    name = variant.levels[min(max(int(first), 0), len(variant.levels) - 1)]
    if kind != DOUBLE or name in (SACRUM, SKULL):
        return name
    return f"{name}+{variant.levels[min(int(first) + 1, len(variant.levels) - 1)]}"
