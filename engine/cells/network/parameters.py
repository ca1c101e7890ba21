"""What a person may set on the network, with its limits."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Final, final

from engine.errors import RequestError

__all__ = ["LIMITS", "Parameters"]

LIMITS: Final[dict[str, tuple[float, float]]] = {
    "scale": (0.0, 4.0),
    "least_confidence": (0.0, 0.99),
}
"""Smallest and largest value of each parameter."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Settings of the network.

    ``scale``: by how much a picture is enlarged (above 1) or reduced before looking; 0 finds it
    out from the size of its red cells. ``least_confidence``: cells below it are left out; 0 takes
    the limits of the model's card, one for each name.

    Raises
    ------
    RequestError
        When a value is outside of :data:`LIMITS`.
    """

    scale: float = 0.0
    least_confidence: float = 0.0

    def __post_init__(self) -> None:
        for item in fields(self):
            low, high = LIMITS[item.name]
            value = getattr(self, item.name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not low <= value <= high:
                raise RequestError(
                    f"'{item.name}' must be a number from {low:g} to {high:g}, but is {value!r}."
                )
        if 0 < self.scale < _SMALLEST_SCALE:
            raise RequestError(
                f"'scale' must be 0 (found out) or at least {_SMALLEST_SCALE:g}, "
                f"but is {self.scale!r}."
            )

    def as_dict(self) -> dict[str, float]:
        """Return the values by name, as they are kept in presets."""
        return {name: float(value) for name, value in asdict(self).items()}


_SMALLEST_SCALE: Final = 0.05
