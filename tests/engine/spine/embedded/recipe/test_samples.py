"""Patches show what scenes hold, in its place, however they are turned and varied."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from engine.spine.embedded.recipe.samples import patches_of, stream, varied
from engine.spine.embedded.recipe.scenes import Scene, draw_scene, scene_of
from engine.spine.embedded.targets import CLASSES, LEVELS, targets_of
from engine.spine.phantoms import LABEL_CODES, spine_phantom

BODY = CLASSES.index("body")


@pytest.fixture(scope="module")
def scene() -> Scene:
    """Return a lumbar spine on the grid."""
    phantom = spine_phantom(np.random.default_rng(2), levels=("T12", "L4"), spacing_mm=4.0)
    return scene_of(phantom, grid_mm=(4.0, 4.0, 4.0))


def test_a_scene_on_the_grid_is_the_phantom() -> None:
    """Drawn on the grid, a scene holds the targets' classes and levels."""
    phantom = spine_phantom(np.random.default_rng(2), levels=("T12", "L4"), spacing_mm=4.0)
    scene, targets = scene_of(phantom, grid_mm=(4.0, 4.0, 4.0)), targets_of(phantom)
    np.testing.assert_array_equal(scene.classes, targets.classes)
    level = {LABEL_CODES[name]: place for name, place in LEVELS.items()}
    bodies = scene.codes > 0
    np.testing.assert_array_equal(bodies, ~np.isnan(targets.levels))
    assert [level[int(code)] for code in scene.codes[bodies]] == targets.levels[bodies].tolist()


def test_resampling_keeps_centres_in_their_bodies() -> None:
    """On other voxels too, a body's centre lies in the body."""
    phantom = spine_phantom(
        np.random.default_rng(3), levels=("T9", "L4"), spacing_mm=(2.5, 2.5, 5.0)
    )
    scene = scene_of(phantom, grid_mm=(3.8, 4.1, 4.3))
    index = np.rint(scene.centres).astype(int)
    assert len(index) >= 8
    assert (scene.classes[tuple(index.T)] == BODY).mean() >= 0.9
    assert scene.hu.shape == scene.classes.shape == scene.codes.shape


def test_heat_lies_in_bodies_of_patches(scene: Scene) -> None:
    """Turned, mirrored or cut, a patch is hottest inside of bodies."""
    rng = np.random.default_rng(0)
    hot = [
        patch.classes[patch.heat > 0.9]
        for _ in range(3)
        for patch in patches_of(rng, scene, voxels=32 * 32 * 48)
    ]
    joined = np.concatenate(hot)
    assert joined.size > 20
    assert (joined == BODY).mean() > 0.9


def test_patches_fit_the_network(scene: Scene) -> None:
    """Sides are multiples of 16, maps agree in shape, codes stand in bodies alone."""
    for patch in patches_of(np.random.default_rng(1), scene, voxels=32 * 32 * 48):
        assert all(side % 16 == 0 for side in patch.volume.shape)
        assert patch.volume.size <= 32 * 32 * 48
        assert patch.heat.shape == patch.classes.shape == patch.codes.shape == patch.volume.shape
        assert np.isfinite(patch.volume).all()
        assert np.abs(patch.volume).max() <= 1
        np.testing.assert_array_equal(patch.codes > 0, patch.classes == BODY)


def test_the_same_seed_gives_the_same_patches() -> None:
    """A stream can begin at any patient and gives what it gave before."""
    first = list(itertools.islice(stream(4, voxels=32**3), 6))
    numbers = [number for number, _ in first]
    assert numbers == sorted(numbers)
    later = numbers[-1]
    again = next(iter(stream(4, first=later, voxels=32**3)))
    wanted = next(patch for number, patch in first if number == later)
    np.testing.assert_array_equal(again[1].volume, wanted.volume)


def test_variation_changes_values_and_leaves_the_drawing(scene: Scene) -> None:
    """CT numbers change, stay finite and keep their shape; the drawing itself is untouched."""
    before = scene.hu.copy()
    for seed in range(12):
        changed = varied(np.random.default_rng(seed), scene.hu, scene.classes)
        assert changed.shape == scene.hu.shape
        assert np.isfinite(changed).all()
    np.testing.assert_array_equal(scene.hu, before)


def test_patients_of_all_kinds_can_be_drawn() -> None:
    """Transitional spines too, whatever levels the field of view asks for."""
    for seed in range(5):
        scene = draw_scene(np.random.default_rng((5, seed)))
        assert scene.hu.dtype == np.float32
        assert scene.centres.shape[1] == 3
