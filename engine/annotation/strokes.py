"""A stroke: what one movement of the pen was, as a vector in pixels of the picture.

Points lie on a grid of 1/16 pixel, so that the same stroke is the same numbers wherever it is
read, and its pixels do not depend on a screen. (x, y) with the corner of the picture at (0, 0);
the first pixel's middle is (0.5, 0.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, cast, final, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.annotation.runs import Area
from engine.errors import RequestError

__all__ = ["GRID", "TOOLS", "Points", "Stroke", "Tool", "on_grid"]

Tool = Literal["brush", "eraser", "polygon", "rectangle", "lasso", "fill", "smart"]
"""What drew it. ``brush`` and ``eraser`` follow a path; ``polygon``, ``rectangle`` and ``lasso``
fill an outline; ``fill`` and ``smart`` carry the area that they found."""

TOOLS: Final[tuple[Tool, ...]] = get_args(Tool)

GRID: Final = 16
"""Steps per pixel."""

Points = NDArray[np.float32]
"""Places ``(N, 2) float32``: x, y in pixels of the picture, multiples of 1/16."""

_MOST_POINTS: Final = 200_000
_FARTHEST_PX: Final = float(1 << 17)
_WIDEST_PX: Final = 4096.0


def on_grid(points: ArrayLike) -> Points:
    """Return places as the nearest ones on the grid of 1/16 pixel.

    >>> on_grid([[0.5, 1.03]]).tolist()
    [[0.5, 1.0]]
    """
    places = np.asarray(points, np.float64).reshape(-1, 2)
    return np.asarray(np.floor(places * GRID + 0.5) / GRID, np.float32)


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stroke:
    """One stroke. ``state`` is the value that its pixels get; ``mark`` tells it from a repetition.

    ``width_px`` is the full width of a brush in pixels of the picture. ``seq`` is its place in the
    journal, 0 before it has one. An area of ``fill`` and ``smart`` stands in ``area``. ``doubt`` in
    0..1 is how uncertain the proposal was that the stroke took over, ``None`` for any other.
    """

    tool: Tool
    state: int
    points: Points
    width_px: float = 0.0
    area: Area | None = None
    seq: int = 0
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    author: str = ""
    tab: str = ""
    mark: str = ""
    doubt: float | None = None

    def __post_init__(self) -> None:
        _check(self)
        object.__setattr__(self, "points", on_grid(self.points))
        object.__setattr__(self, "width_px", round(float(self.width_px) * GRID) / GRID)

    def as_json(self) -> dict[str, Any]:
        """Return plain values; places as whole sixteenths of a pixel."""
        value: dict[str, Any] = {
            "tool": self.tool,
            "state": self.state,
            "points": (self.points * GRID).astype(np.int64).ravel().tolist(),
            "width": round(self.width_px * GRID),
            "at": self.at.isoformat(),
            "author": self.author,
            "tab": self.tab,
            "mark": self.mark,
        }
        if self.area is not None:
            value["area"] = self.area.as_json()
        if self.doubt is not None:
            value["doubt"] = round(self.doubt, 4)
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any], *, seq: int = 0) -> Stroke:
        """Return the stroke that :meth:`as_json` wrote.

        Raises
        ------
        RequestError
            When it is something else.
        """
        try:
            places = np.array(value["points"], np.int64).reshape(-1, 2) / GRID
            area, doubt = value.get("area"), value.get("doubt")
            return cls(
                tool=value["tool"],
                state=int(value["state"]),
                points=cast("Points", places),
                width_px=float(value["width"]) / GRID,
                area=None if area is None else Area.from_json(area),
                seq=seq,
                at=datetime.fromisoformat(value["at"]),
                author=str(value["author"]),
                tab=str(value["tab"]),
                mark=str(value["mark"]),
                doubt=None if doubt is None else float(doubt),
            )
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as problem:
            raise RequestError(
                "Expected a stroke with tool, state, points, width, at, author, tab and mark, but "
                f"got {str(value)[:80]!r}."
            ) from problem


def _check(stroke: Stroke) -> None:
    if stroke.tool not in TOOLS:
        raise RequestError(f"'tool' must be one of {', '.join(TOOLS)}, but is {stroke.tool!r}.")
    if not 0 <= stroke.state <= 255:
        raise RequestError(f"'state' must be from 0 to 255, but is {stroke.state}.")
    places = np.asarray(stroke.points, np.float64)
    if places.ndim != 2 or places.shape[1] != 2 or not 0 < len(places) <= _MOST_POINTS:
        raise RequestError(
            f"A stroke has 1 to {_MOST_POINTS:,} points (x, y), but got shape {places.shape}."
        )
    if not np.isfinite(places).all() or np.abs(places).max() > _FARTHEST_PX:
        raise RequestError(f"Points must lie within ±{_FARTHEST_PX:,.0f} pixels.")
    if not 0 <= stroke.width_px <= _WIDEST_PX:
        raise RequestError(
            f"'width_px' must be from 0 to {_WIDEST_PX:,.0f}, but is {stroke.width_px:g}."
        )
    if stroke.doubt is not None and not 0 <= stroke.doubt <= 1:
        raise RequestError(f"'doubt' must be from 0 to 1, but is {stroke.doubt:g}.")
    if stroke.tool in ("fill", "smart") and stroke.area is None:
        raise RequestError(f"A stroke of {stroke.tool} must carry the area that it found.")
