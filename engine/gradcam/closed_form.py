"""Grad-CAM without a backward pass, for networks that end in global pooling and a linear layer.

Let ``F`` be the last feature maps ``(C, h, w)`` and the logits ``y_k = b_k + sum_c W_kc p_c`` with
``p_c = (1 / hw) sum_ij F_cij`` (global average pooling). Then for every place ``(i, j)``

    d y_k / d F_cij = W_kc / hw,

the same everywhere, so Grad-CAM's channel weight (the mean gradient over places) is
``alpha_c = W_kc / hw`` and its map is ``ReLU(sum_c alpha_c F_cij) = ReLU(sum_c W_kc F_cij) / hw``.
Dividing by the map's largest value removes the factor ``1 / hw``: the result is exactly Grad-CAM,
at the price of one small matrix product. Further inputs of the linear layer beside the pooled
features, and dropout (which does nothing in evaluation), change nothing; an activation between
pooling and the linear layer breaks the proof.

References
----------
Selvaraju et al. (2017), Grad-CAM, arXiv:1610.02391, section 3.1 and appendix A (it generalises
CAM, Zhou et al. 2016, arXiv:1512.04150).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import InputError

__all__ = ["cam_for_pooled_linear", "normalise", "upsample"]


def cam_for_pooled_linear(
    features: NDArray[np.float32], weights: NDArray[np.float32], classes: ArrayLike
) -> NDArray[np.float32]:
    """Return the Grad-CAM map of one class for each picture.

    Parameters
    ----------
    features
        ``(N, C, h, w) float32``, what goes into the global average pooling.
    weights
        ``(K, C) float32`` of the linear layer after it.
    classes
        ``(N,)`` index in 0..K-1 of the class to explain.

    Returns
    -------
    ``(N, h, w) float32`` in 0..1, each map divided by its largest value. A map is all zero when
    nothing in the picture speaks for the class.

    Raises
    ------
    InputError
        When the shapes do not fit together or values are not finite.

    Examples
    --------
    Two channels on a 1×2 picture; the class likes the first and dislikes the second.

    >>> features = np.array([[[[4.0, 1.0]], [[0.0, 3.0]]]], dtype=np.float32)
    >>> cam_for_pooled_linear(features, np.array([[1.0, -1.0]], dtype=np.float32), [0]).tolist()
    [[[1.0, 0.0]]]
    """
    chosen = np.asarray(classes)
    _check(features, weights, chosen)
    count, channels, height, width = features.shape
    rows = weights[chosen]
    # (N, 1, C) @ (N, C, h*w) -> (N, 1, h*w)
    sums = rows[:, None, :] @ features.reshape(count, channels, height * width)
    if not np.isfinite(sums).all():
        raise InputError(
            "Expected finite features and weights for a heat map, but some are NaN or infinite."
        )
    return normalise(sums.reshape(count, height, width))


def normalise(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut negative values and divide each map ``(N, h, w)`` by its largest value.

    A map without a positive value becomes all zero.
    """
    positive = np.maximum(maps, 0).astype(np.float32, copy=False)
    largest = positive.max(axis=(1, 2), keepdims=True)
    largest[largest == 0] = 1
    return np.asarray(positive / largest, dtype=np.float32)


def upsample(maps: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Enlarge maps bilinearly.

    Parameters
    ----------
    maps
        ``(N, h, w) float32``.
    size
        ``(H, W)`` in pixels.

    Returns
    -------
    ``(N, H, W) float32`` within the range of ``maps``. Pixel centres lie at half coordinates and
    borders are repeated, as in OpenCV's ``INTER_LINEAR`` and torch's ``align_corners=False``.

    Raises
    ------
    InputError
        When a side is below 1 or the maps are not three-dimensional.

    Examples
    --------
    >>> upsample(np.array([[[0.0, 1.0]]], dtype=np.float32), (1, 4)).tolist()
    [[[0.0, 0.25, 0.75, 1.0]]]
    """
    if maps.ndim != 3 or min(maps.shape) < 1 or min(size) < 1:
        raise InputError(
            f"Expected maps (N, h, w) and a size (H, W) of at least 1 px, but got {maps.shape} "
            f"and {size}."
        )
    rows = _interpolation(maps.shape[1], size[0])
    columns = _interpolation(maps.shape[2], size[1])
    enlarged: NDArray[np.float32] = rows @ maps.astype(np.float32, copy=False) @ columns.T
    return enlarged  # (H, h) @ (N, h, w) @ (w, W) -> (N, H, W)


@lru_cache(maxsize=64)
def _interpolation(source: int, target: int) -> NDArray[np.float32]:
    """Return the ``(target, source)`` matrix of linear interpolation along one axis."""
    position = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    left = np.minimum(np.floor(position).astype(np.intp), max(source - 2, 0))
    share = position - left
    matrix = np.zeros((target, source), dtype=np.float32)
    matrix[np.arange(target), left] = 1 - share
    matrix[np.arange(target), np.minimum(left + 1, source - 1)] += share
    matrix.setflags(write=False)  # shared by all callers of the cache
    return matrix


def _check(
    features: NDArray[np.float32], weights: NDArray[np.float32], classes: NDArray[np.generic]
) -> None:
    if (
        features.ndim != 4
        or min(features.shape) < 1
        or weights.ndim != 2
        or weights.shape[1] != features.shape[1]
        or classes.shape != features.shape[:1]
    ):
        raise InputError(
            f"Expected features (N, C, h, w), weights (K, C) and classes (N,), but got "
            f"{features.shape}, {weights.shape} and {classes.shape}."
        )
    if classes.dtype.kind not in "iu" or classes.min() < 0 or classes.max() >= len(weights):
        raise InputError(
            f"Classes should be whole numbers from 0 to {len(weights) - 1}, but they are "
            f"{classes.tolist()}."
        )
