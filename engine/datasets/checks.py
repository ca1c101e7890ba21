"""What may be wrong with a set of pictures: twins, leaks between splits, empty masks, balance.

Looks at what is known of each picture, never at files; only :func:`perceptual_hash` sees pixels.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "NEAR",
    "CheckedPicture",
    "Finding",
    "balance",
    "check",
    "duplicates",
    "empty_or_full",
    "leakage",
    "near_duplicates",
    "perceptual_hash",
    "sizes",
]

NEAR: Final = 6
"""Bits of 64 in which the hashes of two near-duplicates differ at most."""

_SIDE: Final = 32
_KEPT: Final = 8
_ROWS: Final = 256
_NOBODY_LOOKED: Final = "not_annotated"

Kind = Literal["duplicates", "near_duplicates", "leakage", "empty", "full"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedPicture:
    """What is known of one picture; ``counts`` are pixels per class, ``None`` without a mask.

    ``group`` is what must not be split (a patient, a slide); an empty hash is not compared.
    """

    name: str
    sha256: str = ""
    perceptual_hash: str = ""
    group: str = ""
    split: str = ""
    width_px: int = 0
    height_px: int = 0
    counts: Mapping[str, int] | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that somebody should look at: which pictures, and a sentence."""

    kind: Kind
    names: tuple[str, ...]
    sentence: str


def perceptual_hash(picture: NDArray[np.uint8]) -> str:
    """Return 64 bits as 16 hexadecimal digits that look-alikes of a picture share, or nearly so.

    The signs of the lowest 8 × 8 cosine frequencies of the grey picture ``(H, W, 3) uint8``,
    against their median: the same after a change of size, of brightness or of compression.
    """
    import cv2

    grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    waves = np.asarray(cv2.dct(small))[:_KEPT, :_KEPT].ravel()
    # The first wave is the brightness, which tells nothing about what is seen.
    signs = waves > np.median(waves[1:])
    signs[0] = False
    return bytes(np.packbits(signs)).hex()


def check(pictures: Sequence[CheckedPicture], *, near: int = NEAR) -> tuple[Finding, ...]:
    """Return everything that is found, what matters most first."""
    alike = near_duplicates(pictures, near=near)
    return (
        *leakage(pictures, alike),
        *duplicates(pictures),
        *alike,
        *empty_or_full(pictures),
    )


def duplicates(pictures: Sequence[CheckedPicture]) -> tuple[Finding, ...]:
    """Return groups of pictures whose files are the same to the byte."""
    groups: dict[str, list[str]] = defaultdict(list)
    for picture in pictures:
        if picture.sha256:
            groups[picture.sha256].append(picture.name)
    return tuple(
        Finding(
            kind="duplicates",
            names=tuple(names),
            sentence=f"{len(names)} pictures are the same file: {_listed(names)}.",
        )
        for names in groups.values()
        if len(names) > 1
    )


def near_duplicates(pictures: Sequence[CheckedPicture], *, near: int = NEAR) -> tuple[Finding, ...]:
    """Return pairs that look alike, in at most ``near`` of 64 bits; same files are no such pair."""
    hashed = [picture for picture in pictures if picture.perceptual_hash]
    bits = np.array([int(picture.perceptual_hash, 16) for picture in hashed], np.uint64)
    found = []
    for start in range(0, len(hashed), _ROWS):  # rows at a time: 5,000² distances do not fit well
        distances = np.bitwise_count(bits[start : start + _ROWS, None] ^ bits[None, :])
        for row, column in zip(*np.nonzero(distances <= near), strict=True):
            one, other = hashed[start + row], hashed[column]
            if start + row < column and (not one.sha256 or one.sha256 != other.sha256):
                found.append(_near(one, other, int(distances[row, column])))
    return tuple(found)


def leakage(
    pictures: Sequence[CheckedPicture], alike: Sequence[Finding] = ()
) -> tuple[Finding, ...]:
    """Return what lies in more than one split: groups, same files, and pairs of ``alike``.

    Pictures without a split leak nothing.
    """
    found = [
        *_leaks({p.name: p.group for p in pictures if p.group}, pictures, "The group “{key}”"),
        *_leaks({p.name: p.sha256 for p in pictures if p.sha256}, pictures, "The same file"),
    ]
    split_of = {picture.name: picture.split for picture in pictures}
    for pair in alike:
        splits = {split_of.get(name, "") for name in pair.names} - {""}
        if len(splits) > 1:
            found.append(
                Finding(
                    kind="leakage",
                    names=pair.names,
                    sentence=f"{_listed(pair.names)} look alike, but lie in "
                    f"{_listed(sorted(splits))}; what is learned from one is tested on the other.",
                )
            )
    return tuple(found)


def empty_or_full(pictures: Sequence[CheckedPicture]) -> tuple[Finding, ...]:
    """Return masks in which nothing is marked, and those that are one class all over.

    The first class counts as background; pixels that nobody has looked at count as neither.
    """
    found = []
    for picture in pictures:
        if picture.counts is None:
            continue
        seen = {k: n for k, n in picture.counts.items() if n and k != _NOBODY_LOOKED}
        background = next(iter(picture.counts), "")
        if not seen:
            text = f"In the mask of {picture.name} nobody has marked anything."
            found.append(Finding(kind="empty", names=(picture.name,), sentence=text))
        elif set(seen) == {background}:
            text = f"The mask of {picture.name} has nothing but {background}."
            found.append(Finding(kind="empty", names=(picture.name,), sentence=text))
        elif len(seen) == 1:
            text = f"The mask of {picture.name} is {next(iter(seen))} all over."
            found.append(Finding(kind="full", names=(picture.name,), sentence=text))
    return tuple(found)


def balance(pictures: Sequence[CheckedPicture]) -> dict[str, float]:
    """Return the share of each class among the pixels that somebody has looked at, in 0..1."""
    total: Counter[str] = Counter()
    for picture in pictures:
        for name, number in (picture.counts or {}).items():
            if name != _NOBODY_LOOKED:
                total[name] += int(number)
    everything = sum(total.values())
    return {name: number / everything if everything else 0.0 for name, number in total.items()}


def sizes(pictures: Sequence[CheckedPicture]) -> tuple[tuple[int, int, int], ...]:
    """Return ``(width, height, number of pictures)`` for each size, the most frequent first."""
    found = Counter((picture.width_px, picture.height_px) for picture in pictures)
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return tuple((width, height, number) for (width, height), number in ordered)


def _near(one: CheckedPicture, other: CheckedPicture, distance: int) -> Finding:
    return Finding(
        kind="near_duplicates",
        names=(one.name, other.name),
        sentence=f"{one.name} and {other.name} look alike ({distance} of 64 bits differ).",
    )


def _leaks(keys: Mapping[str, str], pictures: Sequence[CheckedPicture], what: str) -> list[Finding]:
    members: dict[str, list[CheckedPicture]] = defaultdict(list)
    for picture in pictures:
        if picture.split and picture.name in keys:
            members[keys[picture.name]].append(picture)
    found = []
    for key, group in members.items():
        splits = sorted({picture.split for picture in group})
        if len(splits) > 1:
            names = tuple(picture.name for picture in group)
            text = f"{what.format(key=key)} lies in {_listed(splits)}: {_listed(names)}."
            found.append(Finding(kind="leakage", names=names, sentence=text))
    return found


def _listed(names: Sequence[str]) -> str:
    """Return names as people list them.

    >>> _listed(["a", "b", "c"]), _listed(list("abcdefg"))
    ('a, b and c', 'a, b, c, d and 3 more')
    """
    if len(names) > 5:
        return f"{', '.join(names[:4])} and {len(names) - 4} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
