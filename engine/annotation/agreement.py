"""How far two masks of one picture agree: Dice of each class, and Cohen's kappa.

Only pixels that both annotators looked at count; where one of them left "not annotated", nobody
can agree or disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import RequestError
from engine.imaging.masks import NOT_ANNOTATED, Mask

__all__ = ["STATE_NAMES", "Agreement", "compare", "difference"]

STATE_NAMES: Final = ("background", "unhealthy", "healthy")
"""Names of the values 0, 1 and 2 of a mask of three states."""

_BAND_PX: Final = 1 << 22  # pixels compared at a time, which bounds memory


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Two masks compared. A figure that is not defined is ``None``, never 0 or 1.

    ``dice`` is 2·|A∩B| / (|A|+|B|) by class, ``None`` for a class that neither used. ``kappa`` is
    (agreed − by chance) / (1 − by chance), ``None`` when both used one class alone, or nothing was
    annotated by both. ``confusion[i, j]`` counts pixels that the first called i and the second j.
    """

    dice: Mapping[str, float | None]
    kappa: float | None
    both_px: int
    agreed_px: int
    confusion: NDArray[np.int64]

    @property
    def agreed_share(self) -> float | None:
        """Part of the pixels annotated by both in which they agree, 0..1; ``None`` for none."""
        return self.agreed_px / self.both_px if self.both_px else None


def compare(first: Mask, second: Mask, names: Sequence[str] = STATE_NAMES) -> Agreement:
    """Compare two masks ``(H, W)`` whose values are places in ``names``, or 255.

    >>> one, other = np.array([[0, 0, 1, 1]], np.uint8), np.array([[0, 1, 1, 255]], np.uint8)
    >>> compare(one, other, ("glass", "tissue")).dice
    {'glass': 0.6666666666666666, 'tissue': 0.6666666666666666}

    Raises
    ------
    RequestError
        When the masks differ in size, or have a value without a name.
    """
    _check(first, second)
    confusion = _confusion(first, second, len(names))
    both, agreed = int(confusion.sum()), int(np.trace(confusion))
    return Agreement(
        dice={name: _dice(confusion, index) for index, name in enumerate(names)},
        kappa=_kappa(confusion),
        both_px=both,
        agreed_px=agreed,
        confusion=confusion,
    )


def difference(first: Mask, second: Mask) -> NDArray[np.bool_]:
    """Return where both annotated and do not agree, ``(H, W)``.

    Raises
    ------
    RequestError
        When the masks differ in size.
    """
    _check(first, second)
    looked = (first != NOT_ANNOTATED) & (second != NOT_ANNOTATED)
    return np.asarray(looked & (first != second))


def _check(first: Mask, second: Mask) -> None:
    if first.shape != second.shape or first.ndim != 2:
        raise RequestError(
            f"Two masks of one picture have its size, but these have {_size(first)} and "
            f"{_size(second)}; compare masks of the same picture."
        )


def _size(mask: Mask) -> str:
    return "×".join(str(side) for side in mask.shape[::-1])


def _confusion(first: Mask, second: Mask, number: int) -> NDArray[np.int64]:
    pairs = np.zeros(1 << 16, np.int64)
    rows = max(1, _BAND_PX // max(1, first.shape[1]))
    for top in range(0, first.shape[0], rows):
        band = slice(top, top + rows)
        code = first[band].astype(np.uint16) << 8 | second[band]
        pairs += np.bincount(code.ravel(), minlength=1 << 16)
    table = pairs.reshape(256, 256)
    strange = table[number:NOT_ANNOTATED].sum() + table[:, number:NOT_ANNOTATED].sum()
    if strange:
        raise RequestError(
            f"Masks to compare have the values 0 to {number - 1} and {NOT_ANNOTATED}, but these "
            "have others too; map them to classes first."
        )
    return np.ascontiguousarray(table[:number, :number])


def _dice(confusion: NDArray[np.int64], index: int) -> float | None:
    sizes = int(confusion[index].sum() + confusion[:, index].sum())
    return 2 * int(confusion[index, index]) / sizes if sizes else None


def _kappa(confusion: NDArray[np.int64]) -> float | None:
    """Return Cohen's kappa (Educational and Psychological Measurement 20, 1960, 37-46)."""
    total = int(confusion.sum())
    if not total:
        return None
    rows, columns = confusion.sum(axis=1).tolist(), confusion.sum(axis=0).tolist()
    chance = sum(row * column for row, column in zip(rows, columns, strict=True))  # times total²
    if chance == total * total:
        return None
    return float((int(np.trace(confusion)) * total - chance) / (total * total - chance))
