"""Grouped cross-validation: folds, out-of-fold answers, and every figure of the card from them.

The figures need the stored answers only (:func:`read_outcomes`), neither photographs nor torch:
``benchmarks/eye_accuracy.py`` recomputes them in seconds.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.eyes.classifier import Classified, DecisionRule, decide
from engine.inference import calibration, conformal, intervals

__all__ = [
    "CLASSES",
    "COVERAGE",
    "CUES",
    "MEASURED",
    "OTHER_VIEWS",
    "Calibrated",
    "Outcome",
    "calibrate",
    "figures",
    "folds_of",
    "one_per_group",
    "photographs_of",
    "read_outcomes",
    "write_outcomes",
]

CLASSES: Final = ("Cataract", "Conjunctivitis", "Healthy", "Stye")
MEASURED: Final = (0, 1, 2)
"""Classes with enough photographs for a figure; Stye has too few."""

COVERAGE: Final = 0.9
OTHER_VIEWS: Final = ("neutral", "border_only", "rendered")
"""Kinds of answers that show what a network leans on; never part of its accuracy.

``neutral``: photographs brought to 72 px and JPEG 40. ``border_only``: photographs whose eye is
painted over; near chance is good. ``rendered``: unseen drawings, all classes in one style."""

_HEALTHY: Final = 2
_NO_EYE: Final = -1
CUES: Final = ("sclera_redness", "pupil_brightness")
"""Measurements of the anatomy that the decision asks for."""

_FIELDS: Final = ("key", "group", "kind", "label", "fold", "found", "evidence", *CLASSES, *CUES)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the network of another fold said about one picture.

    ``key`` is a hash of the file's name. ``label`` indexes :data:`CLASSES`, or is -1 for a
    picture without an eye. ``found`` is whether the serving path found an eye to crop; where it
    found none, ``logits`` are those of the whole picture. ``evidence`` is the logit of "this is
    an eye". ``cues`` holds those of :data:`CUES` that could be measured.
    """

    key: str
    group: str
    kind: str
    label: int
    fold: int
    found: bool
    evidence: float
    logits: tuple[float, ...]
    cues: Mapping[str, float] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """What is fitted on out-of-fold answers: a temperature and a threshold for each class."""

    temperature: float
    thresholds: Mapping[str, float]


def folds_of(labels: Mapping[str, int], *, folds: int, seed: int = 0) -> dict[str, int]:
    """Deal groups to folds, each class evenly; the same seed deals alike.

    Parameters
    ----------
    labels
        Group → class (or kind) index.
    folds
        How many, at least 2.
    seed
        Of the deal.

    Examples
    --------
    >>> dealt = folds_of({"a": 0, "b": 0, "c": 1, "d": 1}, folds=2)
    >>> sorted(dealt) == ["a", "b", "c", "d"], dealt["a"] != dealt["b"], dealt["c"] != dealt["d"]
    (True, True, True)
    """
    if folds < 2 or len(labels) < folds:
        raise InputError(
            f"Cross-validation needs at least 2 folds and as many groups, but got {folds} folds "
            f"and {len(labels)} groups."
        )
    rng = np.random.default_rng(seed)
    by_class: dict[int, list[str]] = defaultdict(list)
    for group, label in sorted(labels.items()):
        by_class[label].append(group)
    dealt: dict[str, int] = {}
    start = 0
    for _, groups in sorted(by_class.items()):
        for place, index in enumerate(rng.permutation(len(groups))):
            dealt[groups[int(index)]] = (start + place) % folds
        start += len(groups)
    return dealt


def write_outcomes(path: Path, outcomes: Iterable[Outcome]) -> None:
    """Write out-of-fold answers as CSV: hashes, groups and numbers, no pictures."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_FIELDS)
        for o in outcomes:
            numbers = [f"{value:.4f}" for value in (o.evidence, *o.logits)]
            cues = [f"{o.cues[name]:.4f}" if name in o.cues else "" for name in CUES]
            writer.writerow(
                [o.key, o.group, o.kind, o.label, o.fold, int(o.found), *numbers, *cues]
            )


def read_outcomes(path: Path) -> list[Outcome]:
    """Read what :func:`write_outcomes` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or set(_FIELDS) - set(rows[0]):
        raise InputError(f"{path.name} needs the columns {', '.join(_FIELDS)}; write it again.")
    return [
        Outcome(
            key=row["key"],
            group=row["group"],
            kind=row["kind"],
            label=int(row["label"]),
            fold=int(row["fold"]),
            found=row["found"] == "1",
            evidence=float(row["evidence"]),
            logits=tuple(float(row[name]) for name in CLASSES),
            cues={name: float(row[name]) for name in CUES if row[name]},
        )
        for row in rows
    ]


def one_per_group(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Keep one picture of each group, the one with the smallest hash: copies count once."""
    kept: dict[str, Outcome] = {}
    for outcome in sorted(outcomes, key=lambda o: o.key):
        kept.setdefault(outcome.group, outcome)
    return [kept[group] for group in sorted(kept)]


def calibrate(outcomes: Sequence[Outcome]) -> Calibrated:
    """Fit temperature and thresholds on photographs' answers, one picture of each group.

    Stye has too few groups for a threshold of its own (every set would hold it); it takes the
    strictest of the others, and its coverage is not promised.
    """
    eyes = one_per_group(photographs_of(outcomes))
    logits, labels = _logits(eyes), _labels(eyes)
    counts = np.bincount(labels, minlength=len(CLASSES))
    temperature = calibration.fit_temperature(logits, labels, weights=1 / counts[labels])
    probabilities = calibration.temperature_scale(logits, temperature)
    thresholds = conformal.fit_thresholds(
        probabilities, labels, classes=list(CLASSES), coverage=COVERAGE
    )
    known = [thresholds[CLASSES[i]] for i in MEASURED]
    thresholds = {name: min(value, max(known)) for name, value in thresholds.items()}
    thresholds[CLASSES[3]] = min(known)
    return Calibrated(temperature=temperature, thresholds=thresholds)


def figures(
    outcomes: Sequence[Outcome], *, rule: DecisionRule, repeats: int = 1000
) -> dict[str, object]:
    """Return every figure of the card.

    Each fold is judged with a temperature and thresholds fitted on the other folds. Intervals
    are 95 %: Wilson on groups for shares, bootstrap over groups for scores.

    Parameters
    ----------
    outcomes
        Out-of-fold answers for photographs and for pictures without an eye.
    rule
        The limits, as served.
    repeats
        Draws of the bootstrap.
    """
    eyes = photographs_of(outcomes)
    judged = _judged(eyes)
    single = one_per_group(eyes)
    return {
        "balanced_accuracy": _balanced(eyes, repeats),
        "balanced_accuracy_when_found": _balanced([o for o in eyes if o.found], repeats),
        "healthy_against_conjunctivitis": _pair(eyes, (1, 2), repeats),
        "healthy_against_cataract": _pair(eyes, (0, 2), repeats),
        "by_class": {CLASSES[i]: _class_figures(eyes, i) for i in MEASURED},
        "confusion": _confusion(single),
        "calibration": _calibration_figures(single, judged),
        "conformal": _conformal_figures(single, judged),
        "decisions": _decision_figures(eyes, judged, rule),
        "no_eye": _no_eye_figures(outcomes, rule),
        "acceptance": _acceptance(eyes, rule),
        "other_views": {
            kind: _balanced(shown, repeats)
            for kind in OTHER_VIEWS
            if (shown := [o for o in outcomes if o.kind == kind and o.label in MEASURED])
        },
    }


def photographs_of(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the answers for photographs of the classes that are measured."""
    return [o for o in outcomes if o.kind == "photograph" and o.label in MEASURED]


def _judged(eyes: Sequence[Outcome]) -> dict[str, tuple[NDArray[np.float64], tuple[str, ...]]]:
    """Key → calibrated probabilities and set, both fitted without the picture's fold."""
    result = {}
    for fold in sorted({o.fold for o in eyes}):
        fitted = calibrate([o for o in eyes if o.fold != fold])
        for outcome in (o for o in eyes if o.fold == fold):
            p = calibration.temperature_scale(outcome.logits, fitted.temperature)
            result[outcome.key] = (
                p,
                conformal.prediction_set(p, fitted.thresholds, list(CLASSES)),
            )
    return result


def _balanced(eyes: Sequence[Outcome], repeats: int) -> dict[str, float]:
    """Mean over classes of the share of right answers; each group weighs alike in its class."""
    right = np.array([int(np.argmax(o.logits)) == o.label for o in eyes], float)
    labels = _labels(eyes)
    groups = np.array([o.group for o in eyes])
    _, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    weights = 1 / sizes[member]

    def score(rows: NDArray[np.intp]) -> float:
        shares = []
        for label in sorted(set(labels.tolist())):
            inside = rows[labels[rows] == label]
            if not len(inside):
                return float("nan")
            shares.append(float(np.average(right[inside], weights=weights[inside])))
        return float(np.mean(shares))

    return _rounded(intervals.grouped_bootstrap(score, groups, repeats=repeats))


def _pair(eyes: Sequence[Outcome], pair: tuple[int, int], repeats: int) -> dict[str, float]:
    """Balanced accuracy when only two classes are asked for (the rest of the logits ignored)."""
    chosen = []
    for o in (o for o in eyes if o.label in pair):
        kept = [o.logits[i] if i in pair else -1e9 for i in range(len(CLASSES))]
        chosen.append(replace(o, logits=tuple(kept)))
    return _balanced(chosen, repeats)


def _class_figures(eyes: Sequence[Outcome], label: int) -> dict[str, object]:
    """Sensitivity and specificity of one class, one picture of each group."""
    single = one_per_group(eyes)
    mine = [o for o in single if o.label == label]
    others = [o for o in single if o.label != label]
    hits = sum(int(np.argmax(o.logits)) == label for o in mine)
    passes = sum(int(np.argmax(o.logits)) != label for o in others)
    return {
        "pictures": sum(o.label == label for o in eyes),
        "groups": len(mine),
        "sensitivity": _rounded(intervals.wilson(hits, len(mine))),
        "specificity": _rounded(intervals.wilson(passes, len(others))),
    }


def _confusion(single: Sequence[Outcome]) -> dict[str, dict[str, int]]:
    table = {CLASSES[i]: dict.fromkeys(CLASSES, 0) for i in MEASURED}
    for o in single:
        table[CLASSES[o.label]][CLASSES[int(np.argmax(o.logits))]] += 1
    return table


_Judged = Mapping[str, tuple[NDArray[np.float64], tuple[str, ...]]]


def _calibration_figures(single: Sequence[Outcome], judged: _Judged) -> dict[str, object]:
    labels = _labels(single)
    scaled = np.stack([judged[o.key][0] for o in single])
    raw = calibration.softmax(_logits(single))
    return {
        "expected_calibration_error": round(
            calibration.expected_calibration_error(scaled, labels, bins=10), 4
        ),
        "before_temperature": round(
            calibration.expected_calibration_error(raw, labels, bins=10), 4
        ),
        "brier": round(calibration.brier(scaled, labels), 4),
        "bins": [
            {
                "from": round(entry.lower, 2),
                "groups": entry.count,
                "confidence": round(entry.confidence, 3),
                "accuracy": round(entry.accuracy, 3),
            }
            for entry in calibration.reliability_bins(scaled, labels, bins=10)
            if entry.count
        ],
    }


def _conformal_figures(single: Sequence[Outcome], judged: _Judged) -> dict[str, object]:
    held = [CLASSES[o.label] in judged[o.key][1] for o in single]
    sizes = [len(judged[o.key][1]) for o in single]
    by_class = {}
    for i in MEASURED:
        mine = [h for h, o in zip(held, single, strict=True) if o.label == i]
        by_class[CLASSES[i]] = _rounded(intervals.wilson(sum(mine), len(mine)))
    return {
        "stated": COVERAGE,
        "measured": _rounded(intervals.wilson(sum(held), len(held))),
        "by_class": by_class,
        "mean_size": round(float(np.mean(sizes)), 3),
        "single": round(float(np.mean(np.array(sizes) == 1)), 3),
        "empty": round(float(np.mean(np.array(sizes) == 0)), 3),
    }


def _decision_figures(
    eyes: Sequence[Outcome], judged: _Judged, rule: DecisionRule
) -> dict[str, object]:
    """How often "likely" is said of each class's groups, and how often it is then right."""
    counts: dict[str, dict[str, int]] = {}
    said = right = 0
    for o in one_per_group(eyes):
        decision = _decision(o, *judged[o.key], rule)
        row = counts.setdefault(CLASSES[o.label], {})
        row[decision] = row.get(decision, 0) + 1
        if decision.startswith("likely"):
            said += 1
            right += decision == f"likely {CLASSES[o.label]}"
    return {
        "by_class": {name: dict(sorted(row.items())) for name, row in sorted(counts.items())},
        "likely": said,
        "likely_and_right": _rounded(intervals.wilson(right, said)),
    }


def _decision(
    o: Outcome, p: NDArray[np.float64], possible: tuple[str, ...], rule: DecisionRule
) -> str:
    """Return what is said of a picture, by the rule that serves."""
    classified = _classified(o, p, possible)
    if not o.found and classified.eye_evidence < rule.evidence_alone:
        return "not_an_eye"
    ruling = decide(classified, rule, experimental=(CLASSES[3],), cues=o.cues)
    return f"likely {ruling.label}" if ruling.decision == "likely" else ruling.decision


def _refused(o: Outcome, rule: DecisionRule) -> bool:
    """Say whether a picture is taken for no eye: none was found, or too little speaks for one."""
    p = calibration.softmax(o.logits)
    return _decision(o, p, (), rule) == "not_an_eye"


def _classified(o: Outcome, p: NDArray[np.float64], possible: tuple[str, ...]) -> Classified:
    scores = dict(zip(CLASSES, p.tolist(), strict=True))
    return Classified(
        logits=np.array(o.logits, np.float32),
        features=None,
        raw=scores,
        calibrated=scores,
        prediction_set=possible,
        eye_evidence=float(1 / (1 + np.exp(-np.clip(o.evidence, -50, 50)))),
    )


def _no_eye_figures(outcomes: Sequence[Outcome], rule: DecisionRule) -> dict[str, object]:
    others = [o for o in outcomes if o.label == _NO_EYE]
    if not others:
        return {"pictures": 0}
    diseased = [not _refused(o, rule) and _is_disease(o) for o in others]
    by_network = [not _refused(replace(o, found=True), rule) and _is_disease(o) for o in others]
    accepted = [not _refused(o, rule) for o in others]
    wrong: dict[str, int] = defaultdict(int)
    for o, flag in zip(others, diseased, strict=True):
        wrong[o.kind] += int(flag)
    return {
        "pictures": len(others),
        "kinds": len({o.kind for o in others}),
        "given_a_disease": _rounded(intervals.wilson(sum(diseased), len(others))),
        "given_a_disease_by_network_alone": _rounded(
            intervals.wilson(sum(by_network), len(others))
        ),
        "taken_for_an_eye": _rounded(intervals.wilson(sum(accepted), len(others))),
        "diseases_by_kind": {kind: n for kind, n in sorted(wrong.items()) if n},
    }


def _is_disease(o: Outcome) -> bool:
    return int(np.argmax(o.logits)) != _HEALTHY


def _acceptance(eyes: Sequence[Outcome], rule: DecisionRule) -> dict[str, object]:
    """How many real eyes are taken for eyes, one picture of each group."""
    single = one_per_group(eyes)
    kept = [not _refused(o, rule) for o in single]
    by_network = [not _refused(replace(o, found=True), rule) for o in single]
    return {
        "accepted": _rounded(intervals.wilson(sum(kept), len(kept))),
        "accepted_by_network_alone": _rounded(intervals.wilson(sum(by_network), len(kept))),
        "found": _rounded(intervals.wilson(sum(o.found for o in single), len(single))),
        "by_class": {
            CLASSES[i]: _rounded(
                intervals.wilson(
                    sum(k for k, o in zip(kept, single, strict=True) if o.label == i),
                    sum(o.label == i for o in single),
                )
            )
            for i in MEASURED
        },
    }


def _logits(outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    return np.array([o.logits for o in outcomes], np.float64)


def _labels(outcomes: Sequence[Outcome]) -> NDArray[np.intp]:
    return np.array([o.label for o in outcomes], np.intp)


def _rounded(interval: intervals.Interval) -> dict[str, float]:
    return {
        "value": round(interval.value, 4),
        "low": round(interval.low, 4),
        "high": round(interval.high, 4),
    }
