"""One picture as a page shows it: at the size of a screen, with its mask laid over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from engine.catalogue.picture_records import thumbnail
from engine.imaging.palettes import OKABE_ITO, Colour, colour_of, to_hex

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.store import Store
    from engine.store.files import Files
    from engine.store.records import Image, Mask

__all__ = ["MOST_PIXELS", "class_colours", "view"]

MOST_PIXELS: Final = 24_000_000
"""Larger pictures are shown by their small one; whoever draws in them sees them in parts."""

_NOT_ANNOTATED: Final = 255
_SHADE: Final = 0.42
_STATES: Final[Mapping[str, Colour]] = {
    "unhealthy": OKABE_ITO["vermillion"],
    "healthy": OKABE_ITO["bluish green"],
}


def view(
    store: Store,
    files: Files,
    image: Image,
    *,
    mask: Mask | None = None,
    classes: tuple[str, ...] = (),
    longest_px: int = 1100,
) -> bytes:
    """Return a JPEG of the picture, at most ``longest_px`` long, with ``mask`` in its colours.

    The first class is background and stays clear; what nobody has looked at is darkened.

    Raises
    ------
    NotFoundError, DamagedFileError
        When a file is missing or damaged.
    PictureError
        When one cannot be read.
    """
    if image.width_px * image.height_px > MOST_PIXELS:
        return thumbnail(store, files, image)
    import cv2
    import numpy as np

    from engine.imaging import pictures

    picture = pictures.decode(files.read(image.sha256))
    height, width = picture.shape[:2]
    scale = min(1.0, longest_px / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    shown = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    if mask is not None:
        data = np.frombuffer(files.read(mask.sha256), np.uint8)
        values = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
        fitted = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        shown = _painted(shown, fitted, classes)
    return pictures.encode_jpeg(shown, 88)


def class_colours(classes: tuple[str, ...]) -> dict[str, str]:
    """Return the colour of each class but the background, as CSS writes it."""
    return {name: to_hex(_colour(name, number)) for number, name in enumerate(classes) if number}


def _painted(
    picture: NDArray[np.uint8], values: NDArray[np.uint8], classes: tuple[str, ...]
) -> NDArray[np.uint8]:
    import numpy as np

    painted = picture.astype(np.float32)
    for number, name in enumerate(classes):
        if number:
            where = values == number
            colour = np.array(_colour(name, number), np.float32)
            painted[where] = (1 - _SHADE) * painted[where] + _SHADE * colour
    painted[values == _NOT_ANNOTATED] *= 0.55
    return np.asarray(np.round(painted), np.uint8)


def _colour(name: str, number: int) -> Colour:
    return _STATES.get(name) or colour_of(name, index=number - 1)
