"""Which pictures were cut from one larger picture: their edges go on in one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

__all__ = ["mosaics"]

_ALIKE: Final = 0.9
_GAP: Final = 0.6
"""The mean step across the seam, as part of the spread along it."""


def mosaics(pictures: Mapping[str, NDArray[np.uint8]]) -> dict[str, str]:
    """Return the group of each picture by its name: that of the first picture it hangs with.

    Two pictures ``(H, W, 3)`` of one size hang together when the last column of one goes on in the
    first column of the other, or row in row: correlation above 0.9 and a small step in between.
    A chance likeness joins too many rather than too few, which is the safe side of a split.
    """
    by_size: dict[tuple[int, ...], list[str]] = {}
    for name in sorted(pictures):
        by_size.setdefault(pictures[name].shape, []).append(name)
    groups = {}
    for names in by_size.values():
        members = _components([pictures[name] for name in names])
        first: dict[int, str] = {}
        for name, member in zip(names, members, strict=True):
            groups[name] = first.setdefault(member, name)
    return groups


def _components(pictures: Sequence[NDArray[np.uint8]]) -> list[int]:
    edges = [
        np.stack([part.mean(axis=1) for part in side])
        for side in zip(
            *((one[:, -1], one[:, 0], one[-1], one[0]) for one in pictures), strict=True
        )
    ]
    joined = _goes_on(edges[0], edges[1]) | _goes_on(edges[2], edges[3])
    np.fill_diagonal(joined, False)
    _, members = connected_components(csr_matrix(joined), directed=False)
    return [int(member) for member in members]


def _goes_on(last: NDArray[np.float64], first: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return ``(N, N)``: the edge of the row's picture goes on in that of the column's."""
    spread = np.sqrt(np.outer(last.std(axis=1), first.std(axis=1)))
    centred = [side - side.mean(axis=1, keepdims=True) for side in (last, first)]
    shared = centred[0] @ centred[1].T / last.shape[1]  # the correlation times both spreads
    step = np.abs(last[:, np.newaxis] - first[np.newaxis]).mean(axis=2)
    return np.asarray((shared > _ALIKE * spread**2) & (step < _GAP * spread))
