"""From numbers of any depth to 8-bit RGB: scaled by one stated rule, never clipped.

Knows arrays only; files and colour profiles are elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from engine.errors import PictureError

__all__ = ["over_white", "to_rgb"]

_CONTAINER_WHITES = {"b": 1, "u1": 255, "u2": 65535}
_LADDER = (255, 65535)


def to_rgb(array: NDArray[np.generic], *, white: float | None = None) -> NDArray[np.uint8]:
    """Return any grey, grey + alpha, RGB or RGBA array as ``(H, W, 3) uint8``.

    ``array`` is ``(H, W)`` or ``(H, W, 1..4)``. ``white`` is the sample that becomes 255; without
    it the sample type decides, the same way for every picture, so that two pictures from one
    camera stay comparable:

    ============  ==================================================================
    sample type   white
    ============  ==================================================================
    bool          True
    uint8         255
    uint16        65535. A 12-bit camera that stores 0..4095 in 16 bits therefore looks
                  dark: pass ``white=4095`` (a TIFF that declares 12 bits needs no help)
    float         1.0 when no sample is above it; else 255 or 65535, the first that
                  holds all samples
    other whole   255 or 65535, the first that holds all samples
    ============  ==================================================================

    Rounding is to the nearest level, so 65535 → 255, 257 → 1 and 128 → 0.

    Raises
    ------
    PictureError
        For another shape or type, samples below 0, above white, or not a number.

    Examples
    --------
    >>> to_rgb(np.array([[0, 257, 65535]], dtype=np.uint16))[0, :, 0].tolist()
    [0, 1, 255]
    >>> to_rgb(np.array([[0, 4095]], dtype=np.uint16), white=4095)[0, :, 0].tolist()
    [0, 255]
    """
    samples = _shaped(array)
    full = _white(samples) if white is None else white
    if samples.dtype == np.uint8 and full == 255 and samples.shape[2] == 3:
        return np.ascontiguousarray(samples, dtype=np.uint8)
    _check_range(samples, white=full)
    picture = np.empty((*samples.shape[:2], 3), np.uint8)
    for rows in _bands(samples.shape):
        picture[rows] = _band_to_rgb(_levels(samples[rows], white=full))
    return picture


def over_white(colour: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay ``colour (H, W, 3)`` over white paper by ``alpha (H, W)`` (255: opaque).

    White, because browsers, viewers and printers show a transparent picture on white: what we
    measure is then what the person saw when choosing the picture.

    >>> over_white(np.zeros((1, 1, 3), np.uint8), np.array([[51]], np.uint8)).ravel().tolist()
    [204, 204, 204]
    """
    if alpha.size and alpha.min() == 255:
        return np.ascontiguousarray(colour)
    picture = np.empty(colour.shape, np.uint8)
    for rows in _bands(colour.shape):
        cover = alpha[rows][..., np.newaxis].astype(np.uint32)
        mixed = colour[rows] * cover + 255 * (255 - cover)  # at most 255 * 255
        picture[rows] = (mixed + 127) // 255
    return picture


def _shaped(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return the array as ``(H, W, 1..4)`` or say what is wrong with it."""
    if not isinstance(array, np.ndarray):
        raise PictureError(
            f"Expected a picture as a NumPy array, but got {type(array).__name__}; "
            "choose a picture first."
        )
    if array.dtype.kind not in "buif":
        raise PictureError(
            f"Expected picture samples as whole numbers or floats, but got {array.dtype}; "
            "convert the array to uint8."
        )
    samples = array[..., np.newaxis] if array.ndim == 2 else array
    if samples.ndim != 3 or not 1 <= samples.shape[2] <= 4:
        raise PictureError(
            "Expected a picture of shape (height, width) or (height, width, 1 to 4), "
            f"but got {array.shape}; put the channels last and send one picture."
        )
    if 0 in samples.shape:
        raise PictureError(f"The picture has no pixels (shape {array.shape}); send another one.")
    return samples


def _white(samples: NDArray[np.generic]) -> float:
    kind, size = samples.dtype.kind, samples.dtype.itemsize
    fixed = _CONTAINER_WHITES.get("b" if kind == "b" else f"{kind}{size}")
    if fixed is not None:
        return fixed
    low, high = _range(samples)
    if low < 0 or not np.isfinite(high):
        raise PictureError(
            f"Expected samples from 0 up, but this picture holds values from {low:g} to {high:g}; "
            "rescale it to 0..255 and save it with 8 bits."
        )
    if kind == "f" and high <= 1:
        return 1.0
    for white in _LADDER:
        # Just above 1.0 is a 0..1 picture that overshoots; read as 0..255 it would be black.
        if high <= white and not (kind == "f" and high <= 2):
            return white
    raise PictureError(
        f"Cannot tell which value means white: this picture holds {samples.dtype} samples from "
        f"{low:g} to {high:g}, expected 0..1 (floats), 0..255 or 0..65535; rescale it and save "
        "it with 8 or 16 bits."
    )


def _range(samples: NDArray[np.generic]) -> tuple[float, float]:
    if samples.dtype.kind == "f" and not np.isfinite(samples).all():
        return float("nan"), float("nan")
    return float(samples.min()), float(samples.max())


def _check_range(samples: NDArray[np.generic], *, white: float) -> None:
    low, high = _range(samples)
    if not (low >= 0 and high <= white):
        raise PictureError(
            f"Expected samples from 0 to {white:g} (white), but this picture holds {low:g} to "
            f"{high:g}; state the value that means white, or save it with 8 bits."
        )


def _bands(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield slices of rows of about a million samples, so that no step needs much memory."""
    step = max(1, 1_000_000 // max(1, shape[1] * shape[2]))
    return (slice(start, start + step) for start in range(0, shape[0], step))


def _levels(samples: NDArray[np.generic], *, white: float) -> NDArray[np.uint8]:
    if samples.dtype == np.uint8 and white == 255:
        return samples.astype(np.uint8, copy=False)
    scaled = samples.astype(np.float64) * (255 / white)
    return np.floor(scaled + 0.5).astype(np.uint8)


def _band_to_rgb(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    channels = levels.shape[2]
    colour = levels[..., :3] if channels >= 3 else np.repeat(levels[..., :1], 3, axis=2)
    return colour if channels in (1, 3) else over_white(colour, levels[..., -1])
