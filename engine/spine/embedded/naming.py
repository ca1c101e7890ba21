"""Which names a row of bodies carries: every way to count is weighed against all that is seen.

A hypothesis is a variant of the spine (regular, L6, T13, four lumbar …) and the level of the first
body; the others follow. Its log probability is the variant's, plus what level, region, ribs,
sacrum, skull, distances and sizes say. Witnesses of one kind err together (a network that takes
one body for its neighbour does so with all of them), so their sum counts as that of a few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from engine.spine.audit import anatomy
from engine.spine.audit.anatomy import VARIANTS, Variant
from engine.spine.embedded.column import Body
from engine.spine.embedded.landmarks import Landmarks
from engine.spine.embedded.maps import SpineMaps
from engine.spine.embedded.targets import LEVELS, REGIONS

__all__ = ["Evidence", "Naming", "name_column", "read_evidence"]

Floats = NDArray[np.float64]

LEVEL_SD, LEVEL_WITNESSES = 1.1, 2.0
"""How far off the network's level of one body is, and how many independent witnesses all are."""
REGION_WITNESSES, REGION_ERROR = 2.0, 0.04
RIB_CHANCE = {"T12": 0.86, "T13": 0.86, "T11": 0.94, "T1": 0.93, "L1": 0.03, "C7": 0.03}
"""Chance that ribs are seen beside a level; 0.97 beside other thoracic ones, else 0.01. Short last
ribs and long transverse processes are taken for each other."""
RIB_WORTH = 0.8
MISREAD = 0.02
"""Chance that a landmark is not what it seems."""
SACRUM_SD, SKULL_SD = 0.33, 0.4
SKULL_ABOVE_C1 = 0.45
"""Levels from C1 up to the rim of the foramen magnum."""
UNSEEN_LANDMARK = 3.0
"""What it costs (log) when a landmark should be in view by far and is not."""
MISSED_END, ROOM_FOR_ONE = 2.5, 1.1
"""What it costs (log) that a vertebra next to the row is in view and was not found, and from how
many levels of room on it would have been."""
C1_MISSED = 0.2
"""Share of that cost for the atlas, which has no body and is the hardest to find."""
SIZE_WORTH, STEP_SD, VOLUME_SD, SCALE_SD = 0.35, 0.14, 0.24, 0.12


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is weighed about ``n`` bodies from the head down.

    ``place`` ``(n,)`` counts levels from the first body on, missing ones included. ``level`` and
    ``region`` ``(n, 3)`` are the network's guesses; ``weight`` ``(n,)`` in 0..1 is how sure it is
    of each body. ``steps_mm`` ``(n - 1,)``.
    """

    place: NDArray[np.int64]
    level: Floats
    region: Floats
    weight: Floats
    whole: NDArray[np.bool_]
    steps_mm: Floats
    landmarks: Landmarks


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """The most probable names, from the head down, and their probabilities.

    ``chances`` ``(n,)`` is the probability of each body's name over all hypotheses;
    ``probability`` that of all names together.
    """

    names: tuple[str, ...]
    chances: Floats
    probability: float
    variant: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Count:
    """One hypothesis: the variant's vertebrae, and where in them each body is."""

    variant: Variant
    ladder: tuple[str, ...]
    at: NDArray[np.int64]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.ladder[i] for i in self.at)


def read_evidence(maps: SpineMaps, bodies: Sequence[Body], landmarks: Landmarks) -> Evidence:
    """Read level and region at each body and put them beside the landmarks."""
    centres = np.array([body.centre_mm for body in bodies])
    skipped = np.array([body.skipped for body in bodies])
    skipped[0] = 0
    return Evidence(
        place=np.arange(len(bodies)) + np.cumsum(skipped),
        level=maps.level_at(centres),
        region=maps.regions_at(centres),
        weight=np.clip([body.evidence for body in bodies], 0.05, 1.0),
        whole=np.array([body.in_view > 0.95 for body in bodies]),
        steps_mm=np.linalg.norm(np.diff(centres, axis=0), axis=1),
        landmarks=landmarks,
    )


def name_column(evidence: Evidence, *, transitional: bool = True) -> Naming:
    """Name a row of at least one body.

    Parameters
    ----------
    evidence
        What was read beside the bodies.
    transitional
        Whether other counts than 12 thoracic and 5 lumbar vertebrae are considered.
    """
    counts = _counts(evidence.place, VARIANTS if transitional else VARIANTS[:1])
    score = np.array([_score(count, evidence) for count in counts])
    chances = np.exp(score - score.max())
    chances /= chances.sum()
    # The same names may come from several variants, which differ out of view.
    together: dict[tuple[str, ...], float] = {}
    for count, chance in zip(counts, chances, strict=True):
        together[count.names] = together.get(count.names, 0.0) + float(chance)
    names, probability = max(together.items(), key=lambda item: item[1])
    each = np.array(
        [
            sum(chance for other, chance in together.items() if other[i] == name)
            for i, name in enumerate(names)
        ]
    )
    best = max(
        (i for i, count in enumerate(counts) if count.names == names), key=lambda i: chances[i]
    )
    return Naming(
        names=names,
        chances=np.clip(each, 0.0, 1.0),
        probability=min(probability, 1.0),
        variant=counts[best].variant.name,
    )


def _counts(place: NDArray[np.int64], variants: Sequence[Variant]) -> list[_Count]:
    found = []
    for variant in variants:
        ladder = variant.levels[1:-1]  # without skull and sacrum
        found += [
            _Count(variant=variant, ladder=ladder, at=place + first)
            for first in range(len(ladder) - int(place[-1]))
        ]
    if found:
        return found
    # More bodies than a spine has: the lowest ones keep their names, the rest ends at C1.
    ladder = VARIANTS[0].levels[1:-1]
    at = np.clip(place - int(place[-1]) + len(ladder) - 1, 0, None)
    return [_Count(variant=VARIANTS[0], ladder=ladder, at=at)]


def _score(count: _Count, evidence: Evidence) -> float:
    return float(
        np.log(count.variant.prior)
        + _levels(count, evidence)
        + _regions(count, evidence)
        + _ribs(count, evidence)
        + _sacrum(count, evidence)
        + _skull(count, evidence)
        + _ends(count, evidence)
        + _sizes(count, evidence)
    )


def _few(weight: Floats, most: float) -> Floats:
    """Scale weights so that all together count as at most so many witnesses."""
    total = float(weight.sum())
    return weight * min(1.0, most / total) if total > 0 else weight


def _levels(count: _Count, evidence: Evidence) -> float:
    """Rate the guessed levels: Student's t with four degrees of freedom."""
    expected = np.array([LEVELS[name] for name in count.names])
    off = (evidence.level - expected) / LEVEL_SD
    weight = _few(evidence.weight, LEVEL_WITNESSES)
    return float((weight * -2.5 * np.log1p(off**2 / 4.0)).sum())


def _regions(count: _Count, evidence: Evidence) -> float:
    own = np.array([REGIONS.index(name[0]) for name in count.names])
    share = np.take_along_axis(evidence.region, own[:, None], axis=1)[:, 0]
    likely = np.log(REGION_ERROR + (1.0 - 2.0 * REGION_ERROR) * share)
    return float((_few(evidence.weight, REGION_WITNESSES) * likely).sum())


def _ribs(count: _Count, evidence: Evidence) -> float:
    seen = evidence.landmarks.rib_chances()
    known = np.isfinite(seen)
    usual = [RIB_CHANCE.get(name, 0.97 if name.startswith("T") else 0.01) for name in count.names]
    chance = np.array(usual)[known]
    likely = chance * seen[known] + (1.0 - chance) * (1.0 - seen[known])
    return float(RIB_WORTH * np.log(likely + MISREAD).sum())


def _sacrum(count: _Count, evidence: Evidence) -> float:
    """Rate the levels between the last body and the sacrum, or that none is in view."""
    missing = len(count.ladder) - int(count.at[-1])  # 1: the last body lies on the sacrum
    seen = evidence.landmarks.sacrum_level
    if seen is not None:
        return _mixed((seen - missing) / SACRUM_SD)
    # A sacrum one level below the last body cannot hide when there is more room than that.
    beyond = evidence.landmarks.room_below - missing
    return -UNSEEN_LANDMARK * float(np.clip(beyond, 0.0, 1.0))


def _skull(count: _Count, evidence: Evidence) -> float:
    missing = int(count.at[0])  # 0: the first body is C1
    seen = evidence.landmarks.skull_level
    if seen is not None:
        return _mixed((seen - missing - SKULL_ABOVE_C1) / SKULL_SD)
    beyond = evidence.landmarks.room_above - missing - 1.5
    return -UNSEEN_LANDMARK * float(np.clip(beyond, 0.0, 1.0))


def _ends(count: _Count, evidence: Evidence) -> float:
    """Rate that the row ends where it does although the spine goes on in the image."""
    above = C1_MISSED if int(count.at[0]) == 1 else float(int(count.at[0]) > 0)
    below = int(count.at[-1]) < len(count.ladder) - 1
    landmarks = evidence.landmarks
    cost = 0.0
    for goes_on, room in ((above, landmarks.room_above), (below, landmarks.room_below)):
        cost += goes_on * float(np.clip((room - ROOM_FOR_ONE) / 0.4, 0.0, 1.0))
    return -MISSED_END * cost


def _mixed(off: float) -> float:
    return float(np.log((1.0 - MISREAD) * np.exp(-0.5 * off**2) + MISREAD * 0.05))


def _sizes(count: _Count, evidence: Evidence) -> float:
    """Rate distances and volumes along the row, at the row's own scale."""
    names = count.names
    centre = np.concatenate([[0.0], np.cumsum([_step(name) for name in count.ladder[:-1]])])
    expected = np.diff(centre[count.at])
    steps = np.log(evidence.steps_mm / np.maximum(expected, 1.0))
    scale = float(np.median(np.append(steps, 0.0)))
    use = evidence.whole & (evidence.landmarks.body_ml > 0.2)
    table = np.array([anatomy.body_volume_ml(name) for name in names])
    volumes = np.log(np.maximum(evidence.landmarks.body_ml, 0.1) / table)[use]
    # The atlas has no body, and the axis has its dens.
    volumes = volumes[
        [name not in ("C1", "C2") for name, own in zip(names, use, strict=True) if own]
    ]
    volume_scale = float(np.median(np.append(volumes, 3.0 * scale)))
    total = -0.5 * (scale / SCALE_SD) ** 2
    total += float(_robust((steps - scale) / STEP_SD).sum())
    total += float(_robust((volumes - volume_scale) / VOLUME_SD).sum())
    return SIZE_WORTH * total


def _step(name: str) -> float:
    return anatomy.CENTRE_STEP_MM[name]


def _robust(off: Floats) -> Floats:
    """Return a log likelihood whose tails stay shallow, for collapsed bodies."""
    return np.asarray(np.log(0.97 * np.exp(-0.5 * off**2) + 0.03 * 0.25))
