"""A proposal: states as a layer of its own, how sure it is of each, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import RequestError
from engine.imaging.masks import NOT_ANNOTATED, Mask

__all__ = ["Origin", "Proposal"]

Origin = Literal["scribbles", "stain", "gaps", "smart", "model"]
"""``scribbles``: learned from what somebody painted; ``stain``: threshold and watershed; ``gaps``:
the nearest state; ``smart``: following edges; ``model``: a trained model."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Proposal:
    """What a mask might be. Where it says 255 it proposes nothing.

    ``mask`` is ``(H, W) uint8``; ``uncertainty`` is the same shape, 0 sure to 255 could be either,
    or ``None`` where a way of finding knows no doubt. ``source`` names the model, if one made it.
    """

    mask: Mask
    origin: Origin
    sentence: str
    uncertainty: NDArray[np.uint8] | None = None
    source: str = ""

    def __post_init__(self) -> None:
        doubt = self.uncertainty
        if self.mask.ndim != 2 or (doubt is not None and doubt.shape != self.mask.shape):
            raise RequestError(
                f"A proposal is (height, width) with its uncertainty of the same size, but got "
                f"{self.mask.shape} and {None if doubt is None else doubt.shape}."
            )

    @property
    def states(self) -> tuple[int, ...]:
        """The values that it proposes anywhere, in their order."""
        found = np.flatnonzero(np.bincount(self.mask.ravel(), minlength=256))
        return tuple(int(value) for value in found if value != NOT_ANNOTATED)

    @property
    def doubt(self) -> float:
        """Mean uncertainty in 0..1, by which pictures are put in order; 0 without any."""
        return 0.0 if self.uncertainty is None else float(self.uncertainty.mean()) / 255
