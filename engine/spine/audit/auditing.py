"""The numbering audit: can these names be trusted, and if not, what else may they be.

Works on centres with whatever was measured beside them; knows no image and no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import final

import numpy as np

from engine.errors import RequestError
from engine.spine.audit import orientation, rows, wording
from engine.spine.audit.anatomy import CENTRE_STEP_MM
from engine.spine.audit.anchors import Anchors
from engine.spine.audit.findings import (
    Alternative,
    Correction,
    Issue,
    NumberingAudit,
    Verdict,
)
from engine.spine.audit.hypotheses import Hypothesis, Weighed, weigh
from engine.spine.audit.landmarks import read_landmarks
from engine.spine.audit.orientation import Probe
from engine.spine.audit.tiling import DOUBLE, LOWER, SINGLE, UPPER
from engine.spine.vertebrae import LABELS, REGULAR_LABELS, Bounds, Vertebra, level_of

__all__ = ["audit_numbering"]

TRUSTED = 0.90
"""Least probability of all names being right for the verdict ``trusted``."""
TRUSTED_AGAINST_LANDMARK = 0.94
"""The same when one landmark contradicts the names (a rib may be missed, or there are 23 or 25)."""
REFUTED = 0.02
"""Below this probability the given names are refuted."""
PREFERRED = 0.60
"""From this probability another naming makes the given one ``wrong``."""
LISTED = 0.01
MOST_LISTED = 6
OFF_COURSE_MM = 28.0
UNEVEN = (0.55, 1.50)
"""A distance outside of these shares of what its levels ask for is told."""
UNUSUAL_SHARE = 0.70
"""A body lower than this share of both neighbours is told (it may have collapsed)."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What all steps share: upright vertebrae, their order, and the weighed hypotheses."""

    vertebrae: tuple[Vertebra, ...]  # upright, as given otherwise
    order: tuple[int, ...]  # from the head down, copies and scraps left out
    everything: tuple[int, ...]  # the same with scraps
    scraps: dict[int, bool]  # hardly in view: index -> whether at the upper end
    copies: tuple[tuple[int, int], ...]
    truncated: tuple[bool, ...]  # by the border of the image
    cut: tuple[bool, ...]  # so that its body is not whole
    probe: Probe
    laid_out: rows.LaidOut
    weighed: Weighed


def audit_numbering(
    vertebrae: Sequence[Vertebra],
    *,
    anchors: Anchors | None = None,
    fov_mm: Bounds | None = None,
    agreement: Sequence[float] | None = None,
    transitional: bool = True,
) -> NumberingAudit:
    """Audit the names of vertebrae.

    Parameters
    ----------
    vertebrae
        In any order. ``confidence`` is read as the finder's own (1: it has no opinion); sizes
        that are None are not used.
    anchors
        Landmarks in view; without any, a shift of all names can seldom be excluded.
    fov_mm
        The box of the image in RAS+ mm, to tell which vertebrae its border cuts.
    agreement
        For each vertebra, the share (0..1) of flipped or cropped repetitions that gave it the
        same name.
    transitional
        Whether T13, L6, eleven thoracic and four lumbar vertebrae are considered.

    Raises
    ------
    RequestError
        When ``agreement`` has another length than ``vertebrae`` or leaves 0..1.
    """
    given = tuple(vertebrae)
    _check_agreement(agreement, len(given))
    if not given:
        return _nothing()
    case = _prepare(given, anchors or Anchors(), fov_mm, transitional=transitional)
    ranked = _ranked(case)
    right = ranked.get(tuple(v.label for v in given), 0.0)
    best_labels = max(ranked, key=lambda labels: ranked[labels])
    best = _hypothesis_of(case, best_labels)
    issues = [
        *_orientation_issues(case),
        *_list_issues(case),
        *_tiling_issues(case, best),
        *_border_issues(case),
        *_shape_issues(case),
        *_spacing_issues(case, best),
    ]
    readings = read_landmarks(case.laid_out, best)
    issues += _count_issues(case, best, best_labels, ranked, right)
    contradicted = any(reading.agrees is False for reading in readings)
    needed = TRUSTED_AGAINST_LANDMARK if contradicted else TRUSTED
    verdict = _verdict(issues, right, ranked[best_labels], needed)
    alternatives = _alternatives(case, ranked)
    correction = None
    if verdict == "wrong":
        correction = _correction(case, best, best_labels)
    return NumberingAudit(
        verdict=verdict,
        probability=right,
        alternatives=alternatives,
        issues=tuple(issues),
        anchors=readings,
        correction=correction,
        confidences=_confidences(case, agreement, issues),
        truncated=case.truncated,
        order=case.everything,
        sentences=wording.sentences(verdict, right, issues, readings, alternatives, correction),
    )


def _check_agreement(agreement: Sequence[float] | None, count: int) -> None:
    if agreement is None:
        return
    if len(agreement) != count:
        raise RequestError(
            f"agreement needs one number per vertebra ({count}), but got {len(agreement)}."
        )
    if not all(0.0 <= value <= 1.0 for value in agreement):
        raise RequestError(
            f"agreement has to be shares in 0..1, but got {min(agreement)}..{max(agreement)}."
        )


def _nothing() -> NumberingAudit:
    return NumberingAudit(
        verdict="ambiguous",
        probability=0.0,
        alternatives=(),
        issues=(),
        anchors=(),
        correction=None,
        confidences=(),
        truncated=(),
        order=(),
        sentences=("No vertebra was found, so there are no names to check.",),
    )


def _prepare(
    given: tuple[Vertebra, ...], anchors: Anchors, fov_mm: Bounds | None, *, transitional: bool
) -> _Case:
    probe = orientation.probe(given, anchors)
    upright = tuple(orientation.turn_vertebra(v, probe.axes) for v in given)
    anchors = orientation.turn_anchors(anchors, probe.axes)
    order = rows.ordered(upright)
    copies = rows.same_place(upright, order)
    dropped = {copy for _, copy in copies}
    order = [i for i in order if i not in dropped]
    truncated = [rows.at_border(v, fov_mm) for v in given]
    for i in rows.looks_cut(upright, order):
        truncated[i] = True
    cut = [is_cut and not rows.has_body(v) for is_cut, v in zip(truncated, given, strict=True)]
    scraps = rows.scraps(upright, order, cut, anchors)
    everything, order = order, [i for i in order if i not in scraps]
    # An arch that is cut has no volume to compare, though its body's height and place hold.
    measured = [
        replace(v, volume_ml=None) if is_cut else v
        for is_cut, v in zip(truncated, upright, strict=True)
    ]
    laid_out = rows.lay_out(measured, order, cut, anchors)
    return _Case(
        vertebrae=upright,
        order=tuple(order),
        everything=tuple(everything),
        scraps=scraps,
        copies=tuple(copies),
        truncated=tuple(truncated),
        cut=tuple(cut),
        probe=probe,
        laid_out=laid_out,
        weighed=weigh(laid_out.row, laid_out.labels, transitional=transitional),
    )


def _labels_of(case: _Case, hypothesis: Hypothesis) -> tuple[str, ...]:
    """Return the naming of a hypothesis in the order in which the vertebrae were given."""
    names = [vertebra.label for vertebra in case.vertebrae]
    for index, label in zip(case.laid_out.indices, hypothesis.labels, strict=True):
        if index >= 0:
            names[index] = label
    for at_top in (True, False):
        _name_scraps(case, hypothesis, names, at_top=at_top)
    for kept, copy in case.copies:
        names[copy] = names[kept]
    return tuple(names)


def _name_scraps(case: _Case, hypothesis: Hypothesis, names: list[str], *, at_top: bool) -> None:
    """Name what is hardly in view by counting on from the row's end, the nearest first."""
    ends = [i for i, upper in case.scraps.items() if upper == at_top]
    # Their places say little (a process may hang below the next body), their names' order more.
    step = -1 if at_top else 1
    ends.sort(key=lambda i: step * (level_of(case.vertebrae[i].label) or 0))
    places = [p for p, index in enumerate(case.laid_out.indices) if index >= 0]
    if not ends or not places:
        return
    place = places[0] if at_top else places[-1]
    double = hypothesis.kind[place] == DOUBLE
    level = hypothesis.first[place] + (1 if double and not at_top else 0)
    for far, index in enumerate(ends, start=1):
        at = level - far if at_top else level + far
        levels = hypothesis.variant.levels
        names[index] = levels[min(max(at, 1), len(levels) - 1)]


def _ranked(case: _Case) -> dict[tuple[str, ...], float]:
    """Return the probability of each naming, summed over what it leaves open."""
    total: dict[tuple[str, ...], float] = {}
    for hypothesis in case.weighed.hypotheses:
        labels = _labels_of(case, hypothesis)
        total[labels] = total.get(labels, 0.0) + hypothesis.probability
    return dict(sorted(total.items(), key=lambda pair: -pair[1]))


def _hypothesis_of(case: _Case, labels: tuple[str, ...]) -> Hypothesis:
    return next(h for h in case.weighed.hypotheses if _labels_of(case, h) == labels)


def _orientation_issues(case: _Case) -> list[Issue]:
    probe, everything = case.probe, tuple(range(len(case.vertebrae)))
    told = []
    if probe.turned:
        told.append(("turned", wording.TURNED))
    if probe.upside_down:
        told.append(("upside_down", wording.UPSIDE_DOWN))
    elif probe.names_run_up and not probe.names_reversed:
        told.append(("upside_down", wording.UPSIDE_DOWN_OR_NAMES))
    if probe.names_reversed:
        told.append(("reversed_names", wording.REVERSED))
    if probe.back_to_front:
        told.append(("back_to_front", wording.BACK_TO_FRONT))
    if probe.left_right:
        told.append(("left_right", wording.LEFT_RIGHT))
    return [
        Issue(kind=kind, severity="error", indices=everything, sentence=sentence)  # type: ignore[arg-type] # literals above
        for kind, sentence in told
    ]


def _list_issues(case: _Case) -> list[Issue]:
    """Faults that can be read off the names alone."""
    issues = []
    names = [v.label for v in case.vertebrae]
    for kept, copy in case.copies:
        issues.append(
            Issue(
                kind="duplicate_object",
                severity="error",
                indices=(kept, copy),
                sentence=wording.same_object(names[kept], names[copy]),
            )
        )
    for name in dict.fromkeys(names):
        carriers = tuple(i for i in case.order if names[i] == name)
        if len(carriers) > 1 and level_of(name) is not None:
            sentence = f"{len(carriers)} vertebrae are called {name}."
            issues.append(
                Issue(kind="duplicate_name", severity="error", indices=carriers, sentence=sentence)
            )
    unknown = tuple(i for i in case.order if level_of(names[i]) is None)
    if unknown:
        listed = ", ".join(sorted({names[i] for i in unknown}))
        issues.append(
            Issue(
                kind="unknown_name",
                severity="doubt",
                indices=unknown,
                sentence=f"No name of a vertebra: {listed}.",
            )
        )
    if not case.probe.names_reversed:
        issues += _order_issues(case, names)
    return issues


def _order_issues(case: _Case, names: list[str]) -> list[Issue]:
    issues = []
    known = [i for i in case.order if level_of(names[i]) is not None]
    for above, below in pairwise(known):
        if LABELS.index(names[above]) > LABELS.index(names[below]):
            sentence = f"{names[above]} lies above {names[below]}; it belongs below it."
            issues.append(
                Issue(kind="order", severity="error", indices=(above, below), sentence=sentence)
            )
    return issues


def _tiling_issues(case: _Case, best: Hypothesis) -> list[Issue]:
    """Levels that are missing, objects over two levels, levels in two objects."""
    issues = []
    names = [v.label for v in case.vertebrae]
    places = list(zip(case.laid_out.indices, best.first, best.kind, strict=True))
    for index, _, kind in places:
        if kind == DOUBLE:
            issues.append(
                Issue(
                    kind="merged",
                    severity="error",
                    indices=(index,),
                    sentence=f"{names[index]} is as large as two vertebrae in one.",
                )
            )
    for place, (above, first, kind) in enumerate(places[:-1]):
        below, following, lower = places[place + 1]
        if kind == UPPER and lower == LOWER:
            sentence = f"{names[above]} and {names[below]} look like two halves of one vertebra."
            issues.append(
                Issue(kind="split", severity="error", indices=(above, below), sentence=sentence)
            )
            continue
        skipped = following - first - {DOUBLE: 2, UPPER: 0}.get(kind, 1)
        if skipped > 0:
            around = tuple(i for i in (above, below) if i >= 0)
            sentence = wording.missing(
                [best.variant.levels[following - n] for n in range(skipped, 0, -1)],
                "the skull" if above < 0 else _called(best.labels[place], names[above]),
                "the sacrum" if below < 0 else _called(best.labels[place + 1], names[below]),
            )
            issues.append(
                Issue(kind="missing", severity="error", indices=around, sentence=sentence)
            )
    return issues


def _called(name: str, given: str) -> str:
    return name if name == given else f"{name} (called {given})"


def _border_issues(case: _Case) -> list[Issue]:
    names = [v.label for v in case.vertebrae]
    return [
        Issue(
            kind="border",
            severity="note",
            indices=(i,),
            sentence=wording.border(names[i], body=case.cut[i]),
        )
        for i in case.everything
        if case.truncated[i]
    ]


def _shape_issues(case: _Case) -> list[Issue]:
    """Single vertebrae beside the line, or much lower than both neighbours."""
    issues = []
    for above, here, below in zip(case.order, case.order[1:], case.order[2:], strict=False):
        if case.cut[above] or case.cut[here] or case.cut[below]:
            continue
        a, b, c = (case.vertebrae[i] for i in (above, here, below))
        middle = (np.array(a.centre_mm) + np.array(c.centre_mm)) / 2.0
        if np.hypot(*(np.array(b.centre_mm) - middle)[:2]) > OFF_COURSE_MM:
            sentence = f"{b.label} lies beside the line through its neighbours."
            issues.append(
                Issue(kind="off_course", severity="doubt", indices=(here,), sentence=sentence)
            )
        if a.height_mm and b.height_mm and c.height_mm:
            share = b.height_mm / min(a.height_mm, c.height_mm)
            if share < UNUSUAL_SHARE:
                sentence = (
                    f"{b.label} is {round(100 * (1 - share))} % lower than its neighbours "
                    f"({b.height_mm:.0f} mm); its height is not used for counting."
                )
                issues.append(
                    Issue(kind="unusual_size", severity="note", indices=(here,), sentence=sentence)
                )
    return issues


def _spacing_issues(case: _Case, best: Hypothesis) -> list[Issue]:
    """Distances that the best tiling leaves unexplained."""
    row, levels = case.laid_out.row, best.variant.levels
    ratios, pairs = [], []
    for place in range(len(row) - 1):
        above, below = case.laid_out.indices[place], case.laid_out.indices[place + 1]
        plain = best.kind[place] == best.kind[place + 1] == SINGLE
        if not plain or min(above, below) < 0 or case.cut[above] or case.cut[below]:
            continue
        between = levels[best.first[place] : best.first[place + 1]]
        expected = sum(CENTRE_STEP_MM.get(level, 25.0) for level in between)
        ratios.append(row.steps_mm[place] / max(expected, 1.0))
        pairs.append((above, below))
    usual = float(np.median(ratios)) if ratios else 1.0
    return [
        Issue(
            kind="uneven",
            severity="doubt",
            indices=pair,
            sentence=wording.uneven(
                case.vertebrae[pair[0]].label, case.vertebrae[pair[1]].label, ratio / usual
            ),
        )
        for ratio, pair in zip(ratios, pairs, strict=True)
        if not UNEVEN[0] <= ratio / usual <= UNEVEN[1]
    ]


def _count_issues(
    case: _Case,
    best: Hypothesis,
    best_labels: tuple[str, ...],
    ranked: dict[tuple[str, ...], float],
    right: float,
) -> list[Issue]:
    """Tell what the posterior says about the count as a whole."""
    issues = []
    names = tuple(v.label for v in case.vertebrae)
    everything = tuple(range(len(names)))
    changed = tuple(i for i in case.order if best_labels[i] != names[i])
    if changed and ranked[best_labels] >= PREFERRED:
        sentence = wording.renumbered([(names[i], best_labels[i]) for i in changed])
        issues.append(
            Issue(kind="renumbered", severity="error", indices=changed, sentence=sentence)
        )
    elif right < TRUSTED:
        anchored = any(case.laid_out.row.locks) or bool(np.isfinite(case.laid_out.row.ribs).any())
        sentence = wording.UNDECIDED if anchored else wording.UNVERIFIED
        issues.append(
            Issue(kind="unverified", severity="doubt", indices=everything, sentence=sentence)
        )
    unusual = sum(h.probability for h in case.weighed.hypotheses if h.variant.name != "regular")
    if unusual > 0.5:
        variant = best.variant
        sentence = f"This spine seems to have {variant.sentence}."
        issues.append(
            Issue(kind="numeric_variant", severity="note", indices=everything, sentence=sentence)
        )
    return issues


def _verdict(issues: Sequence[Issue], right: float, best: float, needed: float) -> Verdict:
    if any(issue.severity == "error" for issue in issues):
        return "wrong"
    if right < REFUTED and best >= PREFERRED:
        return "wrong"
    if right >= needed and not any(issue.severity == "doubt" for issue in issues):
        return "trusted"
    return "ambiguous"


def _alternatives(case: _Case, ranked: dict[tuple[str, ...], float]) -> tuple[Alternative, ...]:
    names = tuple(v.label for v in case.vertebrae)
    listed = [
        labels
        for place, (labels, chance) in enumerate(ranked.items())
        if place == 0 or (chance >= LISTED and place < MOST_LISTED)
    ]
    if names in ranked and names not in listed:
        listed.append(names)
    found = []
    for labels in listed:
        variant = _hypothesis_of(case, labels).variant
        shift = _shift(names, labels)
        found.append(
            Alternative(
                labels=labels,
                probability=ranked[labels],
                shift=shift,
                variant=variant.name,
                sentence=wording.alternative(
                    names, labels, case.order, shift, ranked[labels], variant
                ),
            )
        )
    return tuple(found)


def _shift(given: tuple[str, ...], labels: tuple[str, ...]) -> int | None:
    """By how many levels all names move together; None when they do not."""
    present = {*given, *labels}
    ladder = [name for name in LABELS if name in REGULAR_LABELS or name in present]
    if not present <= set(ladder):
        return None
    moves = {ladder.index(b) - ladder.index(a) for a, b in zip(given, labels, strict=True)}
    return moves.pop() if len(moves) == 1 else None


def _correction(case: _Case, best: Hypothesis, labels: tuple[str, ...]) -> Correction:
    places = list(zip(case.laid_out.indices, best.first, best.kind, strict=True))
    missing: list[str] = []
    split = []
    for (above, first, kind), (below, following, lower) in pairwise(places):
        if kind == UPPER and lower == LOWER:
            split.append((above, below))
        else:
            start = first + {DOUBLE: 2, UPPER: 0}.get(kind, 1)
            missing += best.variant.levels[start:following]
    merged = tuple(index for index, _, kind in places if kind == DOUBLE)
    remove = tuple(copy for _, copy in case.copies)
    names = tuple(v.label for v in case.vertebrae)
    return Correction(
        labels=labels,
        axes=case.probe.axes,
        remove=remove,
        merged=merged,
        split=tuple(split),
        missing=tuple(missing),
        sentence=wording.correction(
            names, labels, case.order, case.probe.axes, len(remove), merged, split, missing
        ),
    )


def _confidences(
    case: _Case, agreement: Sequence[float] | None, issues: Sequence[Issue]
) -> tuple[float, ...]:
    """Combine the finder's own opinion, agreement and anatomy; see :class:`NumberingAudit`.

    The name is right with the posterior probability of its level; the object is there with the
    geometric mean of the finder's confidence and of the agreement. Both have to hold, so they are
    multiplied. Objects that are doubtful as objects count half.
    """
    named = np.zeros(len(case.vertebrae))
    for hypothesis in case.weighed.hypotheses:
        labels = _labels_of(case, hypothesis)
        for i, vertebra in enumerate(case.vertebrae):
            named[i] += hypothesis.probability * (labels[i] == vertebra.label)
    own = np.array([v.confidence for v in case.vertebrae])
    if agreement is not None:
        own = np.sqrt(own * np.array(agreement))
    doubtful = {
        i for issue in issues if issue.kind in ("off_course", "split") for i in issue.indices
    }
    copies = {copy for _, copy in case.copies}
    share = np.array(
        [0.0 if i in copies else 0.5 if i in doubtful else 1.0 for i in range(len(own))]
    )
    return tuple(float(value) for value in np.clip(named * own * share, 0.0, 1.0))
