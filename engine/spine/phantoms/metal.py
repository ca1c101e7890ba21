"""Screws, rods, cages and cement in the spine, and the streaks that metal throws in a CT."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from engine.spine.phantoms.canvas import Canvas, Floats
from engine.spine.phantoms.column import Column, Pose
from engine.spine.phantoms.shapes import capsule, ellipsoid, plate
from engine.spine.phantoms.sizes import STRUCTURES
from engine.spine.phantoms.traits import Traits
from engine.spine.phantoms.vertebra import local_frame

__all__ = ["add_streaks", "paint_metal"]

Point = tuple[float, float, float]


def paint_metal(canvas: Canvas, column: Column, traits: Traits) -> list[Point]:
    """Lay all implants of the spine; return the middles of the screws, where streaks begin."""
    implants = traits.implants
    sources: list[Point] = []
    heads: dict[int, list[Point]] = {-1: [], 1: []}
    names = {pose.label for pose in column.poses}
    for label in implants.screws:
        if label not in names:
            continue
        pose = column.pose(label)
        for sign in (-1, 1):
            head, tip = _screw_ends(pose, sign)
            _rod(canvas, head.tolist(), tip.tolist(), 2.8, 3400.0)
            heads[sign].append(_point(head))
            sources.append(_point((head + tip) / 2))
    for ends in heads.values():
        for above, below in pairwise(ends):
            _rod(canvas, above, below, 2.9, 3200.0)
    for label in implants.cages:
        if label in names:
            _cage(canvas, column.pose(label))
    for label in implants.cement:
        if label in names:
            _cement(canvas, column.pose(label))
    return sources


def _point(values: np.ndarray) -> Point:
    return float(values[0]), float(values[1]), float(values[2])


def _screw_ends(pose: Pose, sign: int) -> tuple[np.ndarray, np.ndarray]:
    size = pose.size
    back = 0.42 * size.depth[1]
    side = size.canal[0] / 2 + 0.5 * size.pedicle[0]
    rise = (0.22 if pose.label[0] == "T" else 0.2) * size.height[0]
    head = pose.at(sign * (side + 4), -(back + 1.15 * size.canal[1]), rise + 2)
    tip = pose.at(sign * side * 0.55, 0.25 * size.depth[1], rise * 0.6)
    return head, tip


def _rod(
    canvas: Canvas, start: Sequence[float], end: Sequence[float], radius: float, hu: float
) -> None:
    ends = np.array([start, end], float)
    region = canvas.region((ends.min(0) - radius).tolist(), (ends.max(0) + radius).tolist())
    if region is None:
        return
    distance = capsule(region.x, region.y, region.z, start, end, radius=radius)
    canvas.paint(region, distance, hu)
    canvas.mark(region, distance, STRUCTURES["metal"], where="structures")


def _cage(canvas: Canvas, pose: Pose) -> None:
    """Lay a cage into the disc below a vertebra."""
    down = pose.middle_height / 2 + 4
    centre = pose.at(0, 2, -down)
    region = canvas.region((centre - 22).tolist(), (centre + 22).tolist())
    if region is None:
        return
    x, y, z = local_frame(region, pose)
    box = plate(x, y - np.float32(2), z + np.float32(down), (12, 9, 4.5), round_mm=2.0)
    frame = np.maximum(box, -(box + 2.0))
    canvas.paint(region, frame, 1900.0)
    canvas.mark(region, frame, STRUCTURES["metal"], where="structures")


def _cement(canvas: Canvas, pose: Pose) -> None:
    """Lay bone cement into a body (vertebroplasty)."""
    size = pose.size
    region = canvas.region((pose.centre - 25).tolist(), (pose.centre + 25).tolist())
    if region is None:
        return
    x, y, z = local_frame(region, pose)
    blob: Floats | None = None
    for sign in (-1, 1):
        one = ellipsoid(
            x - np.float32(sign * 0.18 * size.width[0]), y - np.float32(2), z,
            (0.2 * size.width[0], 0.25 * size.depth[0], 0.3 * pose.middle_height),
        )  # fmt: skip
        blob = one if blob is None else np.minimum(blob, one)
    assert blob is not None
    canvas.paint(region, blob, 1700.0)


def add_streaks(
    rng: np.random.Generator, canvas: Canvas, sources: Sequence[Point], *, strength: float
) -> None:
    """Add bright and dark rays around metal, in the plane of the slices, and a dark bridge."""
    for centre in sources:
        reach = 95.0
        region = canvas.region(
            [centre[0] - reach, centre[1] - reach, centre[2] - 9],
            [centre[0] + reach, centre[1] + reach, centre[2] + 9],
        )
        if region is None:
            continue
        x, y = region.x - np.float32(centre[0]), region.y - np.float32(centre[1])
        radius, angle = np.sqrt(x * x + y * y), np.arctan2(y, x)
        rays = np.zeros_like(radius)
        for _ in range(5):
            waves = int(rng.integers(2, 13))
            rays += np.cos(waves * angle + rng.uniform(0, 2 * np.pi)).astype(np.float32)
        dark = -1.6 * np.exp(-((y / 5.0) ** 2)) * np.exp(-np.abs(x) / 30.0)
        fade = np.exp(-radius / 26.0) * np.clip(radius / 5.0, 0, 1) * np.clip(2 - radius / 48, 0, 1)
        along = np.exp(-(((region.z - np.float32(centre[2])) / 5.0) ** 2))
        size = strength * float(rng.uniform(60, 260))
        canvas.hu[region.inside] += ((rays * fade + dark) * size * along).astype(np.float32)
