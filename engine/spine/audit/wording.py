"""The audit in sentences for people."""

from __future__ import annotations

from collections.abc import Sequence

from engine.spine.audit.anatomy import Variant
from engine.spine.audit.findings import (
    Alternative,
    AnchorReading,
    Axis,
    Correction,
    Issue,
    Verdict,
)

__all__ = [
    "BACK_TO_FRONT",
    "LEFT_RIGHT",
    "REVERSED",
    "TURNED",
    "UNDECIDED",
    "UNVERIFIED",
    "UPSIDE_DOWN",
    "UPSIDE_DOWN_OR_NAMES",
    "alternative",
    "border",
    "correction",
    "missing",
    "renumbered",
    "same_object",
    "sentences",
    "uneven",
]

TURNED = (
    "The spine does not run from head to feet along the file's own axis; its axes are mixed up."
)
UPSIDE_DOWN = "The scan is upside down: sizes and landmarks run from the feet to the head."
UPSIDE_DOWN_OR_NAMES = (
    "The names run upwards: the scan is upside down, or the names are in reversed order."
)
REVERSED = "The names run against the anatomy, from the feet to the head."
BACK_TO_FRONT = "Front and back are exchanged: arches or curvature point the wrong way."
LEFT_RIGHT = "Left and right are exchanged: the liver lies on the left."
UNVERIFIED = (
    "Nothing in view fixes the count (no sacrum, no rib, no C2, no skull): "
    "all names could be off by one."
)
UNDECIDED = "What is in view does not decide the count."

_VERDICTS = {
    "trusted": "The names can be trusted",
    "ambiguous": "The names are not certain",
    "wrong": "The names cannot be used as they are",
}
_FITTING = 0.9


def sentences(
    verdict: Verdict,
    probability: float,
    issues: Sequence[Issue],
    readings: Sequence[AnchorReading],
    alternatives: Sequence[Alternative],
    fix: Correction | None,
) -> tuple[str, ...]:
    """Say the whole audit: the verdict first, then reasons, then what to do."""
    told = [
        _lead(verdict, probability, issues),
        *(issue.sentence for issue in issues),
        *(_reading(r, verdict) for r in readings),
    ]
    if verdict != "trusted":
        told += [a.sentence for a in alternatives if a.shift != 0][:3]
    if fix is not None:
        told.append(fix.sentence)
    return tuple(dict.fromkeys(told))


def _lead(verdict: Verdict, probability: float, issues: Sequence[Issue]) -> str:
    """Say the verdict; a list that only lacks some vertebrae is not called misnamed.

    >>> gap = Issue(kind="missing", severity="error", indices=(0,), sentence="C1 is missing.")
    >>> _lead("wrong", 0.97, [gap])
    'The list is not complete, but the names that it has fit (97 % that all are right).'
    """
    sure = f" ({_percent(probability)} that all are right)"
    errors = {issue.kind for issue in issues if issue.severity == "error"}
    if verdict == "wrong" and probability >= _FITTING and errors == {"missing"}:
        return f"The list is not complete, but the names that it has fit{sure}."
    # Names may fit and yet not be usable, as in a scan that is upside down.
    is_odd = verdict == "wrong" and probability >= 0.5
    return f"{_VERDICTS[verdict]}{'' if is_odd else sure}."


def _reading(reading: AnchorReading, verdict: Verdict) -> str:
    """Say what a landmark says, and that it was outvoted where the names are trusted all the same.

    >>> _reading(AnchorReading(name="skull", agrees=False, sentence="It is C2."), "trusted")
    'It is C2; everything else in view outweighs it, but look at it.'
    """
    if reading.agrees is False and verdict == "trusted":
        return f"{reading.sentence[:-1]}; everything else in view outweighs it, but look at it."
    return reading.sentence


def same_object(kept: str, copy: str) -> str:
    """Say that two names were given to one object."""
    if kept == copy:
        return f"{kept} is in the list twice, in the same place."
    return f"{kept} and {copy} lie in the same place."


def missing(levels: Sequence[str], above: str, below: str) -> str:
    """Say which levels nobody found.

    >>> missing(["T11"], "T10", "T12")
    'Between T10 and T12 a vertebra is missing (T11).'
    """
    what = "a vertebra is" if len(levels) == 1 else f"{len(levels)} vertebrae are"
    return f"Between {above} and {below} {what} missing ({', '.join(levels)})."


def border(name: str, *, body: bool) -> str:
    """Say what the border of the image cuts.

    >>> border("L5", body=False)
    "The border of the image cuts off a part of L5's arch."
    """
    if body:
        return f"{name} is cut by the border of the image; its sizes are not used."
    return f"The border of the image cuts off a part of {name}'s arch."


def uneven(above: str, below: str, share: float) -> str:
    """Say that a distance does not fit.

    >>> uneven("T3", "T4", 1.6)
    'T3 and T4 are 60 % farther apart than the rest of the spine suggests.'
    """
    percent = round(100 * abs(share - 1.0))
    how = "farther apart" if share > 1 else "closer together"
    return f"{above} and {below} are {percent} % {how} than the rest of the spine suggests."


def renumbered(pairs: Sequence[tuple[str, str]]) -> str:
    """Say what the better names are.

    >>> renumbered([("L1", "T12"), ("L2", "L1")])
    'Other names fit better: L1 → T12, L2 → L1.'
    """
    told = ", ".join(f"{old} → {new}" for old, new in pairs[:4])
    more = f", and {len(pairs) - 4} more" if len(pairs) > 4 else ""
    return f"Other names fit better: {told}{more}."


def alternative(
    given: Sequence[str],
    labels: Sequence[str],
    order: Sequence[int],
    shift: int | None,
    probability: float,
    variant: Variant,
) -> str:
    """Say one naming with its probability."""
    chance = _percent(probability)
    if shift == 0:
        return f"{chance}: the names as they are."
    span = f"{labels[order[0]]} to {labels[order[-1]]}"
    with_count = "" if variant.name == "regular" else f", with {variant.sentence}"
    if shift is not None:
        where = "down" if shift > 0 else "up"
        return f"{chance}: all names {abs(shift)} {where}, {span}{with_count}."
    changed = sum(a != b for a, b in zip(given, labels, strict=True))
    return f"{chance}: {span}, {changed} of {len(given)} names changed{with_count}."


def correction(
    given: Sequence[str],
    labels: Sequence[str],
    order: Sequence[int],
    axes: tuple[Axis, Axis, Axis],
    removed: int,
    merged: Sequence[int],
    split: Sequence[tuple[int, ...]],
    absent: Sequence[str],
) -> str:
    """Say what the proposed correction does, and what it cannot do."""
    steps = []
    if axes != ("x", "y", "z"):
        steps.append(f"read the axes as {', '.join(axes)}")
    if removed:
        steps.append(f"remove {removed} second {'copy' if removed == 1 else 'copies'}")
    changed = [(given[i], labels[i]) for i in order if given[i] != labels[i]]
    if changed:
        told = ", ".join(f"{old} → {new}" for old, new in changed[:4])
        steps.append(f"rename {told}{' …' if len(changed) > 4 else ''}")
    if merged:
        steps.append("segment again what holds two vertebrae in one")
    if split:
        steps.append("join the halves")
    if absent:
        steps.append(f"look for {', '.join(absent)}")
    return f"Proposed: {'; '.join(steps)}." if steps else "Proposed: look at the list."


def _percent(share: float) -> str:
    """Probability for people: never a certain 0 or 100."""
    if share > 0.995:
        return "more than 99 %"
    return "less than 1 %" if share < 0.01 else f"{round(100 * share)} %"
