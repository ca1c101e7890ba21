"""Pictures as the served program sees them: the same finders, the same crop."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.eyes import crops, framing
from engine.eyes.anatomy import AnatomyReader
from engine.eyes.landmarks import open_landmarker
from engine.eyes.sighting import Eyes, Stopwatch

__all__ = ["Served", "ServingPath"]


class Served(NamedTuple):
    """``crop (128, 144, 3) uint8``, where it came from, and whether an eye was found at all."""

    crop: NDArray[np.uint8]
    corners: crops.Corners
    found: bool
    eye_confidence: float
    cues: Mapping[str, float]


@final
class ServingPath:
    """The path from a picture to a crop, opened once.

    Parameters
    ----------
    anatomy
        Folder of the anatomy's network; the one that ships when ``None``.
    """

    def __init__(self, anatomy: Path | None = None) -> None:
        reader = AnatomyReader.open(anatomy, threads=1)
        self._eyes = Eyes(reader, open_landmarker(None))

    def crop(self, picture: NDArray[np.uint8]) -> Served:
        """Find the eye of ``(H, W, 3) uint8 RGB``; the middle of the picture when there is none.

        Of two eyes the person's right is taken.
        """
        height, width = picture.shape[:2]
        try:
            seen = self._eyes.look(picture, watch=Stopwatch()).eyes
        except InputError:
            seen = {}
        if seen:
            sight = seen.get("unknown") or seen.get("right") or seen["left"]
            corners = framing.fit_corners(sight.location.corners, height=height, width=width)
            anatomy = sight.anatomy
            return Served(
                sight.crop.pixels, corners, True, anatomy.eye_confidence, dict(anatomy.cues)
            )
        # Serving asks the classifier alone here (``EyeScreener``); so do the figures.
        whole = framing.whole_picture_corners(height=height, width=width)
        return Served(crops.canonical_crop(picture, whole).pixels, whole, False, 0.0, {})
