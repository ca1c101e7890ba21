"""Drawn patients on the network's grid, of all sizes and in all fields of view. No torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import RequestError
from engine.imaging.volumes import Volume
from engine.spine.embedded.targets import GRID_MM, classes_of
from engine.spine.phantoms.drawing import spine_phantom
from engine.spine.phantoms.truth import SpinePhantom

__all__ = ["Scene", "draw_scene", "scene_of"]

_THICK_MM: Final = (1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)
_BACK: Final = tuple(f"{part}{n}" for part, count in (("C", 7), ("T", 12), ("L", 5))
                     for n in range(1, count + 1))  # fmt: skip


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no truth value
class Scene:
    """A patient on voxels that count as :data:`GRID_MM`, axes RAS.

    ``hu`` and the maps are ``(I, J, K)``; ``codes`` holds VerSe's code of the vertebra inside of
    bodies and 0 elsewhere; ``centres`` are body centres in view ``(n, 3)`` in voxels.
    """

    hu: NDArray[np.float32]
    classes: NDArray[np.uint8]
    codes: NDArray[np.uint8]
    centres: NDArray[np.float64]


def draw_scene(rng: np.random.Generator) -> Scene:
    """Draw a patient, 0.65 to 1.35 times as large as the generator's, unlike in each direction.

    One in three is drawn on the voxels of a scanner and resampled, as CTs are; the others directly
    on the grid, which is cheap.
    """
    size = float(np.exp(rng.uniform(-0.35, 0.1) if rng.random() < 0.25 else rng.normal(0, 0.06)))
    zoom = np.clip(size * np.exp(rng.normal(0.0, 0.06, 3)), 0.65, 1.35)
    grid = GRID_MM / zoom  # mm of the patient that count as 4
    if rng.random() < 0.35:
        plane = rng.uniform(1.9, 3.2)
        spacing = np.array([plane, plane, rng.choice(_THICK_MM)])
    else:
        spacing = grid
    view = _sample_view(rng)
    draw = partial(
        spine_phantom,
        rng,
        spacing_mm=tuple(float(s) for s in spacing),
        transitional=bool(rng.random() < 0.12),
    )
    try:
        phantom = draw(**view)  # type: ignore[arg-type]  # levels and margins
    except RequestError:  # this transitional spine lacks the level: look at any part of it
        phantom = draw()
    return scene_of(phantom, grid_mm=tuple(float(g) for g in grid))  # type: ignore[arg-type]


def scene_of(phantom: SpinePhantom, *, grid_mm: tuple[float, float, float]) -> Scene:
    """Bring a phantom with axes RAS to a grid, whose voxels then count as :data:`GRID_MM`."""
    volume = phantom.volume
    same = np.allclose(volume.spacing_mm, grid_mm, rtol=1e-3)
    resampled = volume if same else volume.resampled(grid_mm)
    centres = [one.centre_mm for one in phantom.vertebrae if one.centre_in_view]
    codes = np.where(phantom.bodies, phantom.labels, 0).astype(np.uint8)

    def mapped(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if same:
            return array
        drawn = Volume(voxels=array.astype(np.float32), affine=volume.affine)
        return np.rint(drawn.resampled(grid_mm, order=0).voxels).astype(np.uint8)

    return Scene(
        hu=resampled.voxels,
        classes=mapped(classes_of(phantom)),
        codes=mapped(codes),
        centres=resampled.voxel(np.asarray(centres, float).reshape(-1, 3)),
    )


def _sample_view(rng: np.random.Generator) -> dict[str, object]:
    """Choose a field of view: any part, the usual examinations, or a part with head or thighs."""
    view: Callable[[], dict[str, object]] = (
        dict,
        lambda: _levels("T1", "T12", rng, (-10, 60), (-10, 70)),  # thorax
        lambda: _levels("T11", "L5", rng, (40, 190), (-10, 60)),  # abdomen and pelvis
        lambda: _levels("C6", "L5", rng, (60, 250), (0, 60)),  # trunk
        lambda: _levels("C1", "T3", rng, (0, 80), (10, 190)),  # neck with head
        lambda: _levels("C1", "L5", rng, (80, 300), (20, 200)),  # whole
        lambda: _slab(rng),
    )[int(rng.choice(7, p=(0.22, 0.12, 0.18, 0.12, 0.18, 0.08, 0.1)))]
    return view()


def _levels(
    first: str,
    last: str,
    rng: np.random.Generator,
    below: tuple[float, float],
    above: tuple[float, float],
) -> dict[str, object]:
    start = int(np.clip(_BACK.index(first) + rng.integers(-2, 3), 0, len(_BACK) - 2))
    end = int(np.clip(_BACK.index(last) + rng.integers(-2, 3), start + 1, len(_BACK) - 2))
    margins = float(rng.uniform(*below)), float(rng.uniform(*above))
    return {"levels": (_BACK[start], _BACK[end]), "margins_mm": margins}


def _slab(rng: np.random.Generator) -> dict[str, object]:
    """Choose a few vertebrae, cut anywhere."""
    start = int(rng.integers(len(_BACK) - 5))
    margins = float(rng.uniform(-14, 12)), float(rng.uniform(-14, 12))
    return {"levels": (_BACK[start], _BACK[start + int(rng.integers(1, 4))]), "margins_mm": margins}
