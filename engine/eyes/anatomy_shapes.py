"""From a map of labels to shapes: the opening, its corners, the circles of iris and pupil.

Works on the network's view (128 rows × 144 columns); knows neither the network nor the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, TypeAlias, final

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "IRIS_SHARE",
    "Circle",
    "Mask",
    "Point",
    "Shapes",
    "circle_through",
    "largest_opening",
    "opening_ratio",
    "shapes_of",
]

Mask: TypeAlias = NDArray[np.bool_]
Point: TypeAlias = tuple[float, float]

IRIS_SHARE: Final = 0.42
"""Diameter of the iris over the width of the opening: 11.7 mm (Rüfer et al., Cornea 24, 2005,
doi:10.1097/01.ico.0000148312.01805.53) over about 28 mm. Only used where a corner is not seen."""

_SURE_CORNER: Final = 0.25
_MIN_BORDER_POINTS: Final = 10


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """Centre (x, y) and radius, in pixels."""

    x: float
    y: float
    radius: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """What one view shows. ``seen`` tells which corners were seen rather than reckoned.

    ``roundness`` (0..1) is how well the fitted circle, as far as the opening shows it, covers what
    was labelled iris or pupil: intersection over union, 0 without an iris.
    """

    opening: Mask
    corners: tuple[Point, Point]
    seen: tuple[bool, bool]
    openness: float
    iris: Circle | None
    pupil: Circle | None
    gaze: Point | None
    roundness: float


def shapes_of(labels: NDArray[np.uint8], corner_maps: NDArray[np.float32]) -> Shapes | None:
    """Measure the main eye in ``labels`` (H, W); None when there is none.

    ``corner_maps`` is ``(2, H/2, W/2)`` in 0..1: where the left and the right corner are.
    """
    opening = largest_opening(labels)
    if opening is None:
        return None
    # Everything of interest lies in the opening's box: a fifth of the view or less.
    rows, columns = np.flatnonzero(opening.any(axis=1)), np.flatnonzero(opening.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    part = (
        labels[top : rows[-1] + 1, left : columns[-1] + 1]
        * opening[top : rows[-1] + 1, left : columns[-1] + 1]
    )
    disc = _disc(part >= 2, part == 1)
    iris = _shifted(disc, left, top)
    pupil = _shifted(_disc(part == 3, part == 2), left, top)
    corners, seen = _corners(opening, iris, corner_maps)
    openness, middle = opening_ratio(opening, corners)
    gaze = None if iris is None else _gaze(iris, corners, middle)
    return Shapes(
        opening=opening,
        corners=corners,
        seen=seen,
        openness=openness,
        iris=iris,
        pupil=pupil,
        gaze=gaze,
        roundness=0.0 if disc is None else _roundness(part, disc),
    )


def largest_opening(labels: NDArray[np.uint8]) -> Mask | None:
    """Return the mask of the main eye: large, near the middle, with an iris; None without one.

    Parts that belong together but are parted by lashes or a reflection are joined.
    """
    shown = (labels > 0).astype(np.uint8)
    if shown.sum() < 12:
        return None
    joined = cv2.morphologyEx(shown, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, parts, stats, centres = cv2.connectedComponentsWithStats(joined, connectivity=8)
    if count < 2:
        return None
    height, width = labels.shape
    away = np.hypot(centres[:, 0] / width - 0.5, centres[:, 1] / height - 0.5)
    with_iris = np.bincount(parts.ravel(), weights=(labels >= 2).ravel(), minlength=count)
    weight = (stats[:, cv2.CC_STAT_AREA] + 2 * with_iris) * np.exp(-((away / 0.5) ** 2))
    weight[0] = -1.0  # what is not an eye
    best = int(weight.argmax())
    x, y, w, h = (int(value) for value in stats[best, :4])
    chosen = parts == best
    for k in range(1, count):
        kx, ky, kw, kh = (int(value) for value in stats[k, :4])
        gap_x, gap_y = max(kx - x - w, x - kx - kw), max(ky - y - h, y - ky - kh)
        if k != best and max(gap_x, gap_y) <= 0.12 * w:
            chosen |= parts == k
    return np.asarray(chosen & (shown > 0))


def circle_through(points: NDArray[np.float64]) -> Circle:
    """Return the circle that fits points (n, 2), n ≥ 3, best (Kåsa's least squares, trimmed once).

    >>> turn = np.linspace(0, 3, 20)
    >>> circle = circle_through(np.stack([2 + 5 * np.cos(turn), 1 + 5 * np.sin(turn)], axis=-1))
    >>> round(circle.x, 6), round(circle.y, 6), round(circle.radius, 6)
    (2.0, 1.0, 5.0)
    """
    circle = _fitted(points)
    off = np.abs(np.hypot(points[:, 0] - circle.x, points[:, 1] - circle.y) - circle.radius)
    usual = float(np.partition(off, len(off) // 2)[len(off) // 2])
    kept = points[off <= max(1.0, 2 * usual)]
    return _fitted(kept) if len(kept) >= _MIN_BORDER_POINTS else circle


def _fitted(points: NDArray[np.float64]) -> Circle:
    """Solve Kåsa's two equations for the centre, in coordinates around the points' mean."""
    count = len(points)
    x0, y0 = (float(value) for value in points.sum(axis=0) / count)
    x, y = points[:, 0] - x0, points[:, 1] - y0
    squared = x * x + y * y
    xx, yy, xy = float(x @ x), float(y @ y), float(x @ y)
    right_x, right_y = float(x @ squared) / 2, float(y @ squared) / 2
    # Points on one line have no circle; a trace of damping gives a finite, far too large one.
    determinant = xx * yy - xy * xy + 1e-9
    dx = (right_x * yy - right_y * xy) / determinant
    dy = (right_y * xx - right_x * xy) / determinant
    return Circle(x=x0 + dx, y=y0 + dy, radius=math.sqrt(dx * dx + dy * dy + (xx + yy) / count))


def _disc(inside: Mask, around: Mask) -> Circle | None:
    """Return the circle of a disc of which lids hide some: fitted to its border with ``around``."""
    area = int(inside.sum())
    if area < 4:
        return None
    by_row, by_column = inside.sum(axis=1), inside.sum(axis=0)
    plain = Circle(
        x=float(by_column @ np.arange(len(by_column))) / area + 0.5,
        y=float(by_row @ np.arange(len(by_row))) / area + 0.5,
        radius=math.sqrt(area / math.pi),
    )
    reach = cv2.dilate(around.view(np.uint8), np.ones((3, 3), np.uint8)).view(np.bool_)
    edge_rows, edge_columns = np.nonzero(inside & reach)
    if len(edge_rows) < _MIN_BORDER_POINTS:
        widest = max(np.count_nonzero(by_row), np.count_nonzero(by_column)) / 2
        return Circle(x=plain.x, y=plain.y, radius=max(plain.radius, float(widest)))
    edge = np.stack([edge_columns + 0.5, edge_rows + 0.5], axis=-1).astype(np.float64)
    circle = circle_through(edge)
    # Half a pixel: the border runs along the outer side of the pixels that touch it.
    circle = Circle(x=circle.x, y=circle.y, radius=circle.radius + 0.5)
    is_plausible = (
        0.75 * plain.radius <= circle.radius <= 2.2 * plain.radius
        and math.hypot(circle.x - plain.x, circle.y - plain.y) <= circle.radius
    )
    return circle if is_plausible else plain


def _roundness(part: NDArray[np.uint8], disc: Circle) -> float:
    away_x = np.arange(part.shape[1]) + 0.5 - disc.x
    away_y = np.arange(part.shape[0]) + 0.5 - disc.y
    within = away_x[None, :] ** 2 + away_y[:, None] ** 2 <= disc.radius**2
    ball = part >= 2
    shown = within & (part > 0)
    either = np.count_nonzero(shown | ball)
    return np.count_nonzero(shown & ball) / either if either else 0.0


def _shifted(circle: Circle | None, x: float, y: float) -> Circle | None:
    if circle is None:
        return None
    return Circle(x=circle.x + x, y=circle.y + y, radius=circle.radius)


def _corners(
    opening: Mask, iris: Circle | None, maps: NDArray[np.float32]
) -> tuple[tuple[Point, Point], tuple[bool, bool]]:
    rows, columns = np.nonzero(opening)
    left, right = float(columns.min()), float(columns.max()) + 1
    top, bottom = float(rows.min()), float(rows.max()) + 1
    width = max(right - left, 2.0)
    middle = (left + right) / 2
    ends = _ends(rows, columns)
    found: list[Point | None] = []
    for k, (low, high) in enumerate(((left - 0.3 * width, middle), (middle, right + 0.3 * width))):
        window = (low, top - 0.25 * width, high, bottom + 0.25 * width)
        found.append(_peak(maps[k], window, near=ends[k], spread=0.2 * width))
    seen = (found[0] is not None, found[1] is not None)
    size = (opening.shape[1], opening.shape[0])
    first = found[0] or _reckoned(ends[0], found[1], iris, sign=-1, size=size)
    second = found[1] or _reckoned(ends[1], found[0], iris, sign=1, size=size)
    return (first, second), seen


def _peak(
    heat: NDArray[np.float32],
    window: tuple[float, float, float, float],
    *,
    near: Point,
    spread: float,
) -> Point | None:
    """Return the brightest place of a half-size map in a window of the view, to sub-pixels.

    Of two places of like brightness the one nearer to the opening's end wins: the skin's fold
    beyond a corner looks like a corner.
    """
    height, width = heat.shape
    x0, x1 = max(0, math.floor(window[0] / 2)), min(width, math.ceil(window[2] / 2))
    y0, y1 = max(0, math.floor(window[1] / 2)), min(height, math.ceil(window[3] / 2))
    if x0 >= x1 or y0 >= y1:
        return None
    part = heat[y0:y1, x0:x1]
    away_x = (2 * np.arange(x0, x1, dtype=np.float32) + 1 - np.float32(near[0])) / spread
    away_y = (2 * np.arange(y0, y1, dtype=np.float32) + 1 - np.float32(near[1])) / spread
    weight = np.exp(-0.5 * (away_x[None, :] ** 2 + away_y[:, None] ** 2))
    best = int((part * weight).argmax())
    if part.flat[best] < _SURE_CORNER:
        return None
    row, column = y0 + best // part.shape[1], x0 + best % part.shape[1]
    first_row, first_column = max(row - 2, 0), max(column - 2, 0)
    around = heat[first_row : row + 3, first_column : column + 3]
    total = float(around.sum())
    ys = np.arange(first_row, first_row + around.shape[0])
    xs = np.arange(first_column, first_column + around.shape[1])
    x = float(around.sum(axis=0) @ xs) / total
    y = float(around.sum(axis=1) @ ys) / total
    return 2 * (x + 0.5), 2 * (y + 0.5)


def _ends(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> tuple[Point, Point]:
    """Return the leftmost and the rightmost place of the opening."""
    first, last = int(columns.min()), int(columns.max())
    left = (float(first), float(rows[columns == first].mean()) + 0.5)
    right = (float(last) + 1, float(rows[columns == last].mean()) + 0.5)
    return left, right


def _reckoned(
    end: Point, other: Point | None, iris: Circle | None, *, sign: int, size: tuple[int, int]
) -> Point:
    """Return where an unseen corner should be: the opening's end, or beyond a cut by the iris."""
    is_cut = end[0] <= 2 if sign < 0 else end[0] >= size[0] - 2
    if iris is None:
        return end
    expected = 2 * iris.radius / IRIS_SHARE
    x = iris.x + sign * expected / 2 if other is None else other[0] + sign * expected
    y = iris.y if other is None else end[1]
    if is_cut or sign * (x - end[0]) > 0.5 * expected:
        outermost = min if sign < 0 else max
        return outermost(x, end[0]), y
    return end


def opening_ratio(opening: Mask, corners: tuple[Point, Point]) -> tuple[float, float]:
    """Return height over width of the opening, and how far its middle lies below the corners' line.

    Both in widths, that is, distances between the corners; the height is the largest of any place
    along the line.
    """
    (x0, y0), (x1, y1) = corners
    width = max(math.hypot(x1 - x0, y1 - y0), 1.0)
    ux, uy = (x1 - x0) / width, (y1 - y0) / width
    rows, columns = np.nonzero(opening)
    dx, dy = columns + 0.5 - x0, rows + 0.5 - y0
    along, across = dx * ux + dy * uy, dy * ux - dx * uy
    place = np.clip((along / width * 16).astype(int), 0, 15)
    top = np.full(16, np.inf)
    bottom = np.full(16, -np.inf)
    np.minimum.at(top, place, across)
    np.maximum.at(bottom, place, across)
    heights = bottom - top + 1
    highest = int(heights.argmax())
    return float(heights[highest]) / width, float(bottom[highest] + top[highest]) / 2 / width


def _gaze(iris: Circle, corners: tuple[Point, Point], middle: float) -> Point:
    """Return the iris centre minus the opening's middle, (right, down) along the corners' line."""
    (x0, y0), (x1, y1) = corners
    width = max(math.hypot(x1 - x0, y1 - y0), 1.0)
    ux, uy = (x1 - x0) / width, (y1 - y0) / width
    dx, dy = iris.x - (x0 + x1) / 2, iris.y - (y0 + y1) / 2
    return (dx * ux + dy * uy) / width, (dy * ux - dx * uy) / width - middle
