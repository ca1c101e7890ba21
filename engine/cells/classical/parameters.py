"""What a person may set on the classical detector, with its limits."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Final, final

from engine.errors import RequestError

__all__ = ["LIMITS", "Parameters"]

LIMITS: Final[dict[str, tuple[float, float]]] = {
    "downscale": (1.0, 8.0),
    "threshold": (0.0, 2.0),
    "smallest_px": (3.0, 500.0),
    "largest_px": (5.0, 2000.0),
    "join_px": (0.0, 200.0),
    "split": (0.1, 0.9),
    "roundness": (0.0, 1.0),
    "solidity": (0.0, 1.0),
    "nucleus_share": (0.0, 1.0),
}
"""Smallest and largest value of each parameter."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Settings of the rules; sizes are diameters of nuclei in pixels of the picture as given.

    ``downscale``: the picture is reduced by this factor first. ``threshold``: optical density of
    the nuclear stain from which a pixel is nucleus; 0 lets Otsu's method choose. ``join_px``: lobes
    with a smaller gap between them are one nucleus. ``split``: nuclei that touch are cut where the
    neck is narrower than this share of their width.
    ``roundness``, ``solidity`` (0..1) and ``nucleus_share`` (nucleus over whole cell, areas) are
    what a lymphocyte reaches at least.

    Raises
    ------
    RequestError
        When a value is outside of :data:`LIMITS`, or the sizes are the wrong way round.
    """

    downscale: float = 1.0
    threshold: float = 0.0
    smallest_px: float = 30.0
    largest_px: float = 250.0
    join_px: float = 20.0
    split: float = 0.6
    roundness: float = 0.72
    solidity: float = 0.93
    nucleus_share: float = 0.55

    def __post_init__(self) -> None:
        for item in fields(self):
            low, high = LIMITS[item.name]
            value = getattr(self, item.name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not low <= value <= high:
                raise RequestError(
                    f"'{item.name}' must be a number from {low:g} to {high:g}, but is {value!r}."
                )
        if self.smallest_px >= self.largest_px:
            raise RequestError(
                f"'smallest_px' ({self.smallest_px:g}) must be below 'largest_px' "
                f"({self.largest_px:g})."
            )

    def as_dict(self) -> dict[str, float]:
        """Return the values by name, as they are kept in presets."""
        return {name: float(value) for name, value in asdict(self).items()}
