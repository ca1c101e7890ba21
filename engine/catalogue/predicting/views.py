"""An answer as a page shows it: over the picture, beside it, as maps of one class and of doubt."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.annotation.raster import Box
    from engine.segmentation.results import Segmentation

__all__ = [
    "Seen",
    "differences",
    "framed",
    "heat",
    "over",
    "plain",
    "probability",
    "seen",
    "size_of",
    "thumbnail_of",
    "uncertainty",
]

_LONGEST_PX: Final = 1280
_SMALL_PX: Final = 640
_QUALITY: Final = 88
_AGREED: Final = (0, 158, 115)
_MISSED: Final = (213, 94, 0)
_EXTRA: Final = (0, 114, 178)
_FRAME: Final = (240, 228, 66)


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """A picture and the answer about it at the size of a screen.

    ``picture`` is ``(h, w, 3) uint8``, the maps are ``(h, w) uint8``, ``probabilities``
    ``(K, h, w) uint8`` or ``None``. ``scale`` is screen pixels for each pixel of the picture.
    """

    picture: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    uncertainty: NDArray[np.uint8]
    probabilities: NDArray[np.uint8] | None
    classes: tuple[str, ...]
    scale: float


def size_of(height: int, width: int) -> tuple[int, int, float]:
    """Return height, width and scale at which a picture is shown; small ones are enlarged.

    >>> size_of(2560, 1280), size_of(100, 200)
    ((1280, 640, 0.5), (300, 600, 3.0))
    """
    longest = max(height, width)
    scale = float(max(1, _SMALL_PX // longest)) if longest < _SMALL_PX else 1.0
    scale = min(scale, 8.0, _LONGEST_PX / longest)
    return max(1, round(height * scale)), max(1, round(width * scale)), scale


def seen(small: NDArray[np.uint8], found: Segmentation) -> Seen:
    """Return what a page shows; ``small`` is the picture at the size of :func:`size_of`."""
    height, width = small.shape[:2]
    _, _, scale = size_of(found.height, found.width)
    chances = found.probabilities
    return Seen(
        picture=small,
        mask=_nearest(found.mask, height, width),
        uncertainty=_averaged(found.uncertainty, height, width),
        probabilities=None if chances is None else _each(chances, height, width),
        classes=found.classes,
        scale=scale,
    )


def thumbnail_of(
    small: NDArray[np.uint8], mask: NDArray[np.uint8], classes: tuple[str, ...]
) -> Seen:
    """Return a small picture with its mask and nothing else."""
    height, width = small.shape[:2]
    fitted = _nearest(mask, height, width)
    return Seen(
        picture=small,
        mask=fitted,
        uncertainty=fitted * 0,
        probabilities=None,
        classes=classes,
        scale=width / mask.shape[1],
    )


def plain(what: Seen) -> bytes:
    """Return the picture alone, as a JPEG like all of these."""
    from engine.imaging import pictures

    return pictures.encode_jpeg(what.picture, _QUALITY)


def over(
    what: Seen,
    *,
    opacity: float,
    contours: bool = True,
    shown: Collection[str] | None = None,
) -> bytes:
    """Return the picture with the classes laid over it, the background clear.

    ``opacity`` in 0..1 is that of the areas, ``contours`` draws their edges in full colour, and
    ``shown`` are the classes to show (``None``: all).
    """
    import numpy as np

    from engine.imaging import pictures
    from engine.segmentation.drawing import overlay

    mask = what.mask
    if shown is not None:
        table = np.array([*range(256)], np.uint8)
        table[[n for n, name in enumerate(what.classes) if name not in shown]] = 0
        mask = table[mask]
    laid = overlay(what.picture, mask, what.classes, opacity=opacity, contours=contours)
    return pictures.encode_jpeg(laid, _QUALITY)


def probability(what: Seen, number: int) -> bytes:
    """Return how probable class ``number`` is everywhere: dark 0, yellow 1."""
    if what.probabilities is None:
        from engine.errors import RequestError

        raise RequestError(
            "The probabilities of this picture were not kept, because it is large; ask for a part."
        )
    return _coloured(what.probabilities[number])


def uncertainty(what: Seen) -> bytes:
    """Return where the model is unsure: dark sure, yellow any class alike."""
    return _coloured(what.uncertainty)


def heat(what: Seen, values: NDArray[np.floating], box: Box | None = None) -> bytes:
    """Return a map ``(h, w)`` in 0..1 laid over the picture, with a frame around ``box``."""
    from engine.imaging import overlays

    return framed(what, overlays.heat_overlay(what.picture, values), box)


def framed(what: Seen, shown: NDArray[np.uint8], box: Box | None) -> bytes:
    """Return ``shown``, of the size of the view, with a frame around a box of the picture."""
    import cv2

    from engine.imaging import pictures

    if box is not None:
        shown = shown.copy()
        first = (round(box.left * what.scale), round(box.top * what.scale))
        last = (round(box.right * what.scale), round(box.bottom * what.scale))
        cv2.rectangle(shown, first, last, (0, 0, 0), 4)
        cv2.rectangle(shown, first, last, _FRAME, 2)
    return pictures.encode_jpeg(shown, _QUALITY)


def differences(what: Seen, truth: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> bytes:
    """Return where two masks agree and where not, over the grey picture.

    Green: both the same class but the background; orange: the person's alone or another class;
    blue: the model's alone. What the person left out (255) is darkened.
    """
    import cv2
    import numpy as np

    from engine.imaging import pictures

    height, width = what.picture.shape[:2]
    person, model = (_nearest(one, height, width) for one in (truth, predicted))
    grey = cv2.cvtColor(what.picture, cv2.COLOR_RGB2GRAY)
    shown = np.repeat(grey[..., None], 3, axis=2)
    looked = person != 255
    for where, colour in (
        (looked & (person == model) & (person > 0), _AGREED),
        (looked & (person != model) & (person > 0), _MISSED),
        (looked & (person != model) & (person == 0), _EXTRA),
    ):
        mixed = 0.4 * shown[where] + 0.6 * np.array(colour, np.float32)
        shown[where] = np.round(mixed).astype(np.uint8)
    shown[~looked] = (shown[~looked] * 0.45).astype(np.uint8)
    return pictures.encode_jpeg(np.asarray(shown, np.uint8), _QUALITY)


def _coloured(values: NDArray[np.uint8]) -> bytes:
    from engine.imaging import pictures
    from engine.imaging.palettes import heat_colours

    return pictures.encode_jpeg(heat_colours()[values], _QUALITY)


def _nearest(mask: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    import numpy as np

    rows = (np.arange(height) * 2 + 1) * mask.shape[0] // (2 * height)
    columns = (np.arange(width) * 2 + 1) * mask.shape[1] // (2 * width)
    return np.ascontiguousarray(mask[np.ix_(rows, columns)])


def _averaged(values: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    import cv2
    import numpy as np

    if values.shape == (height, width):
        return np.asarray(values)
    how = cv2.INTER_AREA if height < values.shape[0] else cv2.INTER_LINEAR
    return np.asarray(
        cv2.resize(np.ascontiguousarray(values), (width, height), interpolation=how), np.uint8
    )


def _each(values: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    import numpy as np

    return np.stack([_averaged(one, height, width) for one in values])
