"""From a CT to maps: any axes, spacing and tilt, large ones in tiles, always in the right place."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.imaging.volumes import Volume
from engine.spine.embedded import reading
from engine.spine.embedded.reading import coarse_of, count_tiles, read_maps
from engine.spine.embedded.targets import CLASSES, GRID_MM, normalised


def ball_in_air(
    *, axes: str = "RAS", spacing: tuple[float, float, float] = (2.0, 2.0, 3.0)
) -> tuple[Volume, NDArray[np.float64]]:
    """Return a cylinder of water with one bright ball, and the ball's centre in mm."""
    sides = np.array([60, 50, 40])
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = (-40.0, 12.0, -300.0)
    i, j, k = np.indices(tuple(sides))
    centre = np.array([35, 20, 24])
    hu = np.full(tuple(sides), -1000.0, np.float32)
    hu[((i - 30) * spacing[0]) ** 2 + ((j - 25) * spacing[1]) ** 2 < 45**2] = 40.0
    away = (np.stack([i, j, k], axis=-1) - centre) * spacing
    hu[(away**2).sum(axis=-1) < 12**2] = 700.0
    place = affine[:3, :3] @ centre + affine[:3, 3]
    order = [next(n for n, pair in enumerate(("RL", "AP", "SI")) if c in pair) for c in axes]
    turn = np.zeros((4, 4))
    turn[3, 3] = 1.0
    for new, (old, code) in enumerate(zip(order, axes, strict=True)):
        turn[old, new] = -1.0 if code in "LPI" else 1.0
        turn[old, 3] = sides[old] - 1 if code in "LPI" else 0.0
    flips = tuple(slice(None, None, -1 if code in "LPI" else 1) for code in axes)
    return Volume(voxels=hu.transpose(order)[flips], affine=affine @ turn), place


class Bright:
    """A network whose heat is where the CT is bright, and whose level is the first index."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, batch: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """Answer a batch."""
        self.shapes.append(batch.shape)
        shape = batch.shape[2:]
        heat = np.clip((batch - 0.2) / 0.8, 0, 1)
        classes = np.zeros((1, len(CLASSES), *shape), np.float32)
        classes[:, 0] = 1.0
        region = np.full((1, 3, *shape), 1 / 3, np.float32)
        return {"heat": heat, "classes": classes, "region": region, "level": batch.copy()}


def place_of(maps: object) -> NDArray[np.float64]:
    """Return the centre of heat in mm."""
    heat = maps.heat
    index = np.argwhere(heat > 0)
    weight = heat[tuple(index.T)]
    return maps.world([(index * weight[:, None]).sum(axis=0) / weight.sum()])[0]


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR", "SAL", "ILA"])
def test_a_bright_ball_stays_where_it_is(axes: str) -> None:
    """Whatever the order of the axes, the maps show the ball at its place in mm."""
    volume, place = ball_in_air(axes=axes)
    maps = read_maps(coarse_of(volume), Bright())
    assert place_of(maps) == pytest.approx(place, abs=0.8)


@pytest.mark.parametrize("change", ["none", "flipped", "shifted"])
def test_a_changed_look_comes_back_in_place(change: reading.Change) -> None:
    """Flipped or shifted, the answer comes back at the same place."""
    volume, place = ball_in_air()
    maps = read_maps(coarse_of(volume), Bright(), change=change)
    assert place_of(maps) == pytest.approx(place, abs=0.8)


def test_flipped_shows_the_other_side() -> None:
    """The network is really shown left and right exchanged."""
    coarse = coarse_of(ball_in_air()[0])
    shown = []

    def spy(batch: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        shown.append(batch[0, 0])
        return Bright()(batch)

    read_maps(coarse, spy, change="flipped")
    own = tuple(slice(0, n) for n in coarse.hu.shape)
    assert np.array_equal(shown[0][own], normalised(coarse.hu)[::-1])


def test_air_around_the_body_is_cut_off() -> None:
    """The grid keeps the body and a margin, not the whole field of view."""
    sides = (100, 100, 12)
    hu = np.full(sides, -1000.0, np.float32)
    hu[40:60, 45:60, :] = 30.0
    volume = Volume(voxels=hu, affine=np.diag([4.0, 4.0, 4.0, 1.0]))
    assert coarse_of(volume).hu.shape == (28, 23, 12)


def test_an_empty_ct_is_kept_whole() -> None:
    """Where there is no body, nothing is cut and nothing fails."""
    volume = Volume(voxels=np.full((20, 20, 20), -1000.0, np.float32), affine=np.eye(4))
    assert coarse_of(volume).hu.shape == (5, 5, 5)


def test_one_slice_is_enough() -> None:
    """A CT of a single thick slice goes through."""
    volume = Volume(
        voxels=np.full((60, 60, 1), 40.0, np.float32), affine=np.diag([3.0, 3.0, 5.0, 1.0])
    )
    for change in ("none", "flipped", "shifted"):
        maps = read_maps(coarse_of(volume), Bright(), change=change)
        assert np.isfinite(maps.heat).all()


def test_the_network_sees_multiples_of_sixteen_filled_with_air() -> None:
    """Sides are padded behind each axis with what air is to the network."""
    coarse = coarse_of(ball_in_air()[0])
    network = Bright()
    read_maps(coarse, network)
    assert all(side % 16 == 0 for side in network.shapes[0][2:])


def test_tiles_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CT too large for one run is read in overlapping tiles, with the same answer."""
    random = np.random.default_rng(0)
    hu = random.normal(40, 100, (48, 40, 150)).astype(np.float32)
    volume = Volume(voxels=hu, affine=np.diag([4.0, 4.0, 4.0, 1.0]))
    coarse = coarse_of(volume)
    whole = read_maps(coarse, Bright())
    monkeypatch.setattr(reading, "TILE_VOXELS", 48 * 48 * 64)
    network = Bright()
    seen: list[tuple[int, int]] = []
    tiled = read_maps(coarse, network, on_tile=lambda done, of: seen.append((done, of)))
    assert len(network.shapes) == count_tiles(coarse) == len(seen) > 2
    assert max(int(np.prod(shape[2:])) for shape in network.shapes) <= 48 * 48 * 64
    assert seen[-1][0] == seen[-1][1]
    assert np.allclose(whole.heat, tiled.heat, atol=1e-5)
    assert np.allclose(whole.level, tiled.level, atol=1e-5)


def test_cancelling_between_tiles_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the listener raises after a tile reaches the caller, and no further tile is run."""
    monkeypatch.setattr(reading, "TILE_VOXELS", 48 * 48 * 64)
    hu = np.full((48, 40, 150), 40.0, np.float32)
    coarse = coarse_of(Volume(voxels=hu, affine=np.diag([4.0, 4.0, 4.0, 1.0])))
    network = Bright()

    def stop(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_maps(coarse, network, on_tile=stop)
    assert len(network.shapes) == 1


def test_a_tilted_gantry_is_straightened() -> None:
    """In a sheared volume the ball is found where it is in the patient."""
    volume, place = ball_in_air()
    tilt = np.eye(4)
    tilt[1, 2] = 0.5  # each slice lies half a voxel further forward in its own indices
    affine = volume.affine.copy()
    affine[1, 2] = 1.0
    sheared = np.empty_like(volume.voxels)
    for k in range(volume.shape[2]):
        # the same patient, sampled on slices that start k mm further forward
        shift = k * 1.0 / volume.spacing_mm[1]
        at = np.arange(volume.shape[1]) + shift
        below = np.clip(np.floor(at).astype(int), 0, volume.shape[1] - 1)
        sheared[:, :, k] = volume.voxels[:, below, k]
    maps = read_maps(coarse_of(Volume(voxels=sheared, affine=affine)), Bright())
    assert place_of(maps) == pytest.approx(place, abs=1.6)


def test_a_very_oblique_ct_is_turned_to_the_patient() -> None:
    """Axes 25° off the patient's are resampled along them."""
    volume, _ = ball_in_air()
    angle = np.deg2rad(25.0)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    oblique = Volume(voxels=volume.voxels, affine=turn @ volume.affine)
    coarse = coarse_of(oblique)
    unit = coarse.affine[:3, :3] / GRID_MM
    assert np.allclose(unit, np.eye(3))
    place = oblique.world([(35, 20, 24)])[0]
    assert place_of(read_maps(coarse, Bright())) == pytest.approx(place, abs=1.0)


def test_a_slightly_oblique_ct_is_left_as_it_is() -> None:
    """Axes 5° off stay: the network learnt from patients that lie askew."""
    volume, _ = ball_in_air()
    angle = np.deg2rad(5.0)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    oblique = Volume(voxels=volume.voxels, affine=turn @ volume.affine)
    place = oblique.world([(35, 20, 24)])[0]
    assert place_of(read_maps(coarse_of(oblique), Bright())) == pytest.approx(place, abs=0.8)
