"""Divides pictures into training, validation and test without dividing a group."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from engine.datasets.entries import Split
from engine.errors import RequestError

__all__ = ["SHARES", "split"]

SHARES: Final[Mapping[Split, float]] = {"train": 0.7, "validation": 0.15, "test": 0.15}
"""What is usual."""


def split(
    groups: Mapping[str, str], shares: Mapping[Split, float] = SHARES, *, seed: int = 0
) -> dict[str, Split]:
    """Return the part of every picture, the same for the same pictures, shares and seed.

    ``groups`` has the group of each picture by its name (empty: it stands alone). The larger
    groups are dealt first, each to the part that lacks most, so that the parts come as near to
    ``shares`` of the pictures as whole groups allow. A part with a share gets at least one group
    while there are enough of them.

    Raises
    ------
    RequestError
        When the shares are negative or do not add up to 1.
    """
    wanted = _checked(shares)
    members: dict[tuple[bool, str], list[str]] = defaultdict(list)
    for name in sorted(groups):
        members[(True, groups[name]) if groups[name] else (False, name)].append(name)
    dealt = sorted(members.values(), key=lambda names: names[0])
    random.Random(seed).shuffle(dealt)  # noqa: S311 – chance, not secrecy
    dealt.sort(key=len, reverse=True)  # stable: equal sizes stay in the order of chance
    counts = dict.fromkeys(wanted, 0)
    found: dict[str, Split] = {}
    for place, names in enumerate(dealt):
        part = _neediest(wanted, counts, total=len(groups), left=len(dealt) - place)
        counts[part] += len(names)
        found.update(dict.fromkeys(names, part))
    return {name: found[name] for name in groups}


def _neediest(
    wanted: Mapping[Split, float], counts: Mapping[Split, int], *, total: int, left: int
) -> Split:
    """Return the part that lacks most pictures; the empty ones come first when groups run out."""
    empty = [part for part in wanted if not counts[part]]
    choice = empty if empty and left <= len(empty) else list(wanted)
    return max(choice, key=lambda part: wanted[part] * total - counts[part])


def _checked(shares: Mapping[Split, float]) -> dict[Split, float]:
    if any(share < 0 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-6:
        came = ", ".join(f"{part} {share:g}" for part, share in shares.items())
        raise RequestError(
            f"The shares must be 0 or more and add up to 1, but are {came or 'none'}; "
            "change one of them."
        )
    return {part: share for part, share in shares.items() if share > 0}
