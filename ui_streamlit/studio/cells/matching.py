"""What somebody did on the canvas: the boxes there against the cells that were put there.

The canvas hands back boxes without ids; a box that stayed has its place, size and name, one that
was moved or resized overlaps its old place or has its old size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, final

from engine.catalogue.cell_marks import Edit

__all__ = ["Known", "edits_between"]

_SAME_PX: Final = 0.75
_LEAST_PX: Final = 4.0
_OVERLAPS: Final = 0.1
Box = tuple[float, float, float, float]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A box on the canvas: left, top, width, height in its pixels; a new one has no ``id``."""

    box: Box
    label: str
    id: str = ""


def edits_between(
    before: Sequence[Known], after: Sequence[Known], *, scale: float
) -> tuple[Edit, ...]:
    """Return the changes that make ``after`` of ``before``.

    ``scale`` is canvas pixels for each pixel of the picture. A click without a drag makes a box of
    hardly any size, which counts as none.
    """
    old = list(before)
    new = list(after)
    _, old, new = _paired(old, new, _is_same)
    resized, old, new = _paired(old, new, _is_near)
    moved, old, new = _paired(old, new, _is_moved)
    return (
        *(_changed(first, second, scale) for first, second in (*resized, *moved)),
        *(Edit(id=one.id, gone=True) for one in old),
        *(
            Edit(box=_in_picture(one.box, scale), cell_type=one.label)
            for one in new
            if min(one.box[2:]) >= _LEAST_PX
        ),
    )


def _paired(
    old: list[Known], new: list[Known], is_pair: Callable[[Known, Known], bool]
) -> tuple[list[tuple[Known, Known]], list[Known], list[Known]]:
    """Return pairs, and what is left of both."""
    pairs, alone, left = [], [], list(new)
    for first in old:
        second = next((one for one in left if is_pair(first, one)), None)
        if second is None:
            alone.append(first)
        else:
            left.remove(second)
            pairs.append((first, second))
    return pairs, alone, left


def _is_same(first: Known, second: Known) -> bool:
    return first.label == second.label and all(
        abs(a - b) < _SAME_PX for a, b in zip(first.box, second.box, strict=True)
    )


def _is_near(first: Known, second: Known) -> bool:
    """Say whether a box was resized, relabelled, or moved a little."""
    a, b = first.box, second.box
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(0.0, wide) * max(0.0, high)
    return shared > _OVERLAPS * (a[2] * a[3] + b[2] * b[3] - shared)


def _is_moved(first: Known, second: Known) -> bool:
    """Say whether a box was moved away as a whole."""
    sizes = zip(first.box[2:], second.box[2:], strict=True)
    return first.label == second.label and all(abs(a - b) < _SAME_PX for a, b in sizes)


def _changed(first: Known, second: Known, scale: float) -> Edit:
    label = second.label if second.label != first.label else None
    moved = any(abs(a - b) >= _SAME_PX for a, b in zip(first.box, second.box, strict=True))
    box = _in_picture(second.box, scale) if moved else None
    return Edit(id=first.id, box=box, cell_type=label)


def _in_picture(box: Box, scale: float) -> Box:
    left, top, width, height = (value / scale for value in box)
    return left, top, width, height
