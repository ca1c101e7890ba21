"""What a segmentation model says of one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError

__all__ = ["Segmentation"]


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no truth value
class Segmentation:
    """A class for every pixel of a picture, and how sure the model is.

    ``mask`` ``(H, W) uint8``: indices of ``classes``, 0 is background. ``uncertainty``
    ``(H, W) uint8``: entropy of the calibrated probabilities over its largest possible value, 0
    (sure) to 255 (all classes alike). ``probabilities`` ``(K, H, W) uint8``: calibrated, 255 is 1;
    None when they were not asked for. Arrays of large pictures may lie in files (memory maps).
    ``model`` is the label of the model, ``pixel_size_um`` the side of a pixel in µm where known,
    ``seconds`` how long it took.

    Raises
    ------
    InputError
        When the arrays do not fit each other.
    """

    mask: NDArray[np.uint8]
    uncertainty: NDArray[np.uint8]
    classes: tuple[str, ...]
    model: str
    seconds: float
    probabilities: NDArray[np.uint8] | None = None
    pixel_size_um: float | None = None

    def __post_init__(self) -> None:
        wanted = {"mask": self.mask.shape, "uncertainty": self.mask.shape}
        if self.probabilities is not None:
            wanted["probabilities"] = (len(self.classes), *self.mask.shape)
        for name, shape in wanted.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != np.uint8 or self.mask.ndim != 2:
                raise InputError(
                    f"Expected {name} of shape {shape} of uint8 beside a mask (height, width), but "
                    f"got {array.shape} of {array.dtype}."
                )

    @property
    def height(self) -> int:
        """Rows of the picture."""
        return int(self.mask.shape[0])

    @property
    def width(self) -> int:
        """Columns of the picture."""
        return int(self.mask.shape[1])
