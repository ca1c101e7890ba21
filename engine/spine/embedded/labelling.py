"""From maps on the coarse grid and named bodies to a label map on the CT's own grid.

Voxels of vertebrae go to the body whose level they lie at; behind the canal the levels hang down
as spinous processes do. Probabilities, not labels, are brought to the fine grid, and inside of a
narrow margin the CT numbers decide, so that borders follow the bone and not the coarse grid.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from engine.imaging.volumes import Volume
from engine.spine.embedded.column import Body
from engine.spine.embedded.landmarks import Line
from engine.spine.embedded.maps import Map, SpineMaps
from engine.spine.phantoms.sizes import LABEL_CODES, SACRUM_CODE, size_of

__all__ = ["label_map", "vertebrae_on_grid"]

Floats = NDArray[np.float64]
Labels = NDArray[np.uint8]

LEAST_SHARE = 0.12
"""Grid points with less vertebra than this are left out before anything is interpolated."""
REACH_SIDE_MM, REACH_FRONT_MM, REACH_BACK_MM = 58.0, -34.0, 88.0
"""A vertebra reaches this far beside, before and behind the centre of its body."""
BEYOND_ENDS = 0.62
"""Voxels farther than this (in levels) beyond the row's ends belong to vertebrae out of view."""
HALF_BODY = 0.42
"""No body reaches farther than this share of the distance between centres from its own."""
BONE_HU, SOFT_HU, HU_RANGE = 110.0, 40.0, 120.0
HU_WORTH = 0.2
"""How much the CT number may add to a probability, or take from it."""
CRUMB_SHARE = 0.05
STEPS = 250
"""Probabilities on the fine grid are kept in so many steps, one byte each."""


def vertebrae_on_grid(
    maps: SpineMaps, bodies: Sequence[Body], names: Sequence[str]
) -> NDArray[np.int16]:
    """Give each grid point of the maps to a vertebra.

    Returns
    -------
    ``(I, J, K)`` index of the body in the row, −1 elsewhere.
    """
    spine = maps.of("body", "arch")
    owner = np.full(maps.shape, -1, np.int16)
    at = np.argwhere(spine > LEAST_SHARE)
    if not len(at):
        return owner
    line = Line(bodies)
    points = maps.world(at)
    level, nearest = line.place(points)
    right, back = line.beside(points, nearest)
    drop = _drops(names, line)
    own = _hanging(level, right, back, drop)
    is_body = maps.of("body")[tuple(at.T)] >= maps.of("arch")[tuple(at.T)]
    own = np.where(is_body, level, own)
    near = (np.abs(right) <= REACH_SIDE_MM) & (back >= REACH_FRONT_MM) & (back <= REACH_BACK_MM)
    near &= (own > -BEYOND_ENDS) & (own < len(bodies) - 1 + BEYOND_ENDS)
    index = np.clip(np.rint(own), 0, len(bodies) - 1).astype(np.int16)
    owner[tuple(at[near].T)] = index[near]
    return _joined(owner, len(bodies))


def label_map(
    maps: SpineMaps,
    bodies: Sequence[Body],
    names: Sequence[str],
    volume: Volume,
) -> Labels:
    """Return VerSe's codes on the grid of a volume, 26 for the sacrum.

    Parameters
    ----------
    maps, bodies, names
        What was found, from the head down.
    volume
        The CT with axes closest to RAS (``Volume.canonical``); its numbers refine the borders.
    """
    owner = vertebrae_on_grid(maps, bodies, names)
    spine = maps.of("body") * _body_heights(maps, bodies, owner) + maps.of("arch")
    to_grid = np.linalg.inv(maps.affine) @ volume.affine  # voxel of the CT -> grid index
    canvas = _Canvas(volume, to_grid, maps, owner)
    for i, name in enumerate(names):
        canvas.add(np.where(owner == i, spine, np.float32(0)), LABEL_CODES[name])
    sacrum = _sacrum(maps)
    if sacrum is not None:
        canvas.add(sacrum, SACRUM_CODE)
    return canvas.finished(_bone_threshold(volume, bodies))


def _body_heights(
    maps: SpineMaps, bodies: Sequence[Body], owner: NDArray[np.int16]
) -> NDArray[np.float32]:
    """Return 1 where a body may be, falling to 0 where only a disc can, ``(I, J, K)``.

    Thin discs drown in voxels of 4 mm, and a body that swallows them looks a third too high.
    """
    inside = np.zeros(maps.shape, np.float32)
    at = np.argwhere(owner >= 0)
    if not len(at):
        return inside
    line = Line(bodies)
    own = owner[tuple(at.T)]
    away = ((maps.world(at) - line.centres[own]) * line.ups[own]).sum(axis=1)
    spare = HALF_BODY * line.steps[own] - np.abs(away)
    inside[tuple(at.T)] = np.clip(spare / maps.spacing_mm + 0.5, 0.0, 1.0)
    return inside


def _drops(names: Sequence[str], line: Line) -> Floats:
    """Return how far each spinous process hangs, ``(n, 3)``.

    Where it begins and ends behind the body's centre (mm), and how many levels lower its tip lies.
    """
    rows = []
    for name, step in zip(names, line.steps, strict=True):
        size = size_of(name)
        scale = float(step) / _usual_step(name)
        begin = 0.5 * sum(size.depth) / 2.0 * scale
        rows.append((begin, begin + size.spine[0] * scale, size.spine[1] * scale / float(step)))
    return np.array(rows)


def _usual_step(name: str) -> float:
    size = size_of(name)
    return 17.0 if name == "C1" else sum(size.height) / 2.0 + size.disc


def _hanging(level: Floats, right: Floats, back: Floats, drop: Floats) -> Floats:
    """Return the level that voxels of arches belong to: processes are lifted to their body."""
    own = level
    for _ in range(2):  # the lift depends on the vertebra, which depends on the lift
        at = np.clip(np.rint(own), 0, len(drop) - 1).astype(np.int64)
        begin, end, levels = drop[at].T
        way = np.clip((back - begin) / (end - begin), 0.0, 1.1)
        middle = np.clip(1.4 - np.abs(right) / 20.0, 0.35, 1.0)
        own = level - levels * way * middle
    return own


def _joined(owner: NDArray[np.int16], count: int) -> NDArray[np.int16]:
    """Give crumbs that do not touch their vertebra to the one that they touch."""
    boxes = ndimage.find_objects(owner + 1, max_label=count)
    loose = np.zeros(owner.shape, bool)
    for i, box in enumerate(boxes):
        if box is None:
            continue
        parts, found = ndimage.label(owner[box] == i, structure=np.ones((3, 3, 3)))
        if found > 1:
            sizes = np.bincount(parts.ravel())
            sizes[0] = 0
            loose[box] |= (parts > 0) & (parts != int(sizes.argmax()))
    if not loose.any():
        return owner
    kept = np.where(loose, np.int16(-1), owner)
    for _ in range(3):
        beside = ndimage.maximum_filter(kept, size=3)
        kept = np.where(loose & (kept < 0), beside, kept)
    return kept


def _sacrum(maps: SpineMaps) -> Map | None:
    """Return the probability of sacrum, only its largest part; None without one."""
    share = maps.of("sacrum")
    parts, found = ndimage.label(share > 0.5)
    if not found:
        return None
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    if sizes.max() * maps.spacing_mm**3 < 4000.0:
        return None
    near = ndimage.binary_dilation(parts == int(sizes.argmax()), iterations=2)
    return np.where(near, share, np.float32(0))


def _bone_threshold(volume: Volume, bodies: Sequence[Body]) -> float:
    """Return a CT number between soft tissue and this patient's bone."""
    at = np.rint(volume.voxel([body.centre_mm for body in bodies])).astype(int)
    inside = ((at >= 0) & (at < volume.shape)).all(axis=1)
    if not inside.any():
        return BONE_HU
    spongy = float(np.median(volume.voxels[tuple(at[inside].T)]))
    return float(np.clip((spongy + SOFT_HU) / 2.0 + 20.0, 80.0, 180.0))


class _Canvas:
    """The fine grid, cut to the part that the vertebrae take, with the best label so far."""

    def __init__(
        self, volume: Volume, to_grid: Floats, maps: SpineMaps, owner: NDArray[np.int16]
    ) -> None:
        self._volume = volume
        self._to_grid = to_grid
        self._from_grid = np.linalg.inv(to_grid)
        used = np.argwhere((owner >= 0) | (maps.of("sacrum") > 0.5))
        if not len(used):
            used = np.zeros((1, 3), np.int64)
        self._box = self._fine_box(used.min(axis=0) - 2.0, used.max(axis=0) + 2.0)
        sides = tuple(s.stop - s.start for s in self._box)
        self._best = np.zeros(sides, np.uint8)
        self._labels = np.zeros(sides, np.uint8)

    def add(self, share: Map, code: int) -> None:
        """Lay the probability of one object (coarse) on the fine grid where it is the highest."""
        at = np.argwhere(share > 0)
        if not len(at):
            return
        low, high = at.min(axis=0) - 2, at.max(axis=0) + 3
        block = np.zeros(high - low, np.float32)
        inner_low = np.maximum(low, 0)
        inner_high = np.minimum(high, share.shape)
        own = tuple(slice(a, b) for a, b in zip(inner_low - low, inner_high - low, strict=True))
        block[own] = share[tuple(slice(a, b) for a, b in zip(inner_low, inner_high, strict=True))]
        # The image may end inside of an object: there its border must not fade.
        block = _edges_repeated(block, own)
        # Faint ends of an object may lie outside of the part that was cut out.
        box = tuple(
            slice(max(s.start, whole.start), min(s.stop, whole.stop))
            for s, whole in zip(self._fine_box(low + 0.5, high - 1.5), self._box, strict=True)
        )
        if not all(s.stop > s.start for s in box):
            return
        matrix = self._to_grid[:3, :3]
        offset = matrix @ [s.start for s in box] + self._to_grid[:3, 3] - low
        values = _interpolated(block, matrix, offset, tuple(s.stop - s.start for s in box))
        inside = tuple(
            slice(s.start - whole.start, s.stop - whole.start)
            for s, whole in zip(box, self._box, strict=True)
        )
        best = self._best[inside]
        higher = values > best
        np.copyto(best, values, where=higher)
        np.copyto(self._labels[inside], np.uint8(code), where=higher)

    def finished(self, bone_hu: float) -> Labels:
        """Return the label map on the whole fine grid."""
        hu = self._volume.voxels[self._box]
        low, high = (round(STEPS * (0.5 + sign * HU_WORTH)) for sign in (-1, 1))
        for i in range(hu.shape[0]):  # plane by plane: little is held twice
            best, labels = self._best[i], self._labels[i]
            labels[best <= low] = 0
            doubtful = np.nonzero((best > low) & (best < high))
            lift = np.clip((hu[i][doubtful] - bone_hu) / HU_RANGE, -1.0, 1.0) * HU_WORTH
            gone = best[doubtful] / np.float32(STEPS) + lift <= 0.5
            labels[doubtful[0][gone], doubtful[1][gone]] = 0
        labels = np.zeros(self._volume.shape, np.uint8)
        labels[self._box] = self._without_crumbs()
        return labels

    def _without_crumbs(self) -> Labels:
        boxes = ndimage.find_objects(self._labels)
        for code, box in enumerate(boxes, start=1):
            if box is None:
                continue
            part = self._labels[box]
            mask = part == code
            parts, found = ndimage.label(mask)
            if found > 1:
                sizes = np.bincount(parts.ravel())
                small = sizes < CRUMB_SHARE * mask.sum()
                small[0] = False
                part[small[parts]] = 0
        return self._labels

    def _fine_box(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[slice, ...]:
        """Return the voxels of the CT that lie between two corners in grid indices."""
        ends = np.stack([low, high])
        corners = np.array(np.meshgrid(*ends.T, indexing="ij")).reshape(3, -1)
        fine = (self._from_grid[:3, :3] @ corners).T + self._from_grid[:3, 3]
        start = np.clip(np.floor(fine.min(axis=0)), 0, self._volume.shape).astype(int)
        stop = np.clip(np.ceil(fine.max(axis=0)) + 1, start, self._volume.shape).astype(int)
        return tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))


def _edges_repeated(block: Map, own: tuple[slice, ...]) -> Map:
    """Repeat the outermost values of the inner part into the margin that lies outside the maps."""
    pads = [(s.start, side - s.stop) for s, side in zip(own, block.shape, strict=True)]
    return np.pad(block[own], pads, mode="edge")


def _interpolated(
    block: Map, matrix: Floats, offset: Floats, sides: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Read a block smoothly at ``offset + matrix @ index``, in :data:`STEPS`.

    Along its own axes by cubic splines, at an angle linearly; outside the nearest value counts.
    """
    if np.count_nonzero(np.abs(matrix) > 1e-6) == 3 and np.all(np.diag(matrix) > 0):
        third, second, first = (
            _weights(sides[a], float(offset[a]), float(matrix[a, a]), block.shape[a])
            for a in (2, 1, 0)
        )
        rows = block.reshape(-1, block.shape[2]) @ third.T
        planes = np.stack([second @ plane for plane in rows.reshape(*block.shape[:2], -1)])
        values = (first @ planes.reshape(len(planes), -1)).reshape(sides)
    else:
        values = np.empty(sides, np.float32)
        ndimage.affine_transform(
            block, matrix, offset, output_shape=sides, output=values, order=1, mode="nearest"
        )
    np.clip(values, 0.0, 1.0, out=values)
    values *= STEPS
    return np.asarray(values.astype(np.uint8))


def _weights(count: int, start: float, step: float, side: int) -> sparse.csr_array:
    """Return ``(count, side)``: Catmull and Rom's cubic at the places ``start + step * n``."""
    place = np.clip(start + step * np.arange(count), 0.0, side - 1.0)
    below = np.floor(place).astype(np.int64)
    t = (place - below).astype(np.float32)
    values = np.stack(
        [
            ((2.0 - t) * t - 1.0) * t / 2.0,
            ((3.0 * t - 5.0) * t * t + 2.0) / 2.0,
            ((4.0 - 3.0 * t) * t + 1.0) * t / 2.0,
            (t - 1.0) * t * t / 2.0,
        ],
        axis=1,
    )
    columns = np.clip(below[:, None] + np.arange(-1, 3), 0, side - 1)
    rows = np.repeat(np.arange(count), 4)
    return sparse.csr_array((values.ravel(), (rows, columns.ravel())), shape=(count, side))
