"""What the network should say is exact by construction."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import RequestError
from engine.spine.embedded.targets import (
    CLASSES,
    GRID_MM,
    LEVELS,
    REGIONS,
    SIGMA_MM,
    Targets,
    heat_of,
    normalised,
    targets_of,
)
from engine.spine.phantoms import LABEL_CODES, SpinePhantom, spine_phantom


@pytest.fixture(scope="module")
def phantom() -> SpinePhantom:
    """Return a drawn patient from T9 to the pelvis, on the grid."""
    rng = np.random.default_rng(5)
    return spine_phantom(rng, levels=("T9", "L5"), spacing_mm=GRID_MM, margins_mm=(60.0, 20.0))


@pytest.fixture(scope="module")
def targets(phantom: SpinePhantom) -> Targets:
    """Return what the network should say about it."""
    return targets_of(phantom)


def test_heat_is_a_ball_around_each_centre(phantom: SpinePhantom, targets: Targets) -> None:
    """At every voxel the heat is that of the nearest centre in view, by the Gaussian's formula."""
    centres = np.array([one.centre_mm for one in phantom.vertebrae if one.centre_in_view])
    index = np.random.default_rng(0).integers(0, phantom.volume.shape, (200, 3))
    index = np.concatenate([index, np.rint(phantom.volume.voxel(centres)).astype(int)])
    place = phantom.volume.world(index)
    nearest = np.linalg.norm(place[:, None] - centres[None], axis=2).min(axis=1)
    wanted = np.exp(-0.5 * (nearest / SIGMA_MM) ** 2)
    np.testing.assert_allclose(targets.heat[tuple(index.T)], wanted, atol=1e-5)


def test_every_vertebra_of_the_truth_has_its_level(phantom: SpinePhantom, targets: Targets) -> None:
    """Inside a body stand its own level and region, and nothing outside of bodies."""
    for one in phantom.vertebrae:
        body = phantom.bodies & (phantom.labels == one.code)
        assert set(targets.levels[body].tolist()) <= {LEVELS[one.label]}
        assert set(targets.regions[body].tolist()) <= {REGIONS.index(one.label[0])}
    outside = ~phantom.bodies
    assert np.isnan(targets.levels[outside]).all()
    assert (targets.regions[outside] == 255).all()


def test_classes_follow_the_maps_of_the_drawing(phantom: SpinePhantom, targets: Targets) -> None:
    """Body and arch make up the vertebrae; ribs and sacrum lie where they were drawn."""
    vertebra = np.isin(phantom.labels, list(LABEL_CODES.values()))
    named = {name: targets.classes == n for n, name in enumerate(CLASSES)}
    np.testing.assert_array_equal(named["body"] | named["arch"], vertebra)
    np.testing.assert_array_equal(named["body"], vertebra & phantom.bodies)
    np.testing.assert_array_equal(named["sacrum"], phantom.sacrum & ~vertebra & ~named["disc"])
    for name in ("rib", "pelvis", "disc"):
        assert named[name].any()
    assert not named["skull"].any()


def test_maps_are_what_a_perfect_network_answers(targets: Targets) -> None:
    """Probabilities sum to one, and the likeliest is the truth."""
    maps = targets.maps()
    shape = targets.volume.shape
    assert maps["heat"].shape == (1, *shape)
    assert maps["level"].shape == (1, *shape)
    for name, count in (("classes", len(CLASSES)), ("region", len(REGIONS))):
        assert maps[name].shape == (count, *shape)
        np.testing.assert_allclose(maps[name].sum(axis=0), 1.0, atol=1e-6)
    np.testing.assert_array_equal(maps["classes"].argmax(axis=0), targets.classes)
    bodies = targets.regions < len(REGIONS)
    np.testing.assert_array_equal(maps["region"].argmax(axis=0)[bodies], targets.regions[bodies])
    assert all(value.dtype == np.float32 for value in maps.values())


def test_no_centre_makes_no_heat() -> None:
    """A volume without vertebrae has a map of zeros."""
    assert not heat_of((3, 4, 5), np.zeros((0, 3))).any()


def test_levels_rise_down_the_spine() -> None:
    """C1 is 0, T1 7, T12 18, L5 23; T13 lies between its neighbours."""
    assert (LEVELS["C1"], LEVELS["T1"], LEVELS["T12"], LEVELS["L5"]) == (0, 7, 18, 23)
    assert LEVELS["T12"] < LEVELS["T13"] < LEVELS["L1"]
    assert set(LEVELS) == set(LABEL_CODES)


def test_normalised_keeps_the_order_of_ct_numbers() -> None:
    """It never falls, is clipped at both ends, and gives half its range to soft tissue and bone."""
    values = normalised(np.linspace(-3000, 4000, 701))
    assert values.dtype == np.float32
    assert (np.diff(values) >= 0).all()
    assert (values.min(), values.max()) == (-1.0, 1.0)
    assert normalised(300) - normalised(-200) == pytest.approx(1.0)


@pytest.mark.parametrize(("spacing", "codes"), [(3.0, "RAS"), (GRID_MM, "LPS")])
def test_another_grid_is_refused(spacing: float, codes: str) -> None:
    """The message says which grid is needed."""
    phantom = spine_phantom(
        np.random.default_rng(1), levels=("L3", "L4"), spacing_mm=spacing, axis_codes=codes
    )
    with pytest.raises(RequestError, match="grid of 4 mm with axes RAS"):
        targets_of(phantom)
