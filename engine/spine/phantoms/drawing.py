"""Drawing a phantom: choose patient and view, lay tissue over tissue, scan, and keep the truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.imaging.volumes import Volume
from engine.spine.phantoms import metal, organs, pelvis, ribs, scanner, shoulders, skull
from engine.spine.phantoms.canvas import Canvas
from engine.spine.phantoms.column import Column, build_column
from engine.spine.phantoms.spine import paint_discs_and_canal, paint_vertebra
from engine.spine.phantoms.traits import Scan, Traits, sample_scan, sample_traits
from engine.spine.phantoms.trunk import (
    Trunk,
    build_trunk,
    oval_distance,
    paint_muscles,
    paint_trunk,
)
from engine.spine.phantoms.truth import SpinePhantom, VertebraTruth
from engine.spine.phantoms.viewing import checked_codes, checked_spacing, choose_view, open_canvas

__all__ = ["spine_phantom"]


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
    spacing = checked_spacing(spacing_mm, view_rng)
    codes = checked_codes(axis_codes)
    traits = traits or sample_traits(who, transitional=transitional)
    column = build_column(who, traits)
    trunk = build_trunk(traits, column)
    scan = scan or sample_scan(scan_rng, spacing_mm=spacing)
    view = choose_view(
        view_rng, column, trunk, traits,
        levels=levels, fov_mm=fov_mm, offset_mm=offset_mm, margins_mm=margins_mm,
    )  # fmt: skip
    canvas, thin = open_canvas(view, spacing, traits)
    truths = _draw(organs_rng, scan_rng, canvas, column, trunk, traits, scan)
    return _finish(scan_rng, canvas, thin, truths, column, traits, scan, codes)


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
    shoulders.paint_arms(canvas, trunk, column, traits)
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
    ribs.paint_ribs(canvas, trunk, column, traits, cage)
    shoulders.paint_shoulders(canvas, trunk, column, traits)
    pelvis.paint_pelvis(canvas, column, traits)
    skull.paint_skull(canvas, column, traits, rng)
    paint_discs_and_canal(canvas, column, traits)
    pelvis.paint_sacrum(canvas, column, traits)
    truths = [paint_vertebra(canvas, pose, traits, field) for pose in column.poses]
    sources = metal.paint_metal(canvas, column, traits)
    if scan.table:
        lowest = float((trunk.skin.y - trunk.skin.deep).min()) - 4
        scanner.paint_table(scan_rng, canvas, below_mm=lowest)
    metal.add_streaks(scan_rng, canvas, sources, strength=scan.streaks)
    return tuple(truth for truth in truths if truth is not None)


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
