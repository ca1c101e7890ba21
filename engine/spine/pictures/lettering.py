"""Text and thin lines on pictures, in one font that is always there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from engine.imaging.palettes import Colour

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

__all__ = ["Lettering"]


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


@cache
def _font(size: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)
