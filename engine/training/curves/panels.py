"""One diagram: axes with numbers and units, lines that differ in colour and in mark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from PIL import ImageDraw, ImageFont

from engine.imaging.palettes import Colour
from engine.training.curves.ticks import nice_ticks, tick_text

__all__ = ["Line", "Panel", "draw_panel"]

_INK: Final = (40, 40, 40)
_GRID: Final = (222, 222, 222)
_MOST_MARKS: Final = 12


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: ``values`` at the panel's places along x; a missing value leaves a gap.

    ``mark`` is ``"round"``, ``"square"``, ``"up"`` or ``"cross"``, for eyes that see no colours.
    """

    name: str
    colour: Colour
    mark: str
    values: tuple[float, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A diagram's content. ``box`` is left, top, right and bottom of the axes in pixels.

    ``x`` has the place of each value. ``low`` and ``high`` fix the y axis where they are given.
    ``marked_x`` gets an upright line with ``marked_text`` beside it.
    """

    title: str
    y_title: str
    x_title: str
    box: tuple[int, int, int, int]
    x: tuple[float, ...]
    lines: tuple[Line, ...]
    low: float | None = None
    high: float | None = None
    marked_x: float | None = None
    marked_text: str = ""
    scale: int = 1


def draw_panel(draw: ImageDraw.ImageDraw, panel: Panel) -> None:
    """Draw a diagram; without a single finite value, axes and the words ``no values``."""
    values = [v for line in panel.lines for v in line.values if math.isfinite(v)]
    low = panel.low if panel.low is not None else min(values, default=0.0)
    high = panel.high if panel.high is not None else max(values, default=1.0)
    y_ticks = nice_ticks(low, high)
    x_ticks = nice_ticks(min(panel.x, default=0), max(panel.x, default=1), whole=True)
    axes = _Axes(panel.box, (x_ticks[0], x_ticks[-1]), (y_ticks[0], y_ticks[-1]))
    _grid(draw, panel, axes, x_ticks, y_ticks)
    if panel.marked_x is not None:
        _marked(draw, panel, axes)
    for line in panel.lines:
        _line(draw, panel, axes, line)
    _legend(draw, panel)
    if not values:
        left, top, right, bottom = panel.box
        middle = ((left + right) // 2, (top + bottom) // 2)
        draw.text(middle, "no values", _INK, _font(16 * panel.scale), anchor="mm")


@final
@dataclass(frozen=True, slots=True)
class _Axes:
    """Where values lie on the picture."""

    box: tuple[int, int, int, int]
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        left, top, right, bottom = self.box
        across = (x - self.x_range[0]) / (self.x_range[1] - self.x_range[0])
        up = (y - self.y_range[0]) / (self.y_range[1] - self.y_range[0])
        return left + across * (right - left), bottom - up * (bottom - top)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _grid(
    draw: ImageDraw.ImageDraw,
    panel: Panel,
    axes: _Axes,
    x_ticks: Sequence[float],
    y_ticks: Sequence[float],
) -> None:
    left, top, right, bottom = panel.box
    unit = panel.scale
    small, large = _font(14 * unit), _font(18 * unit)
    for tick in y_ticks:
        y = axes.at(x_ticks[0], tick)[1]
        draw.line((left, y, right, y), _GRID, unit)
        text = tick_text(tick, list(y_ticks))
        draw.text((left - 8 * unit, y), text, _INK, small, anchor="rm")
    for tick in x_ticks:
        x = axes.at(tick, y_ticks[0])[0]
        draw.line((x, bottom, x, bottom + 5 * unit), _INK, unit)
        text = tick_text(tick, list(x_ticks))
        draw.text((x, bottom + 9 * unit), text, _INK, small, anchor="mt")
    draw.line((left, top, left, bottom, right, bottom), _INK, 2 * unit)
    draw.text((left, top - 44 * unit), panel.title, _INK, large, anchor="lm")
    draw.text((left, top - 18 * unit), panel.y_title, _INK, small, anchor="lm")
    middle = ((left + right) // 2, bottom + 32 * unit)
    draw.text(middle, panel.x_title, _INK, small, anchor="mt")


def _marked(draw: ImageDraw.ImageDraw, panel: Panel, axes: _Axes) -> None:
    unit = panel.scale
    _, top, right, bottom = panel.box
    x = axes.at(panel.marked_x or 0.0, axes.y_range[0])[0]
    for y in range(top, bottom, 8 * unit):
        draw.line((x, y, x, y + 4 * unit), _INK, unit)
    font = _font(13 * unit)
    is_far_right = x + draw.textlength(panel.marked_text, font) + 10 * unit > right
    place = (
        (x - 6 * unit, bottom - 12 * unit) if is_far_right else (x + 6 * unit, bottom - 12 * unit)
    )
    draw.text(place, panel.marked_text, _INK, font, anchor="rm" if is_far_right else "lm")


def _line(draw: ImageDraw.ImageDraw, panel: Panel, axes: _Axes, line: Line) -> None:
    unit = panel.scale
    points: list[tuple[float, float]] = []
    stride = max(1, math.ceil(len(panel.x) / _MOST_MARKS))
    for at, (x, value) in enumerate(zip(panel.x, line.values, strict=True)):
        if not math.isfinite(value):
            _stroke(draw, points, line.colour, 3 * unit)
            points = []
            continue
        points.append(axes.at(x, value))
        if at % stride == 0 or at == len(panel.x) - 1:
            _mark(draw, points[-1], line, 5 * unit)
    _stroke(draw, points, line.colour, 3 * unit)


def _stroke(
    draw: ImageDraw.ImageDraw, points: Sequence[tuple[float, float]], colour: Colour, width: int
) -> None:
    if len(points) > 1:
        draw.line(list(points), colour, width, joint="curve")


def _mark(draw: ImageDraw.ImageDraw, at: tuple[float, float], line: Line, size: int) -> None:
    x, y = at
    if line.mark == "square":
        draw.rectangle((x - size, y - size, x + size, y + size), line.colour)
    elif line.mark == "up":
        draw.polygon([(x, y - size), (x - size, y + size), (x + size, y + size)], line.colour)
    elif line.mark == "cross":
        draw.line((x - size, y - size, x + size, y + size), line.colour, max(1, size // 2))
        draw.line((x - size, y + size, x + size, y - size), line.colour, max(1, size // 2))
    else:
        draw.ellipse((x - size, y - size, x + size, y + size), line.colour)


def _legend(draw: ImageDraw.ImageDraw, panel: Panel) -> None:
    """Write the lines' names in one row below the axes, as many as there is room for."""
    unit = panel.scale
    left, _, right, bottom = panel.box
    x, y, font = float(left), bottom + 70 * unit, _font(14 * unit)
    for line in panel.lines:
        width = 44 * unit + draw.textlength(line.name, font)
        if x + width > right and x > left:
            x, y = float(left), y + 22 * unit
        draw.line((x, y, x + 22 * unit, y), line.colour, 3 * unit)
        _mark(draw, (x + 11 * unit, y), line, 5 * unit)
        draw.text((x + 29 * unit, y), line.name, _INK, font, anchor="lm")
        x += width
