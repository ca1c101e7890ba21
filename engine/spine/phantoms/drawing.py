"""Drawing a phantom: choose patient and view, lay tissue over tissue, scan, and keep the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np

from engine.errors import RequestError
from engine.imaging.volumes import Volume
from engine.spine.phantoms import metal, organs, scanner, skeleton
from engine.spine.phantoms.canvas import Canvas, Floats, Region
from engine.spine.phantoms.column import Column, Pose, build_column
from engine.spine.phantoms.shapes import ellipsoid
from engine.spine.phantoms.sizes import LABEL_CODES, STRUCTURES
from engine.spine.phantoms.traits import Scan, Traits, sample_scan, sample_traits
from engine.spine.phantoms.trunk import (
    Trunk,
    build_trunk,
    oval_distance,
    paint_muscles,
    paint_trunk,
)
from engine.spine.phantoms.truth import SpinePhantom, VertebraTruth
from engine.spine.phantoms.vertebra import (
    Solid,
    local_frame,
    outline_of_body,
    shape_vertebra,
)
from engine.spine.vertebrae import Point

__all__ = ["spine_phantom"]

_LARGEST = 120_000_000  # voxels drawn at once; about 3 GB


def spine_phantom(
    rng: np.random.Generator,
    *,
    levels: Sequence[str] | None = None,
    spacing_mm: float | Sequence[float] | None = None,
    fov_mm: Sequence[float] | None = None,
    offset_mm: Sequence[float] = (0.0, 0.0),
    margins_mm: Sequence[float] | None = None,
    traits: Traits | None = None,
    scan: Scan | None = None,
    axis_codes: str = "RAS",
    transitional: bool = False,
) -> SpinePhantom:
    """Draw a CT of a spine; the same generator state gives the same phantom.

    The patient does not depend on ``spacing_mm``: one seed at several voxel sizes shows one
    anatomy, with the same truth in mm. Whatever is not given is drawn.

    Parameters
    ----------
    rng
        Source of all randomness.
    levels
        First and last vertebra in view, like ``("T9", "L5")`` (or all of them); None draws any
        part of the patient from the hips to the head.
    spacing_mm
        Voxel size to the right, front and head, 0.3 to 10 mm; one number for all three.
    fov_mm
        Field of view to the right and front; None draws the whole trunk or a small one.
    offset_mm
        How far the middle of the field of view lies from the middle of the trunk.
    margins_mm
        What is in view below the last and above the first body, in mm; below 0 cuts into them.
    traits, scan
        The patient and how the scanner sees it.
    axis_codes
        Axis order of the arrays, like ``"LPS"``; the affine says the same.
    transitional
        Draw a patient with 11 or 13 thoracic, 4 or 6 lumbar vertebrae.

    Raises
    ------
    RequestError
        When a value is out of range, a level is not in this spine, or the volume would be larger
        than 120 million voxels.
    """
    who, organs_rng, view_rng, scan_rng = rng.spawn(4)
    spacing = _checked_spacing(spacing_mm, view_rng)
    codes = _checked_codes(axis_codes)
    traits = traits or sample_traits(who, transitional=transitional)
    column = build_column(who, traits)
    trunk = build_trunk(traits, column)
    scan = scan or sample_scan(scan_rng, spacing_mm=spacing)
    view = _choose_view(
        view_rng, column, trunk, traits,
        levels=levels, fov_mm=fov_mm, offset_mm=offset_mm, margins_mm=margins_mm,
    )  # fmt: skip
    canvas, thin = _open_canvas(view, spacing, traits)
    truths = _draw(organs_rng, scan_rng, canvas, column, trunk, traits, scan)
    return _finish(scan_rng, canvas, thin, truths, column, traits, scan, codes)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """The box in view, in patient mm without roll, and where the patient's origin is."""

    low: np.ndarray
    high: np.ndarray
    pivot: np.ndarray


def _checked_spacing(
    spacing: float | Sequence[float] | None, rng: np.random.Generator
) -> tuple[float, float, float]:
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


def _checked_codes(codes: str) -> str:
    pairs = ("RL", "AP", "SI")
    found = sorted(n for code in codes for n, pair in enumerate(pairs) if code in pair)
    if len(codes) != 3 or found != [0, 1, 2]:
        raise RequestError(
            f"axis_codes names each of right/left, front (A)/back (P), head (S)/feet (I) once, "
            f"like 'RAS' or 'LPS', but got {codes!r}."
        )
    return codes


def _choose_view(
    rng: np.random.Generator,
    column: Column,
    trunk: Trunk,
    traits: Traits,
    *,
    levels: Sequence[str] | None,
    fov_mm: Sequence[float] | None,
    offset_mm: Sequence[float],
    margins_mm: Sequence[float] | None,
) -> _View:
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
    return _View(
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


def _open_canvas(
    view: _View, spacing: tuple[float, float, float], traits: Traits
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


def _draw(
    rng: np.random.Generator,
    scan_rng: np.random.Generator,
    canvas: Canvas,
    column: Column,
    trunk: Trunk,
    traits: Traits,
    scan: Scan,
) -> tuple[VertebraTruth, ...]:
    everything = canvas.everything()
    skin = oval_distance(trunk, trunk.skin, everything)
    cage = oval_distance(trunk, trunk.cage, everything)
    field = scanner.grain(scan_rng, canvas.shape, spacing_mm=canvas.spacing, size_mm=1.1)
    skeleton.paint_arms(canvas, trunk, column, traits)
    paint_trunk(canvas, trunk, traits, skin=skin, cage=cage)
    paint_muscles(canvas, trunk, column, traits)
    scanner.add_marbling(scan_rng, canvas.hu, spacing_mm=canvas.spacing, amount=traits.marbling)
    inside = organs.Inside(
        canvas=canvas, trunk=trunk, column=column, traits=traits, cage=cage, grain=field
    )
    organs.paint_organs(rng, inside)
    organs.paint_vessels(rng, inside)
    tissue = canvas.hu > -300
    canvas.hu += np.float32(scan.texture_hu) * field * tissue
    skeleton.paint_ribs(canvas, trunk, column, traits, cage)
    skeleton.paint_shoulders(canvas, trunk, column, traits)
    skeleton.paint_pelvis(canvas, column, traits)
    skeleton.paint_skull(canvas, column, traits, rng)
    _paint_discs_and_canal(canvas, column, traits)
    skeleton.paint_sacrum(canvas, column, traits)
    truths = [_paint_vertebra(canvas, pose, traits, field) for pose in column.poses]
    sources = metal.paint_metal(canvas, column, traits)
    if scan.table:
        lowest = float((trunk.skin.y - trunk.skin.deep).min()) - 4
        scanner.paint_table(scan_rng, canvas, below_mm=lowest)
    metal.add_streaks(scan_rng, canvas, sources, strength=scan.streaks)
    return tuple(truth for truth in truths if truth is not None)


def _paint_discs_and_canal(canvas: Canvas, column: Column, traits: Traits) -> None:
    tissues = traits.tissues
    for above, below in pairwise((*column.poses, column.sacrum)):
        if above.label == "C1":
            continue
        _paint_disc(canvas, above, below, traits)
    points = [pose.at(0, -0.42 * pose.size.depth[1] - 0.5 * pose.size.canal[1], 0)
              for pose in column.poses[::-1]]  # fmt: skip
    points.insert(0, column.sacrum.at(0, -27, -3))
    line = np.array(points)
    radius = np.array([7.0, *(0.5 * pose.size.canal[1] for pose in column.poses[::-1])])
    region = canvas.region(
        (float(line[:, 0].min()) - 14, float(line[:, 1].min()) - 14, float(line[0, 2])),
        (float(line[:, 0].max()) + 14, float(line[:, 1].max()) + 14, float(line[-1, 2]) + 12),
    )
    if region is None:
        return
    z = region.z
    x, y, r = (
        np.interp(z, line[:, 2], v).astype(np.float32) for v in (line[:, 0], line[:, 1], radius)
    )
    away = np.sqrt(((region.x - x) / 1.2) ** 2 + (region.y - y) ** 2)
    ends = np.maximum(np.float32(line[0, 2]) - z, z - np.float32(line[-1, 2] + 10))
    canvas.paint(region, np.maximum(away - r, ends), 0.6 * tissues.fat)
    canvas.paint(region, np.maximum(away - 0.82 * r, ends), tissues.water + 4)
    conus = np.float32(column.height_of("L1")) - z
    canvas.paint(region, np.maximum(np.maximum(away - 0.5 * r, ends), conus), tissues.cord + 12)


def _paint_disc(canvas: Canvas, above: Pose, below: Pose, traits: Traits) -> None:
    """Fill between the lower endplate of one body and the upper of the next."""
    reach = 0.5 * max(above.size.width[1], below.size.width[0]) + 6
    top = above.at(0, 0, -above.middle_height / 2)
    bottom = below.at(0, 0, below.middle_height / 2) if below.label != "S1" else below.at(0, 0, 0)
    middle = (top + bottom) / 2
    region = canvas.region((middle - reach).tolist(), (middle + reach).tolist())
    if region is None:
        return
    x, y, z = local_frame(region, above)
    up, deep = above.middle_height / 2, 0.5 * sum(above.size.depth)
    behind, front = above.size.height
    ceiling = z + np.float32(up - above.sunken_mm) + y * np.float32((front - behind) / (2 * deep))
    if below.label == "S1":
        floor = -local_frame(region, below)[2] - np.float32(1.0)
    else:
        behind, front = below.size.height
        _, along, height = local_frame(region, below)
        slope = np.float32((front - behind) / sum(below.size.depth))
        floor = np.float32(below.middle_height / 2 - below.sunken_mm) + along * slope - height
    side = outline_of_body(
        x, y, half_width=np.float32(0.5 * above.size.width[1] + 0.6),
        half_depth=np.float32(0.5 * above.size.depth[1] + 0.6),
    )  # fmt: skip
    disc = np.maximum(side, np.maximum(ceiling, floor))
    if above.fused_below:  # bone bridges the disc
        bridge = np.maximum(disc, -side - 4.0)
        canvas.paint(region, disc, traits.tissues.disc)
        canvas.paint(region, bridge, 0.7 * traits.tissues.cortical)
        return
    canvas.paint(region, disc, traits.tissues.disc)
    canvas.mark(region, disc, STRUCTURES["discs"], where="structures")


def _paint_vertebra(
    canvas: Canvas, pose: Pose, traits: Traits, field: Floats
) -> VertebraTruth | None:
    solid = shape_vertebra(canvas, pose)
    if solid is None:
        return None
    tissues, region = traits.tissues, solid.region
    inner = pose.trabecular
    shell = tissues.shell_mm * (0.8 if pose.label[0] == "C" else 1.0)
    canvas.paint_bone(
        region,
        solid.arch,
        shell_mm=1.6 * shell,
        shell=1.25 * tissues.cortical,
        inner=0.7 * inner + 30,
    )
    canvas.paint_bone(
        region, solid.facets, shell_mm=2.0 * shell,
        shell=1.3 * tissues.cortical, inner=0.5 * tissues.cortical,
    )  # fmt: skip
    canvas.paint_bone(region, solid.body, shell_mm=shell, shell=tissues.cortical, inner=inner)
    _paint_inside(canvas, region, solid, pose, traits, field)
    code = LABEL_CODES[pose.label]
    canvas.mark(region, solid.whole, code, where="labels")
    canvas.bodies[region.inside] |= solid.body[region.own] < 0
    structures = canvas.structures[region.inside]
    structures[solid.whole[region.own] < 0] = 0
    ribs = canvas.rib_levels[region.inside]
    ribs[solid.whole[region.own] < 0] = 0
    return _truth(canvas, solid, pose, code)


def _paint_inside(
    canvas: Canvas, region: Region, solid: Solid, pose: Pose, traits: Traits, field: Floats
) -> None:
    """Lay the mesh of trabeculae, hard bone below the endplates, and the vein behind the body."""
    inside = canvas.coverage(solid.body[region.own] + np.float32(1.5 * traits.tissues.shell_mm))
    part = canvas.hu[region.inside]
    fine = min(1.0, 1.8 / canvas.softness)  # large voxels average the mesh away
    part += inside * field[region.inside] * np.float32(fine * (0.16 * pose.trabecular + 8))
    if traits.tissues.sclerosis > 0.05 and pose.label != "C1":
        z = np.abs(local_frame(region, pose)[2])[region.own]
        depth = np.clip(1.0 - (pose.middle_height / 2 - z) / 6.0, 0.0, 1.0)
        part += (
            inside * depth * np.float32(traits.tissues.sclerosis * 0.35 * traits.tissues.cortical)
        )
    if pose.label[0] in "TL":
        x, y, z = local_frame(region, pose)
        back = np.float32(0.4 * pose.size.depth[1])
        vein = ellipsoid(x, y + back, z, (3.5, 0.25 * pose.size.depth[1], 2.5))[region.own]
        part += canvas.coverage(vein) * np.float32(-0.5 * pose.trabecular)


def _truth(canvas: Canvas, solid: Solid, pose: Pose, code: int) -> VertebraTruth | None:
    region = solid.region
    whole, body = canvas.coverage(solid.whole), canvas.coverage(solid.body)
    held = solid.whole < 0
    if not held[region.own].any():
        return None
    total, body_total = float(whole.sum()), float(body.sum())
    in_view = float(whole[region.own].sum()) / total if region.is_cut else 1.0
    body_in_view = float(body[region.own].sum()) / body_total if region.is_cut else 1.0
    in_view = 1.0 if in_view > 0.9999 else in_view
    body_in_view = 1.0 if body_in_view > 0.9999 else body_in_view
    centre = canvas.to_world(pose.centre)[0]
    first = canvas.start + canvas.pivot - canvas.spacing / 2
    last = first + canvas.spacing * canvas.shape
    axis = (canvas.to_world(pose.axes[:, 2]) - canvas.pivot)[0]
    return VertebraTruth(
        label=pose.label,
        code=code,
        centre_mm=_point(centre),
        bounds_mm=_bounds(canvas, region, held),
        volume_ml=total * canvas.voxel_ml,
        body_ml=body_total * canvas.voxel_ml,
        height_mm=pose.middle_height,
        body_hu=pose.trabecular,
        up=_point(axis),
        in_view=in_view,
        body_in_view=body_in_view,
        centre_in_view=bool(np.all((centre >= first) & (centre <= last))),
        truncated=in_view < 1.0 or body_in_view < 1.0,
        fractured=pose.fractured,
    )


def _bounds(canvas: Canvas, region: Region, held: np.ndarray) -> tuple[Point, Point]:
    """Return the box of the held voxels with their outer sides, in world mm."""
    ends = [np.flatnonzero(held.any(axis=tuple({0, 1, 2} - {a})))[[0, -1]] for a in range(3)]
    begin = np.array(
        [inside.start - own.start for inside, own in zip(region.inside, region.own, strict=True)]
    )
    index = np.array(ends, float).T + begin + np.array([[-0.5], [0.5]])
    corners = canvas.start + canvas.pivot + index * canvas.spacing
    return _point(corners[0]), _point(corners[1])


def _point(values: np.ndarray) -> Point:
    return float(values[0]), float(values[1]), float(values[2])


def _finish(
    rng: np.random.Generator,
    canvas: Canvas,
    thin: int,
    truths: tuple[VertebraTruth, ...],
    column: Column,
    traits: Traits,
    scan: Scan,
    codes: str,
) -> SpinePhantom:
    hu = scanner.blur(canvas.hu, scan, spacing_mm=canvas.spacing)
    hu = scanner.average_slices(hu, thin)
    hu = scanner.round_off(scanner.add_noise(rng, hu, scan), scan)
    spacing = canvas.spacing * (1, 1, thin)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = canvas.start + canvas.pivot
    affine[2, 3] += canvas.spacing[2] * (thin - 1) / 2
    middle = slice(thin // 2, None, thin)
    maps = [
        array[:, :, middle]
        for array in (canvas.labels, canvas.bodies, canvas.structures, canvas.rib_levels)
    ]
    arrays, affine = _turned([hu, *maps], affine, codes)
    return SpinePhantom(
        volume=Volume(voxels=arrays[0], affine=affine),
        labels=arrays[1],
        bodies=arrays[2],
        structures=arrays[3],
        rib_levels=arrays[4],
        vertebrae=truths,
        spine=tuple(pose.label for pose in column.poses),
        axis_codes=codes,
        traits=traits,
        scan=scan,
    )


def _turned(
    arrays: list[np.ndarray], affine: np.ndarray, codes: str
) -> tuple[list[np.ndarray], np.ndarray]:
    """Reorder and flip RAS arrays so that their axes point as ``codes`` says."""
    order = [next(n for n, pair in enumerate(("RL", "AP", "SI")) if code in pair) for code in codes]
    flips = [code in "LPI" for code in codes]
    turn = np.zeros((4, 4))
    turn[3, 3] = 1.0
    for new, (old, flip) in enumerate(zip(order, flips, strict=True)):
        turn[old, new] = -1.0 if flip else 1.0
        turn[old, 3] = arrays[0].shape[old] - 1 if flip else 0.0
    turned = [
        np.ascontiguousarray(
            array.transpose(order)[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
        )
        for array in arrays
    ]
    return turned, affine @ turn
