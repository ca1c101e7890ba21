"""What of the patient is in view: the box, its voxels, and the canvas for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from engine.errors import RequestError
from engine.spine.phantoms.canvas import Canvas
from engine.spine.phantoms.column import Column, Pose
from engine.spine.phantoms.traits import Traits
from engine.spine.phantoms.trunk import Trunk

__all__ = ["View", "checked_codes", "checked_spacing", "choose_view", "open_canvas"]

_LARGEST = 120_000_000  # voxels drawn at once, 40 bytes each: 5 GB


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The box in view, in patient mm without roll, and where the patient's origin is."""

    low: np.ndarray
    high: np.ndarray
    pivot: np.ndarray


def checked_spacing(
    spacing: float | Sequence[float] | None, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Return the voxel size in mm, drawn where it is None; refuse what cannot be drawn."""
    plane = float(np.exp(rng.uniform(np.log(0.6), np.log(1.6))))
    thick = float(rng.choice([0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0]))
    if spacing is None:
        return plane, plane, thick
    values = (spacing,) * 3 if isinstance(spacing, (int, float)) else tuple(spacing)
    if len(values) != 3 or not all(np.isfinite(v) and 0.3 <= v <= 10.0 for v in values):
        raise RequestError(
            f"spacing_mm has to be one number or three from 0.3 to 10 mm, but got {spacing}."
        )
    return float(values[0]), float(values[1]), float(values[2])


def checked_codes(codes: str) -> str:
    """Return the axis codes, or refuse what names no three axes."""
    pairs = ("RL", "AP", "SI")
    found = sorted(n for code in codes for n, pair in enumerate(pairs) if code in pair)
    if len(codes) != 3 or found != [0, 1, 2]:
        raise RequestError(
            f"axis_codes names each of right/left, front (A)/back (P), head (S)/feet (I) once, "
            f"like 'RAS' or 'LPS', but got {codes!r}."
        )
    return codes


def choose_view(
    rng: np.random.Generator,
    column: Column,
    trunk: Trunk,
    traits: Traits,
    *,
    levels: Sequence[str] | None,
    fov_mm: Sequence[float] | None,
    offset_mm: Sequence[float],
    margins_mm: Sequence[float] | None,
) -> View:
    """Return the box in view, drawn where nothing was asked for."""
    low, high = _heights(rng, column, levels, margins_mm)
    inside = (trunk.z >= low) & (trunk.z <= high)
    wide = 2 * float(trunk.skin.wide[inside].max()) + (190 if traits.arms == "down" else 0)
    front = float((trunk.skin.y + trunk.skin.deep)[inside].max())
    back = float((trunk.skin.y - trunk.skin.deep)[inside].min())
    middle = np.array([0.0, (front + back) / 2])
    small = fov_mm is None and rng.random() < 0.3
    spare, side, shift = rng.uniform(10, 70), rng.uniform(120, 240), rng.normal(0, 1, 2)
    if fov_mm is None:
        size = np.full(2, side) if small else np.array([wide + spare, front - back + spare + 30])
        if small:
            x, y = (float(np.interp((low + high) / 2, trunk.z, line))
                    for line in (trunk.spine_x, trunk.spine_y))  # fmt: skip
            middle = np.array([x, y - 8]) + shift * (12, 10)
        else:
            middle = middle + shift * (10, 6)
    else:
        size = np.asarray(fov_mm, float)
        if size.shape != (2,) or not np.all((size >= 20) & (size <= 1000)):
            raise RequestError(
                f"fov_mm has to be two lengths from 20 to 1000 mm (right, front), but got {fov_mm}."
            )
    offset = np.asarray(offset_mm, float)
    if offset.shape != (2,) or not np.all(np.abs(offset) <= 500):
        raise RequestError(
            f"offset_mm has to be two lengths within ±500 mm (right, front), but got {offset_mm}."
        )
    middle = middle + offset
    pivot = np.array([rng.normal(0, 15), rng.normal(-150, 60), rng.uniform(-900, 900)])
    return View(
        low=np.array([*(middle - size / 2), low]),
        high=np.array([*(middle + size / 2), high]),
        pivot=pivot,
    )


def _heights(
    rng: np.random.Generator,
    column: Column,
    levels: Sequence[str] | None,
    margins_mm: Sequence[float] | None,
) -> tuple[float, float]:
    names = [pose.label for pose in column.poses]
    length, place = float(np.exp(rng.uniform(np.log(70), np.log(760)))), float(rng.uniform())
    if levels is None:
        lowest = float(column.sacrum.centre[2]) - 160
        highest = float(column.poses[0].centre[2]) + 60
        room = max(highest - lowest - length, 0.0)
        low = lowest + place * room
        return low, min(low + length, highest)
    if isinstance(levels, str) or len(levels) < 1:
        raise RequestError(
            f"levels has to be the first and the last level, like ('T9', 'L5'), but got {levels!r}."
        )
    missing = [level for level in levels if level not in names]
    if missing:
        raise RequestError(
            f"This spine goes from {names[0]} to {names[-1]} without {', '.join(missing)}; choose "
            f"levels of it."
        )
    places = [names.index(level) for level in levels]
    if places != sorted(places):
        raise RequestError(f"levels go from the head down, but got {tuple(levels)}; swap them.")
    margins = np.asarray((12.0, 12.0) if margins_mm is None else margins_mm, float)
    if margins.shape != (2,) or not np.all(np.abs(margins) <= 400):
        raise RequestError(
            f"margins_mm has to be two lengths within ±400 mm (below, above), but got {margins_mm}."
        )
    low = _end_of_body(column.poses[places[-1]], -1) - float(margins[0])
    high = _end_of_body(column.poses[places[0]], 1) + float(margins[1])
    if high - low < 5.0:
        raise RequestError(
            f"The view from {levels[0]} to {levels[-1]} with margins {margins.tolist()} mm is only "
            f"{high - low:.1f} mm high; at least 5 mm are needed."
        )
    return low, high


def _end_of_body(pose: Pose, sign: int) -> float:
    """Return the height of the lowest (−1) or highest (1) edge of a body."""
    half = np.array([pose.size.width[1], pose.size.depth[1], pose.middle_height]) / 2
    return float(pose.centre[2] + sign * np.abs(pose.axes[2] * half * (0.7, 0.7, 1.0)).sum())


def open_canvas(
    view: View, spacing: tuple[float, float, float], traits: Traits
) -> tuple[Canvas, int]:
    """Return the canvas, and how many thin slices of it make one slice of the volume."""
    step = np.asarray(spacing)
    shape = np.maximum(np.rint((view.high - view.low) / step).astype(int), 2)
    # thick slices are drawn as an odd number of thin ones, so that one is in the middle
    plane = max(1.7, 1.6 * float(min(spacing[0], spacing[1])))
    thin = max(1, int(np.ceil(spacing[2] / plane)))
    thin += 1 - thin % 2
    if int(np.prod(shape)) * thin > _LARGEST:
        raise RequestError(
            f"A phantom has at most {_LARGEST // 10**6} million voxels, but this view needs "
            f"{'×'.join(str(n) for n in shape)}; choose larger voxels or a smaller view."
        )
    fine = step.copy()
    fine[2] /= thin
    middle = (view.low + view.high) / 2
    corner = middle - step * shape / 2 + fine / 2
    canvas = Canvas(
        (int(shape[0]), int(shape[1]), int(shape[2]) * thin),
        spacing_mm=(float(fine[0]), float(fine[1]), float(fine[2])),
        origin_mm=tuple(float(v) for v in corner + view.pivot),  # type: ignore[arg-type]  # three
        pivot_mm=tuple(float(v) for v in view.pivot),  # type: ignore[arg-type]  # three
        roll_deg=traits.posture.roll_deg,
    )
    return canvas, thin
