"""Axis-aligned boxes in pixels of a picture. Knows nothing about what is inside a box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from engine.errors import InputError

__all__ = ["Box"]


@final
@dataclass(frozen=True, slots=True)
class Box:
    """A half-open box: columns ``x .. x + width``, rows ``y .. y + height``, in pixels.

    Coordinates may lie outside a picture; :meth:`clipped` cuts them to it.

    Raises
    ------
    InputError
        When width or height is negative.
    """

    x: float
    y: float
    width: float
    height: float

    def __post_init__(self) -> None:
        if self.width < 0 or self.height < 0:
            raise InputError(
                f"A box needs a width and height of at least 0 px, but got "
                f"{self.width}×{self.height}; give x, y, width, height."
            )

    @property
    def centre(self) -> tuple[float, float]:
        """Centre as (x, y)."""
        return self.x + self.width / 2, self.y + self.height / 2

    @property
    def area_px(self) -> float:
        """Area in square pixels."""
        return self.width * self.height

    def clipped(self, *, width: int, height: int) -> Box:
        """Return the part inside a picture of ``width``×``height`` pixels (may be empty).

        >>> Box(-5, 2, 10, 10).clipped(width=8, height=8)
        Box(x=0, y=2, width=5, height=6)
        """
        x0, y0 = min(max(self.x, 0), width), min(max(self.y, 0), height)
        x1 = min(max(self.x + self.width, 0), width)
        y1 = min(max(self.y + self.height, 0), height)
        return Box(x0, y0, x1 - x0, y1 - y0)

    def scaled(self, factor: float) -> Box:
        """Return the box in a picture enlarged by ``factor``."""
        return Box(self.x * factor, self.y * factor, self.width * factor, self.height * factor)

    def padded(self, *, x: float, y: float) -> Box:
        """Return the box grown by ``x`` pixels left and right and ``y`` above and below."""
        return Box(self.x - x, self.y - y, self.width + 2 * x, self.height + 2 * y)

    def iou(self, other: Box) -> float:
        """Return intersection over union in 0..1; 0 when both are empty.

        >>> round(Box(0, 0, 2, 2).iou(Box(1, 0, 2, 2)), 4)
        0.3333
        """
        over_x = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        over_y = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        shared = max(over_x, 0) * max(over_y, 0)
        union = self.area_px + other.area_px - shared
        return shared / union if union else 0.0
