"""Which pictures are learnt from, which steer, and which are looked at once at the end."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from engine.training.examples import Example, Part

__all__ = ["Division", "divide"]

_SHARES: Final = {"test": 0.2, "validation": 0.15}
_GROUPS_FOR_A_TEST: Final = 5


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """The part of each picture, in the order of the examples, and how it came about."""

    parts: tuple[Part, ...]
    sentence: str

    def indices(self, part: Part) -> tuple[int, ...]:
        """Return which pictures belong to a part."""
        return tuple(i for i, own in enumerate(self.parts) if own == part)


def divide(examples: Sequence[Example], *, seed: int = 0, fold: int | None = None,
           folds: int = 5) -> Division:  # fmt: skip
    """Deal pictures to train, validation and test; groups stay whole.

    A split that the pictures already have is kept; what it lacks is dealt from its training part.
    With fewer than five groups there is no test: all that can be had is a validation. With
    ``fold`` the test is that one of ``folds`` equal parts. The only picture is learnt from and
    validated on, which the sentence says.
    """
    given = [example.split for example in examples]
    groups = [example.group or f"\0{i}" for i, example in enumerate(examples)]
    if fold is not None:
        return _folded(groups, seed=seed, fold=fold, folds=folds)
    if "train" in given:
        return _completed(given, groups, seed)
    count = len(set(groups))
    if count == 1:
        return _one_group(groups)
    order = _dealt(groups, seed)
    wanted: dict[Part, int] = {}
    if count >= _GROUPS_FOR_A_TEST:
        wanted["test"] = max(1, round(_SHARES["test"] * len(groups)))
    wanted["validation"] = max(1, round(_SHARES["validation"] * len(groups)))
    parts = _given_out(order, groups, wanted)
    kept = "" if "test" in wanted else " Too few groups for a test of their own."
    return Division(parts=parts, sentence=_counted(parts, groups, "Dealt by chance") + kept)


def _one_group(groups: Sequence[str]) -> Division:
    """Deal a single patient or picture: nothing independent can be held back."""
    if len(groups) == 1:
        return Division(
            parts=("train",),
            sentence="There is one picture only: it is learnt from and measured on, so the "
            "figures say nothing about other pictures.",
        )
    last = max(1, len(groups) // 5)
    first = len(groups) - last
    parts: list[Part] = ["train" if i < first else "validation" for i in range(len(groups))]
    return Division(
        parts=tuple(parts),
        sentence="All pictures are of one group (a patient or slide): the last fifth is held back "
        "for validation, but figures will flatter the model.",
    )


def _completed(given: Sequence[Part], groups: Sequence[str], seed: int) -> Division:
    """Keep a split; pictures without a part are learnt from, a missing validation is dealt."""
    parts: list[Part] = [part or "train" for part in given]
    sentence = "The split of the dataset is kept"
    if "validation" not in parts:
        own = [i for i, part in enumerate(parts) if part == "train"]
        names = [groups[i] for i in own]
        if len(set(names)) > 1:
            wanted: dict[Part, int] = {
                "validation": max(1, round(_SHARES["validation"] * len(own)))
            }
            dealt = _given_out(_dealt(names, seed), names, wanted)
            for i, part in zip(own, dealt, strict=True):
                parts[i] = part
            sentence += ", a validation part was dealt from its training pictures"
    return Division(parts=tuple(parts), sentence=_counted(parts, groups, sentence))


def _folded(groups: Sequence[str], *, seed: int, fold: int, folds: int) -> Division:
    names = _dealt(groups, seed)
    test = set(names[fold::folds])
    rest = [name for name in names if name not in test]
    validation = set(rest[:: max(2, round(1 / _SHARES["validation"]))])
    parts: list[Part] = [
        "test" if name in test else "validation" if name in validation else "train"
        for name in groups
    ]
    return Division(
        parts=tuple(parts), sentence=_counted(parts, groups, f"Fold {fold + 1} of {folds}")
    )


def _dealt(groups: Sequence[str], seed: int) -> list[str]:
    names = sorted(set(groups))
    random.Random(seed).shuffle(names)  # noqa: S311 – chance, not secrecy
    return names


def _given_out(
    order: Sequence[str], groups: Sequence[str], wanted: dict[Part, int]
) -> tuple[Part, ...]:
    """Give whole groups to each part until it has its pictures; the training gets the rest.

    Smaller groups go first, so that one large slide does not make up a whole part.
    """
    sizes = {name: groups.count(name) for name in order}
    left = sorted(order, key=lambda name: sizes[name])
    chosen: dict[str, Part] = {}
    for part, number in wanted.items():
        taken = 0
        for name in list(left):
            if taken >= number or len(left) <= 1:
                break
            if taken and taken + sizes[name] > 1.5 * number:
                break
            chosen[name] = part
            taken += sizes[name]
            left.remove(name)
    return tuple(chosen.get(name, "train") for name in groups)


def _counted(parts: Sequence[Part], groups: Sequence[str], how: str) -> str:
    told = []
    for part in ("train", "validation", "test"):
        own = {group for own_part, group in zip(parts, groups, strict=True) if own_part == part}
        number = sum(one == part for one in parts)
        if number:
            told.append(f"{number} {part} (of {len(own)} group{'s' if len(own) > 1 else ''})")
    return f"{how}: {', '.join(told)}."
