"""Text and thin lines on pictures, in one font that is always there, and room for many names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from engine.imaging.palettes import Colour

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

__all__ = ["Lettering", "spread"]


@final
class Lettering:
    """Writes on a picture ``(H, W, 3) uint8 RGB``; the picture that was given is not changed.

    ``ink`` is the colour of text, ``paper`` that of the thin rim around it, ``size`` its height in
    pixels.
    """

    def __init__(
        self,
        picture: NDArray[np.uint8],
        *,
        ink: Colour = (255, 255, 255),
        paper: Colour = (0, 0, 0),
        size: int = 16,
    ) -> None:
        from PIL import Image, ImageDraw

        self.ink, self.paper, self.size = ink, paper, size
        self._image = Image.fromarray(picture)
        self._draw = ImageDraw.Draw(self._image)

    def write(
        self,
        text: str,
        at: tuple[float, float],
        *,
        anchor: str = "lm",
        bold: bool = False,
        ink: Colour | None = None,
    ) -> None:
        """Write at (column, row); ``anchor`` as in Pillow: "lm" is the left end's middle."""
        colour = ink or self.ink
        font = _font(self.size)
        self._draw.text(at, text, self.paper, font, anchor, stroke_width=2, stroke_fill=self.paper)
        self._draw.text(at, text, colour, font, anchor, stroke_width=0.4 if bold else 0)

    def line(
        self, points: Sequence[tuple[float, float]], colour: Colour, *, width: int = 1
    ) -> None:
        """Draw a line through (column, row) points."""
        self._draw.line(list(points), fill=colour, width=width)

    def picture(self) -> NDArray[np.uint8]:
        """Return the picture as it is now."""
        return np.asarray(self._image, dtype=np.uint8).copy()


def spread(
    rows: Sequence[float] | NDArray[Any], *, least: float, within: tuple[float, float]
) -> list[float]:
    """Move rising heights as little as needed to lie ``least`` apart, inside of ``within``.

    >>> spread([10.0, 12.0, 40.0], least=10, within=(0, 100))
    [6.0, 16.0, 40.0]
    """
    groups: list[list[float]] = []  # sum of wishes less their place in the group, and its size
    for row in rows:
        groups.append([float(row), 1.0])
        while len(groups) > 1 and _end(groups[-2], least) > _start(groups[-1], least):
            total, size = groups.pop()
            groups[-1][0] += total - size * groups[-1][1] * least
            groups[-1][1] += size
    placed = [
        _start(group, least) + least / 2 + step * least
        for group in groups
        for step in range(int(group[1]))
    ]
    return _inside(placed, least, within)


def _start(group: list[float], least: float) -> float:
    """Upper end of the room that a group takes."""
    return group[0] / group[1] - least / 2


def _end(group: list[float], least: float) -> float:
    return _start(group, least) + group[1] * least


def _inside(rows: list[float], least: float, within: tuple[float, float]) -> list[float]:
    low, high = within
    for number in range(len(rows) - 1, -1, -1):
        limit = high - least / 2 - (len(rows) - 1 - number) * least
        rows[number] = min(rows[number], limit)
    for number in range(len(rows)):
        rows[number] = max(rows[number], low + least / 2 + number * least)
    return rows


@cache
def _font(size: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)
