"""Areas of a picture as run lengths: small enough for one line of a journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import RequestError

__all__ = ["Area", "decode_runs", "encode_runs"]

_LONGEST_PX: Final = 1 << 17


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """Some pixels inside a box: ``runs`` count, row by row, those outside and inside in turn.

    >>> Area.of(np.array([[False, True], [True, False]]), left=5, top=7).runs
    (1, 2, 1)
    """

    left: int
    top: int
    width: int
    height: int
    runs: tuple[int, ...]

    def __post_init__(self) -> None:
        if not (0 < self.width <= _LONGEST_PX and 0 < self.height <= _LONGEST_PX):
            raise RequestError(
                f"An area must be 1 to {_LONGEST_PX} pixels wide and high, but is "
                f"{self.width}×{self.height}."
            )
        if any(run < 0 for run in self.runs) or sum(self.runs) != self.width * self.height:
            raise RequestError(
                f"The runs of an area of {self.width}×{self.height} must add up to "
                f"{self.width * self.height}, but add up to {sum(self.runs)}."
            )

    @classmethod
    def of(cls, inside: NDArray[np.bool_], *, left: int = 0, top: int = 0) -> Area:
        """Return the area of the pixels ``inside`` ``(H, W)``, cut to those that are in it."""
        rows = np.flatnonzero(inside.any(axis=1))
        cols = np.flatnonzero(inside.any(axis=0))
        if not len(rows):
            return cls(left=left, top=top, width=1, height=1, runs=(1,))
        part = inside[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
        return cls(
            left=left + int(cols[0]),
            top=top + int(rows[0]),
            width=part.shape[1],
            height=part.shape[0],
            runs=encode_runs(part),
        )

    @property
    def inside(self) -> NDArray[np.bool_]:
        """The pixels of the box, ``(height, width)``."""
        return decode_runs(self.runs, (self.height, self.width))

    def as_json(self) -> dict[str, Any]:
        """Return plain values, for a line of a journal."""
        return {"box": [self.left, self.top, self.width, self.height], "runs": list(self.runs)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Area:
        """Return the area that :meth:`as_json` wrote.

        Raises
        ------
        RequestError
            When it is something else.
        """
        try:
            left, top, width, height = (int(number) for number in value["box"])
            runs = tuple(int(run) for run in value["runs"])
        except (TypeError, ValueError, KeyError) as problem:
            raise RequestError(
                "An area must be {'box': [left, top, width, height], 'runs': [numbers]}."
            ) from problem
        return cls(left=left, top=top, width=width, height=height, runs=runs)


def encode_runs(inside: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the lengths of runs, row by row, beginning with pixels that are not inside.

    >>> encode_runs(np.array([[True, True, False]]))
    (0, 2, 1)
    """
    flat = np.ravel(inside)
    if not flat.size:
        return ()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    lengths = [int(length) for length in np.diff(edges)]
    return (0, *lengths) if flat[0] else tuple(lengths)


def decode_runs(runs: tuple[int, ...], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels ``shape`` that :func:`encode_runs` was given."""
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(shape)
