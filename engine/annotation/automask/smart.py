"""Following edges: a brush that stops where the picture changes, and a wand.

Both learn the colours under the pen, take what is like them and hangs together with it, and put
the border on the strongest edge near by (watershed of the gradient). Where no edge is, the brush
paints all that it passes over.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.annotation.raster import Box, bounds, covered
from engine.annotation.runs import Area
from engine.annotation.strokes import Points, Stroke
from engine.errors import RequestError

__all__ = ["smart_brush", "wand"]

_Pixels = NDArray[np.bool_]

_CORE_SHARE: Final = 1 / 4  # of the brush's width: what the pen surely means
_SPREADS: Final = 2.5
_LEAST_DISTANCE: Final = 9.0  # in units of Lab: below it no eye sees an edge
_BLUR_PX: Final = 1.2
_MARGIN_PX: Final = 4
_COLOURS: Final = 3
_WAND_PX: Final = 1024  # the wand looks no farther than this around its place


def smart_brush(
    picture: NDArray[np.uint8], points: Points, width_px: float, *, state: int, mark: str = ""
) -> Stroke | None:
    """Return a stroke of tool ``smart`` that covers what the brush passed over, up to edges.

    Parameters
    ----------
    picture
        ``(H, W, 3) uint8`` RGB.
    points
        Path ``(N, 2)``: x, y in pixels of the picture.
    width_px
        How far the brush may reach, across; at least 3 pixels.
    state
        What the covered pixels get.
    mark
        Tells this stroke from a repetition of it.

    Returns ``None`` when the path lies outside of the picture.

    Raises
    ------
    RequestError
        When the width is below 3 pixels, and as :class:`Stroke`.
    """
    if width_px < 3:
        raise RequestError(
            f"A smart brush is at least 3 pixels wide, but this one is {width_px:g}."
        )
    path = Stroke(tool="brush", state=state, points=points, width_px=width_px)
    core = replace(path, width_px=max(1.5, width_px * _CORE_SHARE))
    box = _around(bounds(path, picture.shape[:2]), _MARGIN_PX, picture.shape)
    if box.is_empty:
        return None
    reach, seed = covered(path, box), covered(core, box)
    if not seed.any():
        return None
    inside = _grown(picture[box.part], seed, reach, _LEAST_DISTANCE)
    area = Area.of(inside, left=box.left, top=box.top)
    return Stroke(tool="smart", state=state, points=path.points, area=area, mark=mark)


def wand(
    picture: NDArray[np.uint8],
    x: float,
    y: float,
    *,
    state: int,
    tolerance: float = 14.0,
    mark: str = "",
) -> Stroke | None:
    """Return a stroke of tool ``smart`` over what looks like the place (x, y), up to edges.

    ``tolerance`` is how different a colour may be, in units of Lab (2 can just be seen, 100 is
    black to white). Looks 1,024 pixels around at most. ``None`` outside of the picture.

    Raises
    ------
    RequestError
        When ``tolerance`` is not from 1 to 100.
    """
    if not 1 <= tolerance <= 100:
        raise RequestError(f"'tolerance' must be from 1 to 100, but is {tolerance:g}.")
    height, width = picture.shape[:2]
    row, col = math.floor(y), math.floor(x)
    if not (0 <= row < height and 0 <= col < width):
        return None
    place = Box(left=col, top=row, right=col + 1, bottom=row + 1)
    box = _around(place, _WAND_PX, picture.shape)
    seed = np.zeros((box.height, box.width), np.bool_)
    near = _around(place, 1, picture.shape)
    seed[
        near.top - box.top : near.bottom - box.top, near.left - box.left : near.right - box.left
    ] = True
    inside = _grown(picture[box.part], seed, np.ones_like(seed), tolerance)
    area = Area.of(inside, left=box.left, top=box.top)
    points = np.array([[x, y]], np.float32)
    return Stroke(tool="smart", state=state, points=points, area=area, mark=mark)


def _around(box: Box, margin: int, shape: tuple[int, ...]) -> Box:
    if box.is_empty:
        return box
    return Box(
        left=box.left - margin,
        top=box.top - margin,
        right=box.right + margin,
        bottom=box.bottom + margin,
    ).cut(Box.whole(shape))


def _grown(picture: NDArray[np.uint8], seed: _Pixels, reach: _Pixels, least: float) -> _Pixels:
    """Return the pixels of ``reach`` that belong to ``seed``: alike, connected, up to the edge."""
    import cv2

    lab = cv2.cvtColor(picture.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2Lab)
    colours = np.asarray(cv2.GaussianBlur(lab, (0, 0), _BLUR_PX), np.float32)
    distance = _distance(colours, colours[seed])
    limit = max(least, _SPREADS * float(np.quantile(distance[seed], 0.9)))
    alike = reach & ((distance <= limit) | seed)
    kept = _touching(alike, seed)
    others = _without_specks(reach & ~kept)
    if not others.any():
        return reach
    return _up_to_the_edge(colours, kept | (reach & ~others), others, reach) & reach | seed


def _distance(colours: NDArray[np.float32], examples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how far each colour is from the nearest of a few that stand for ``examples``."""
    middles = _few(examples)
    found = np.full(colours.shape[:2], np.inf, np.float32)
    for middle in middles:
        np.minimum(found, np.linalg.norm(colours - middle, axis=2), out=found)
    return found


def _few(examples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return at most three colours that stand for all: k-means, begun at thirds of lightness."""
    number = min(_COLOURS, len(examples))
    order = examples[np.argsort(examples[:, 0], kind="stable")]
    middles = np.stack([part.mean(axis=0) for part in np.array_split(order, number)])
    for _ in range(4):
        nearest = np.linalg.norm(examples[:, np.newaxis] - middles, axis=2).argmin(axis=1)
        for index in np.unique(nearest):
            middles[index] = examples[nearest == index].mean(axis=0)
    return np.asarray(middles, np.float32)


def _touching(alike: _Pixels, seed: _Pixels) -> _Pixels:
    """Return the pieces of ``alike`` that hold some of ``seed``."""
    import cv2

    number, labels = cv2.connectedComponents(alike.astype(np.uint8), connectivity=4)
    holds = np.zeros(number, np.bool_)
    holds[labels[seed]] = True
    holds[0] = False
    return np.asarray(holds[labels])


def _without_specks(others: _Pixels) -> _Pixels:
    """Return ``others`` without what is only noise: what a square of 3 pixels does not fit in."""
    import cv2

    square = np.ones((3, 3), np.uint8)
    return np.asarray(cv2.morphologyEx(others.astype(np.uint8), cv2.MORPH_OPEN, square) > 0)


def _up_to_the_edge(
    colours: NDArray[np.float32], kept: _Pixels, others: _Pixels, reach: _Pixels
) -> _Pixels:
    """Return ``kept`` with its border moved, by 2 pixels at most, to where colours change most."""
    import cv2
    from skimage.segmentation import watershed

    square = np.ones((3, 3), np.uint8)
    edges = np.zeros(colours.shape[:2], np.float32)
    for channel in range(3):
        plane = np.ascontiguousarray(colours[..., channel])
        across, down = (cv2.Sobel(plane, cv2.CV_32F, *which) for which in ((1, 0), (0, 1)))
        np.maximum(edges, cv2.magnitude(across, down), out=edges)
    sure = cv2.erode(kept.astype(np.uint8), square, iterations=2, borderValue=1) > 0
    never = cv2.erode(others.astype(np.uint8), square, iterations=2, borderValue=0) > 0
    seeds = np.zeros(kept.shape, np.int32)
    seeds[sure], seeds[never] = 1, 2
    if not sure.any() or not never.any():
        return kept
    # Only the band in question and the seeds beside it: the rest is decided.
    open_band = cv2.dilate((seeds == 0).astype(np.uint8), square) > 0
    found = watershed(  # type: ignore[no-untyped-call]
        edges, seeds, mask=reach & open_band
    )
    return np.asarray((found == 1) | sure)
