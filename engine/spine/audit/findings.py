"""What the numbering audit answers: frozen records, sentences for people, no JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

__all__ = [
    "Alternative",
    "AnchorReading",
    "Axis",
    "Correction",
    "Issue",
    "IssueKind",
    "NumberingAudit",
    "Verdict",
]

Verdict = Literal["trusted", "ambiguous", "wrong"]
"""``trusted``: the names are right with at least 90 % and nothing contradicts them. ``ambiguous``:
other namings fit too; they are listed. ``wrong``: something contradicts the names or the list, and
a correction is proposed."""

IssueKind = Literal[
    "upside_down", "reversed_names", "back_to_front", "left_right", "turned",
    "duplicate_name", "duplicate_object", "unknown_name", "order", "missing", "merged", "split",
    "renumbered", "unverified", "numeric_variant", "border", "unusual_size", "uneven", "off_course",
]  # fmt: skip

Axis = Literal["x", "-x", "y", "-y", "z", "-z"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One thing that was noticed.

    ``severity``: ``note`` does not touch the names, ``doubt`` makes them uncertain, ``error``
    contradicts them. ``indices`` point into the audited list.
    """

    kind: IssueKind
    severity: Literal["note", "doubt", "error"]
    indices: tuple[int, ...]
    sentence: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One complete naming of the list with its probability.

    ``labels[i]`` names the i-th vertebra as it was given; an object over two levels reads
    ``"T11+T12"``. ``shift`` is how many levels *all* names move, None when they do not move
    together. ``variant`` is the count of vertebrae it assumes where that matters.
    """

    labels: tuple[str, ...]
    probability: float
    shift: int | None
    variant: str
    sentence: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What would make the list right, as far as the audit can tell.

    ``labels[i]`` is the new name of the i-th vertebra. ``axes`` says what the right x, y, z are in
    terms of the given ones: ``("x", "y", "-z")`` turns an upside-down scan. ``remove`` are indices
    of second copies. ``merged`` are objects that cover two levels, ``split`` groups of objects that
    are one level, ``missing`` levels that nobody found: these need a new segmentation.
    """

    labels: tuple[str, ...]
    axes: tuple[Axis, Axis, Axis] = ("x", "y", "z")
    remove: tuple[int, ...] = ()
    merged: tuple[int, ...] = ()
    split: tuple[tuple[int, ...], ...] = ()
    missing: tuple[str, ...] = ()
    sentence: str = ""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorReading:
    """What one landmark says: ``agrees`` is None when it cannot tell about the given names."""

    name: Literal["sacrum", "lowest rib", "highest rib", "C2", "skull"]
    agrees: bool | None
    sentence: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NumberingAudit:
    """Whether the names of a list of vertebrae can be trusted.

    ``probability`` is that of all names being right as given, in 0..1. ``alternatives`` are
    complete namings, the most probable first, the given one among them; their probabilities sum to
    at most 1 (rare ones are left out). ``confidences[i]`` (0..1) estimates "the i-th object is one
    vertebra and carries its right name". ``order`` lists the indices from the head down.
    ``sentences`` say the same for people.
    """

    verdict: Verdict
    probability: float
    alternatives: tuple[Alternative, ...]
    issues: tuple[Issue, ...]
    anchors: tuple[AnchorReading, ...]
    correction: Correction | None
    confidences: tuple[float, ...]
    truncated: tuple[bool, ...]
    order: tuple[int, ...]
    sentences: tuple[str, ...]

    def has(self, kind: IssueKind) -> bool:
        """Whether an issue of this kind was noticed."""
        return any(issue.kind == kind for issue in self.issues)
