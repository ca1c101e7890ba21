"""What a training learns from: pictures with masks, loaded one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import DatasetError

__all__ = ["Example", "Loaded", "Part", "TrainingSet", "checked"]

Loaded = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""A picture ``(H, W, 3) uint8`` RGB and its mask ``(H, W) uint8``: class indices, 255 unknown."""

Part = Literal["", "train", "validation", "test"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One picture with its mask.

    ``load`` may be called more than once. ``group`` must not be divided between the parts (a
    patient, a slide); empty: the picture stands alone. ``split`` is the part that it was given
    before; empty: the training deals it. ``pixel_size_um`` is the edge of a pixel in micrometres.
    """

    name: str
    load: Callable[[], Loaded] = field(compare=False)
    group: str = ""
    split: Part = ""
    pixel_size_um: float | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """Pictures with masks of the same classes, of which the first is the background.

    ``manifest_sha256`` names the version of the dataset that it was taken from.
    """

    name: str
    classes: tuple[str, ...]
    examples: tuple[Example, ...]
    manifest_sha256: str = ""

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise DatasetError(
                f"Training needs at least two classes, but “{self.name}” has "
                f"{', '.join(self.classes) or 'none'}; name what the masks show."
            )
        if not self.examples:
            raise DatasetError(
                f"“{self.name}” has no picture with a mask; draw some masks, or bring masks in."
            )


def checked(example: Example, classes: int) -> Loaded:
    """Load an example and make sure that both arrays fit each other and the classes.

    Raises
    ------
    DatasetError
        When they do not; the message names the picture.
    """
    picture, mask = example.load()
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise DatasetError(
            f"“{example.name}” should be (height, width, 3) of uint8, but is {picture.shape} of "
            f"{picture.dtype}; convert it to RGB."
        )
    if mask.shape != picture.shape[:2] or mask.dtype != np.uint8:
        raise DatasetError(
            f"The mask of “{example.name}” is {mask.shape} of {mask.dtype}, but the picture has "
            f"{picture.shape[:2]}; export the mask at the picture's size."
        )
    known = mask[mask != 255]
    if known.size and int(known.max()) >= classes:
        raise DatasetError(
            f"The mask of “{example.name}” has the value {int(known.max())}, but there are only "
            f"{classes} classes (0 to {classes - 1}, and 255 for not annotated); map its values."
        )
    return picture, mask
