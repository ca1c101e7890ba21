"""Teach in a minute: a few scribbles make a classifier, which proposes the whole picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.annotation.automask.features import FEATURES, REACH_PX, measure
from engine.annotation.automask.learning import PixelClassifier, learn
from engine.annotation.automask.proposals import Proposal
from engine.annotation.raster import Box
from engine.errors import RequestError
from engine.imaging.masks import NOT_ANNOTATED, Mask

__all__ = ["teach"]

_MOST_EXAMPLES: Final = 1500  # of each class
_TILE_PX: Final = 1024
_BAND_PX: Final = 1 << 15  # pixels classified at a time: what fits into a processor's cache
_SOFT_PX: Final = 1.2


def teach(picture: NDArray[np.uint8], scribbled: Mask, *, seed: int = 0) -> Proposal:
    """Learn from what is annotated in ``scribbled`` and propose the rest of ``picture``.

    Works in tiles, so that memory does not grow with the picture. Where somebody scribbled, the
    proposal says what they said, and is sure.

    Parameters
    ----------
    picture
        ``(H, W, 3) uint8`` RGB.
    scribbled
        ``(H, W) uint8``: at least two states somewhere, and 255 where nobody painted.
    seed
        The same seed and scribbles give the same proposal.

    Raises
    ------
    RequestError
        When the sizes differ, or there are scribbles of fewer than two states.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.shape[:2] != scribbled.shape:
        raise RequestError(
            f"Expected a picture (height, width, 3) and scribbles of its size, but got "
            f"{picture.shape} and {scribbled.shape}."
        )
    chosen = _examples(scribbled, np.random.default_rng(seed))
    known: dict[Box, NDArray[np.float32]] = {}  # a small picture is measured once
    is_small = max(scribbled.shape) <= _TILE_PX
    classifier = _learned(picture, scribbled, chosen, known if is_small else None, seed)
    mask = np.empty(scribbled.shape, np.uint8)
    doubt = np.empty(scribbled.shape, np.uint8)
    for tile in _tiles(scribbled.shape):
        features = known[tile] if tile in known else _measured(picture, tile)
        mask[tile.part], doubt[tile.part] = _classified(features, classifier)
    painted = scribbled != NOT_ANNOTATED
    np.copyto(mask, scribbled, where=painted)
    doubt[painted] = 0
    number = len(classifier.states)
    sentence = f"Learned {number} classes from {int(painted.sum()):,} painted pixels."
    return Proposal(mask=mask, uncertainty=doubt, origin="scribbles", sentence=sentence)


def _examples(scribbled: Mask, random: np.random.Generator) -> NDArray[np.intp]:
    """Return the places (flat) to learn from: of each class the same number at most."""
    chosen = []
    for state in np.flatnonzero(np.bincount(scribbled.ravel(), minlength=256)[:NOT_ANNOTATED]):
        places = np.flatnonzero(scribbled == state)
        if len(places) > _MOST_EXAMPLES:
            places = np.sort(random.choice(places, _MOST_EXAMPLES, replace=False))
        chosen.append(places)
    return np.concatenate(chosen) if chosen else np.empty(0, np.intp)


def _learned(
    picture: NDArray[np.uint8],
    scribbled: Mask,
    chosen: NDArray[np.intp],
    known: dict[Box, NDArray[np.float32]] | None,
    seed: int,
) -> PixelClassifier:
    row, col = np.divmod(chosen, scribbled.shape[1])
    if not len(chosen):
        raise RequestError("Nothing is painted yet; paint a little of at least two classes.")
    features = np.empty((FEATURES, len(chosen)), np.float32)
    for tile in _tiles(scribbled.shape):
        here = (row >= tile.top) & (row < tile.bottom) & (col >= tile.left) & (col < tile.right)
        if not here.any():
            continue
        measured = _measured(picture, tile)
        if known is not None:
            known[tile] = measured
        features[:, here] = measured[:, row[here] - tile.top, col[here] - tile.left]
    return learn(features, scribbled[row, col], seed=seed)


def _tiles(shape: tuple[int, ...]) -> Iterator[Box]:
    whole = Box.whole(shape)
    for top in range(0, shape[0], _TILE_PX):
        for left in range(0, shape[1], _TILE_PX):
            yield Box(left=left, top=top, right=left + _TILE_PX, bottom=top + _TILE_PX).cut(whole)


def _measured(picture: NDArray[np.uint8], tile: Box) -> NDArray[np.float32]:
    """Return the features of one tile, measured with its surroundings."""
    wide = Box(
        left=tile.left - REACH_PX,
        top=tile.top - REACH_PX,
        right=tile.right + REACH_PX,
        bottom=tile.bottom + REACH_PX,
    ).cut(Box.whole(picture.shape))
    planes = measure(picture[wide.part])
    top, left = tile.top - wide.top, tile.left - wide.left
    return planes[:, top : top + tile.height, left : left + tile.width]


def _classified(
    features: NDArray[np.float32], classifier: PixelClassifier
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return state and uncertainty of each pixel of ``(F, H, W)``."""
    import cv2

    number, height, width = features.shape
    shares = np.empty((len(classifier.states), height, width), np.float32)
    rows = max(1, _BAND_PX // width)
    for top in range(0, height, rows):
        band = features[:, top : top + rows]
        found = classifier.shares(band.reshape(number, -1))
        shares[:, top : top + rows] = found.reshape(-1, band.shape[1], width)
    for share in shares:  # neighbours agree more often than not
        cv2.GaussianBlur(share, (0, 0), _SOFT_PX, dst=share)
    best = shares.argmax(axis=0)
    ordered = np.partition(shares, -2, axis=0) if len(shares) > 2 else np.sort(shares, axis=0)
    margin = ordered[-1] - ordered[-2]
    doubt = np.clip(255 * (1 - margin) + 0.5, 0, 255).astype(np.uint8)
    return np.array(classifier.states, np.uint8)[best], doubt
