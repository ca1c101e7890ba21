"""From a label map to one record per vertebra: body centre, box, volume, height, mean CT number.

Works on any map whose values stand for names, whole vertebrae or bodies only, in any axis order;
``affine`` maps voxel indices (i, j, k) to RAS+ mm. Knows no file and no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from engine.errors import RequestError
from engine.spine.vertebrae import Bounds, Point, Vertebra

__all__ = ["field_of_view", "measure_vertebrae"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

OPENING_SHARE = 0.65
"""Radius of the opening that cuts pedicles off a body, as a share of its inscribed radius."""
ARCH_SHARE = 0.12
"""Least share of an object outside its body for the map to be one with arches."""
SECOND_PART_SHARE = 0.15
"""A second separate part above this share of the object is told (``two_parts``)."""
NOISE_SHARE = 0.02
"""Separate crumbs below this share of the object are not measured."""
ASTRAY_MM = 7.0
"""A body farther than this beside the line through its neighbours is looked at again."""
SMALLEST_ML = 0.3
"""Smaller objects are crumbs of a label, not vertebrae."""
TWIN_SHARE = 0.4
"""Two thick parts are alike when the smaller has this share of the larger (atlas)."""
COLUMN_SHARE, COLUMN_LEAST_MM, COLUMN_LEAST_VOXELS = 0.6, 3.0, 8
"""Height is measured in a column this wide around the body's centre, a share of its inscribed
radius."""
ARCH_LEAST_MM = 8.0
"""The arch of the smallest vertebra is farther from its body than this; less is a ragged body."""
FINEST_MM = 0.8
"""Voxels finer than this are thinned out first: shapes of centimetres do not need them."""


def field_of_view(shape: tuple[int, ...], affine: Floats) -> Bounds:
    """Return the box in RAS+ mm around a volume of ``shape`` voxels (outer faces included).

    >>> field_of_view((10, 10, 5), np.diag([1.0, 1.0, 2.0, 1.0]))
    ((-0.5, -0.5, -1.0), (9.5, 9.5, 9.0))
    """
    ends = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in shape], indexing="ij")).reshape(3, -1)
    corners = (affine[:3, :3] @ ends).T + affine[:3, 3]
    return _point(corners.min(axis=0)), _point(corners.max(axis=0))


def measure_vertebrae(
    labels: NDArray[Any],
    affine: NDArray[Any],
    names: Mapping[int, str],
    *,
    hu: NDArray[Any] | None = None,
) -> tuple[Vertebra, ...]:
    """Measure every named object of a label map, from the head down.

    Parameters
    ----------
    labels
        ``(I, J, K)`` whole numbers; values that ``names`` does not know are ignored.
    affine
        ``(4, 4)`` voxel → RAS+ mm.
    names
        Label value → name, such as :data:`engine.spine.vertebrae.TOTAL_CODES`.
    hu
        ``(I, J, K)`` CT numbers on the same grid, for ``mean_hu``.

    Returns
    -------
    tuple of Vertebra
        Sorted by falling z. An object that reaches the first or last voxel of an axis is
        ``truncated``. Flags: ``two_parts`` (a second separate piece of at least 15 %),
        ``process_cut`` (truncated, but the body is whole).
        Objects below 0.3 ml are left out. ``confidence`` is 1: a label map has no opinion.

    Raises
    ------
    RequestError
        When the map is not three-dimensional, ``hu`` has another shape, or the affine is singular.
    """
    matrix = _checked_affine(labels, affine, hu)
    labels, matrix, hu = _thinned(labels, matrix, hu)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    bodies = [
        body
        for value, name, box in _boxes(labels, names)
        if (body := _body(labels, value, name, box, spacing, matrix)) is not None
    ]
    bodies = _realigned(bodies, spacing, matrix)
    bodies.sort(key=lambda body: -body.centre[2])
    tangents = _tangents(np.array([body.centre for body in bodies]))
    return tuple(_record(b, t, spacing, matrix, hu) for b, t in zip(bodies, tangents, strict=True))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Body:
    """One object, cropped to its box (one voxel of margin inside of ``depth``)."""

    name: str
    offset: Floats  # index of the crop's first voxel
    whole: Mask
    body: Mask
    depth: NDArray[np.float32]  # mm to the object's surface
    centre: Floats
    middle: Floats  # of the whole object
    extent: Floats  # voxels of the whole map along each axis
    truncated: bool
    two_parts: bool


def _checked_affine(labels: NDArray[Any], affine: NDArray[Any], hu: NDArray[Any] | None) -> Floats:
    if labels.ndim != 3:
        raise RequestError(
            f"A label map has three axes, but this one has {labels.ndim} (shape {labels.shape})."
        )
    if hu is not None and hu.shape != labels.shape:
        raise RequestError(
            f"CT and label map have to share a grid, but the CT has {hu.shape} voxels and the map "
            f"{labels.shape}; resample one of them."
        )
    matrix = np.asarray(affine, dtype=np.float64)
    if matrix.shape != (4, 4) or abs(np.linalg.det(matrix[:3, :3])) < 1e-9:
        raise RequestError(
            f"The affine has to be an invertible 4×4 matrix (voxel → mm), but got "
            f"{matrix.tolist()}."
        )
    return matrix


def _thinned(
    labels: NDArray[Any], affine: Floats, hu: NDArray[Any] | None
) -> tuple[NDArray[Any], Floats, NDArray[Any] | None]:
    """Take every n-th voxel of axes that are much finer than the shapes."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    steps = np.maximum(1, np.floor(FINEST_MM / spacing + 1e-6)).astype(int)
    picked = tuple(slice(None, None, step) for step in steps)
    coarse = affine.copy()
    coarse[:3, :3] *= steps
    return labels[picked], coarse, None if hu is None else hu[picked]


def _boxes(
    labels: NDArray[Any], names: Mapping[int, str]
) -> list[tuple[int, str, tuple[slice, ...]]]:
    """Find the box of each named value: ``(value, name, slices)``."""
    whole = labels if labels.dtype.kind in "iu" else np.rint(labels).astype(np.int16)
    found = ndimage.find_objects(whole, max_label=max(names, default=0))
    return [
        (value, names[value], box)
        for value, box in enumerate(found, start=1)
        if box is not None and value in names
    ]


def _body(
    labels: NDArray[Any],
    value: int,
    name: str,
    box: tuple[slice, ...],
    spacing: Floats,
    affine: Floats,
) -> _Body | None:
    """Crop one object and separate its body from arch and processes."""
    whole = np.rint(labels[box]) == value
    parts, count = ndimage.label(whole, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel())[1:]
    order = np.sort(sizes)[::-1]
    if sizes.sum() * spacing.prod() / 1000.0 < SMALLEST_ML:
        return None
    if count > 1:
        whole = np.isin(parts, 1 + np.flatnonzero(sizes >= NOISE_SHARE * sizes.sum()))
    if not whole.any():  # nothing but crumbs
        return None
    # Beyond the image nothing is known: there the border must not count as the object's surface.
    at_border = [(s.start == 0, s.stop == n) for s, n in zip(box, labels.shape, strict=True)]
    padded = np.pad(whole, 1, mode="constant")
    for axis, (low, high) in enumerate(at_border):
        edge = np.moveaxis(padded, axis, 0)
        if low:
            edge[0] = edge[1]
        if high:
            edge[-1] = edge[-2]
    depth = ndimage.distance_transform_edt(padded, sampling=spacing)[1:-1, 1:-1, 1:-1]
    body = _opened_body(whole, depth, spacing)
    offset = np.array([s.start for s in box], dtype=np.float64)
    return _Body(
        name=name,
        offset=offset,
        whole=whole,
        body=body,
        depth=depth.astype(np.float32),
        centre=_to_mm(np.argwhere(body).mean(axis=0) + offset, affine),
        middle=_to_mm(np.argwhere(whole).mean(axis=0) + offset, affine),
        extent=np.array(labels.shape, dtype=np.float64),
        truncated=any(low or high for low, high in at_border),
        two_parts=count > 1 and order[1] >= SECOND_PART_SHARE * order.sum(),
    )


def _opened_body(whole: Mask, depth: Floats, spacing: Floats) -> Mask:
    """Keep the one thick part: erode by a share of the inscribed radius, grow back as far.

    The atlas has no body but two lateral masses alike; then the whole object is returned.
    """
    radius = OPENING_SHARE * float(depth.max())
    cores, count = ndimage.label(depth >= radius)
    if count > 1:
        sums = ndimage.sum_labels(depth, cores, np.arange(1, count + 1))
        first, second = np.argsort(sums)[::-1][:2]
        if sums[second] >= TWIN_SHARE * sums[first]:
            return whole
        cores = cores == 1 + int(first)
    else:
        cores = cores > 0
    regrown = ndimage.distance_transform_edt(~cores, sampling=spacing) <= radius
    return np.asarray(whole & regrown)


def _realigned(bodies: list[_Body], spacing: Floats, affine: Floats) -> list[_Body]:
    """Look again where a body lies far beside the line through its neighbours.

    In a collapsed vertebra the arch can be thicker than the body, and in coarse voxels the two run
    together; then the thick part nearest to that line is the body. What the border of the image
    leaves of a vertebra, often its processes alone, says nothing about where its neighbours are.
    """
    known = [i for i, body in enumerate(bodies) if not body.truncated or _has_whole_body(body)]
    order = sorted(known, key=lambda i: -bodies[i].middle[2])
    result = list(bodies)
    for _ in range(2):  # neighbours may be astray themselves at first
        for above, here, below in zip(order, order[1:], order[2:], strict=False):
            body = result[here]
            line = (result[above].centre + result[below].centre) / 2.0
            astray = float(np.linalg.norm(body.centre - line))
            if astray <= ASTRAY_MM:
                continue
            parts = _thick_parts(body, spacing, affine)
            apart = [float(np.linalg.norm(part.centre - line)) for part in parts]
            if min(apart) < 0.7 * astray:
                result[here] = parts[int(np.argmin(apart))]
    return result


def _thick_parts(body: _Body, spacing: Floats, affine: Floats) -> list[_Body]:
    """Return the object with each of its thick parts taken for the body."""
    found = []
    for share in (0.8, OPENING_SHARE, 0.5):
        radius = share * float(body.depth.max())
        cores, count = ndimage.label(body.depth >= radius)
        for core in range(1, count + 1):
            grown = ndimage.distance_transform_edt(cores != core, sampling=spacing) <= radius
            mask = body.whole & grown
            centre = _to_mm(np.argwhere(mask).mean(axis=0) + body.offset, affine)
            found.append(replace(body, body=mask, centre=centre))
    return found


def _tangents(centres: Floats) -> Floats:
    """Return the direction of the spine at each centre: unit vectors ``(n, 3)``."""
    if len(centres) < 2:
        return np.tile([0.0, 0.0, 1.0], (len(centres), 1))
    steps = np.gradient(centres, axis=0)
    return np.asarray(steps / np.linalg.norm(steps, axis=1, keepdims=True))


def _record(
    body: _Body, tangent: Floats, spacing: Floats, affine: Floats, hu: NDArray[Any] | None
) -> Vertebra:
    voxel_ml = float(spacing.prod()) / 1000.0
    filled = np.argwhere(body.whole)
    outside = body.whole & ~body.body
    arch = None
    if outside.sum() >= ARCH_SHARE * body.whole.sum():
        away = _to_mm(np.argwhere(outside).mean(axis=0) + body.offset, affine) - body.centre
        arch = _point(away) if np.linalg.norm(away) >= ARCH_LEAST_MM else None
    return Vertebra(
        label=body.name,
        centre_mm=_point(body.centre),
        bounds_mm=_bounds(filled + body.offset, affine),
        volume_ml=len(filled) * voxel_ml,
        height_mm=_height(body, tangent, filled, affine),
        mean_hu=_mean_hu(body, hu),
        truncated=body.truncated,
        flags=_flags(body),
        arch_mm=arch,
    )


def _flags(body: _Body) -> tuple[str, ...]:
    flags = ("two_parts",) if body.two_parts else ()
    if not body.truncated:
        return flags
    return (*flags, "process_cut") if _has_whole_body(body) else flags


def _has_whole_body(body: _Body) -> bool:
    """Whether the body itself stays clear of the border of the image."""
    inside = np.argwhere(body.body) + body.offset
    return bool((inside.min(axis=0) > 0).all() and (inside.max(axis=0) < body.extent - 1).all())


def _height(body: _Body, tangent: Floats, filled: NDArray[np.int64], affine: Floats) -> float:
    """Height of the body's inner column along the spine, mm.

    A solid of even thickness h has the standard deviation h/√12 along its axis, and voxels add
    the variance of one voxel: finer than counting, and right for tilted endplates too.
    """
    away = (filled + body.offset) @ affine[:3, :3].T + affine[:3, 3] - body.centre
    along = away @ tangent
    beside = np.linalg.norm(away - along[:, None] * tangent, axis=1)
    radius = max(COLUMN_SHARE * float(body.depth.max()), COLUMN_LEAST_MM)
    column = along[beside <= radius]
    if len(column) < COLUMN_LEAST_VOXELS:  # a ring has nothing in its middle
        column = along
    voxel = float(((affine[:3, :3].T @ tangent) ** 2).sum()) / 12.0
    return float(np.sqrt(12.0 * (column.var() + voxel)))


def _mean_hu(body: _Body, hu: NDArray[Any] | None) -> float | None:
    """Mean CT number of the inner half of the body, which leaves the dense rim out."""
    if hu is None:
        return None
    start = body.offset.astype(int)
    box = tuple(slice(a, a + n) for a, n in zip(start, body.whole.shape, strict=True))
    inner = body.body & (body.depth >= 0.5 * body.depth[body.body].max())
    return float(np.asarray(hu[box], dtype=np.float64)[inner].mean())


def _bounds(voxels: Floats, affine: Floats) -> Bounds:
    """Box around voxels, half a voxel added on each side."""
    half = np.abs(affine[:3, :3]).sum(axis=1) / 2.0
    mm = voxels @ affine[:3, :3].T + affine[:3, 3]
    return _point(mm.min(axis=0) - half), _point(mm.max(axis=0) + half)


def _to_mm(voxel: Floats, affine: Floats) -> Floats:
    return np.asarray(affine[:3, :3] @ voxel + affine[:3, 3])


def _point(values: Floats) -> Point:
    return float(values[0]), float(values[1]), float(values[2])
