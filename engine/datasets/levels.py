"""Which numbers in masks are meant, and which are only the softened edge between two of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.datasets.mask_files import RawMask
from engine.errors import DatasetError

__all__ = ["Levels", "levels_of", "pooled", "present", "snapped"]

_INSIDE_SHARE: Final = 0.15  # of a meant level's pixels, at least, have four equal neighbours
_LARGE_SHARE: Final = 0.05  # of all pixels: meant, however thin
_FEW: Final = 8  # so many different values are all meant, as long as none is a softened edge
_LOSSY_REACH: Final = 40
_MOST_STRANGE: Final = 0.2


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """The levels that a sample means, in order, with their pixels; and the share of the rest."""

    firm: tuple[int, ...]
    pixels: Mapping[int, int] = field(hash=False)
    soft_share: float = 0.0
    looks_like_objects: bool = False


def levels_of(sample: Sequence[RawMask]) -> Levels:
    """Return the levels of masks that hold numbers, or colours passed through :func:`pooled`."""
    total: dict[int, int] = {}
    inside: dict[int, int] = {}
    for raw in sample:
        _count(raw.labels, total, inside)
    everything = sum(total.values())
    is_lossy = any(raw.is_lossy for raw in sample)
    firm = sorted(
        value
        for value, count in total.items()
        if count >= _LARGE_SHARE * everything or inside.get(value, 0) >= _INSIDE_SHARE * count
    )
    is_colour = any(raw.is_colour for raw in sample)
    if is_lossy:
        firm = _strongest(firm, total, is_colour=is_colour)
    between = [value for value in total if value not in set(firm)]
    if not is_lossy and not is_colour and not _is_softened(between, firm, total):
        firm, between = sorted(total), []
    looks_like_objects = not is_colour and (len(firm) > 24 or (len(firm) > 12 and _runs(firm)))
    soft = sum(total[value] for value in between)
    return Levels(
        firm=tuple(firm or sorted(total, key=lambda v: -total[v])[:2]),
        pixels=total,
        soft_share=soft / everything,
        looks_like_objects=looks_like_objects,
    )


def pooled(sample: Sequence[RawMask]) -> list[RawMask]:
    """Return the masks with grey ones among them written as colours, so that keys agree."""
    return [
        raw if raw.is_colour else replace(raw, labels=raw.labels * 0x010101, is_colour=True)
        for raw in sample
    ]


def snapped(raw: RawMask, firm: Sequence[int]) -> tuple[NDArray[np.int32], int]:
    """Give each pixel that is none of ``firm`` to one of them; return labels and how many moved.

    Between two grey levels the middle decides. Otherwise the nearest pixel of a level does, since
    an edge between two levels passes through the value of a third; for JPEG the nearest colour.

    Raises
    ------
    DatasetError
        When these pixels are too many, or lie together, and so are something else than edges.
    """
    labels = raw.labels
    is_known = np.isin(labels, np.asarray(firm, np.int32))
    strange = ~is_known
    moved = int(strange.sum())
    if raw.is_lossy:
        return _nearest_value(labels, firm, is_colour=raw.is_colour), moved
    _check_edges(labels, strange)
    if len(firm) == 2 and not raw.is_colour:
        return _nearest_value(labels, firm, is_colour=False), moved
    if not raw.is_colour and len(firm) > 2:
        is_known &= ~_thin_middle(labels, firm, strange)
    if not is_known.any():
        raise DatasetError("The mask has none of the values that the mapping names.")
    return _nearest_pixel(labels, is_known), moved


def present(labels: NDArray[np.int32]) -> list[int]:
    """Return the labels that occur, in order; needs little memory beside the mask."""
    found: set[int] = set()
    for rows in _bands(labels.shape):
        found.update(np.unique(labels[rows]).tolist())
    return sorted(found)


def _bands(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield slices of rows of about four million pixels."""
    step = max(3, 4_000_000 // max(1, shape[1]))
    return (slice(start, start + step) for start in range(0, shape[0], step))


def _count(labels: NDArray[np.int32], total: dict[int, int], inside: dict[int, int]) -> None:
    for rows in _bands(labels.shape):
        values, counts = np.unique(labels[rows], return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            total[value] = total.get(value, 0) + count
        if rows.start and len(labels[rows]) < 3:
            continue  # the last rows of a larger mask: nothing of them has four neighbours here
        for value, count in zip(*_inner(labels[rows]), strict=True):
            inside[value] = inside.get(value, 0) + count


def _inner(labels: NDArray[np.int32]) -> tuple[list[int], list[int]]:
    """Return labels whose pixels have four equal neighbours, and how many of these there are."""
    if min(labels.shape) < 3:
        values, counts = np.unique(labels, return_counts=True)
        return values.tolist(), counts.tolist()
    middle = labels[1:-1, 1:-1]
    is_inner = (middle == labels[:-2, 1:-1]) & (middle == labels[2:, 1:-1])
    is_inner &= (middle == labels[1:-1, :-2]) & (middle == labels[1:-1, 2:])
    values, counts = np.unique(middle[is_inner], return_counts=True)
    return values.tolist(), counts.tolist()


def _is_softened(between: list[int], firm: list[int], total: Mapping[int, int]) -> bool:
    """Tell whether ``between`` are values that only edges have, not small classes of their own."""
    if len(firm) < 2 or len(between) < 3 or max(total) < 16:
        return False
    return all(firm[0] < value < firm[-1] for value in between)


def _strongest(firm: list[int], total: Mapping[int, int], *, is_colour: bool) -> list[int]:
    """Keep of near levels the one with most pixels: JPEG spreads a value over its neighbours."""
    kept: list[int] = []
    for value in sorted(firm, key=lambda v: -total[v]):
        if all(_distance(value, other, is_colour=is_colour) > _LOSSY_REACH for other in kept):
            kept.append(value)
    return sorted(kept)


def _distance(one: int, other: int, *, is_colour: bool) -> int:
    if not is_colour:
        return abs(one - other)
    return max(abs((one >> shift & 255) - (other >> shift & 255)) for shift in (0, 8, 16))


def _runs(firm: list[int]) -> bool:
    """Tell whether values are 0, 1, 2, … nearly without gaps, as object numbers are."""
    return firm[-1] - firm[0] < 1.5 * len(firm)


def _check_edges(labels: NDArray[np.int32], strange: NDArray[np.bool_]) -> None:
    share = float(strange.mean())
    wide = cv2.erode(strange.astype(np.uint8), np.ones((5, 5), np.uint8))
    if share > _MOST_STRANGE or wide.any():
        values, counts = np.unique(labels[strange], return_counts=True)
        worst = int(values[np.argmax(counts)])
        raise DatasetError(
            f"The mask has values that the mapping does not name, such as {worst} "
            f"({share:.1%} of the pixels are such); name them in the mapping."
        )


def _nearest_value(
    labels: NDArray[np.int32], firm: Sequence[int], *, is_colour: bool
) -> NDArray[np.int32]:
    present, back = np.unique(labels, return_inverse=True)
    levels = np.asarray(sorted(firm), np.int32)
    shifts = (0, 8, 16) if is_colour else (0,)
    limit = 255 if is_colour else 0x7FFFFFFF
    distance = np.zeros((len(present), len(levels)), np.int64)
    for shift in shifts:
        here = (present >> shift & limit).astype(np.int64)
        there = (levels >> shift & limit).astype(np.int64)
        distance += (here[:, None] - there[None, :]) ** 2
    chosen = levels[np.argmin(distance, axis=1)]
    return np.asarray(chosen[back].reshape(labels.shape), np.int32)


def _thin_middle(
    labels: NDArray[np.int32], firm: Sequence[int], strange: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return pixels of middle levels that are thin lines beside softened ones: edges themselves."""
    beside = cv2.dilate(strange.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    thin = np.zeros(labels.shape, bool)
    for level in sorted(firm)[1:-1]:
        here = (labels == level).astype(np.uint8)
        solid = cv2.morphologyEx(here, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        thin |= (here > 0) & (solid == 0) & beside
    return thin


def _nearest_pixel(labels: NDArray[np.int32], is_known: NDArray[np.bool_]) -> NDArray[np.int32]:
    _, index = cv2.distanceTransformWithLabels(
        (~is_known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    by_index = np.zeros(int(index.max()) + 1, np.int32)
    by_index[index[is_known]] = labels[is_known]
    return np.asarray(by_index[index], np.int32)
