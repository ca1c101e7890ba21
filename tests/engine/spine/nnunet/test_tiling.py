"""Where tiles lie and how much their voxels count: equal to nnU-Net's own, and complete."""

from __future__ import annotations

import numpy as np
import pytest

from engine.spine.nnunet.tiling import TileGrid, centre_weights, padding, tile_starts


@pytest.mark.parametrize("step", [0.5, 0.8, 1.0])
def test_tiles_lie_where_nnunet_lays_them(step: float) -> None:
    """Starts equal those of nnunetv2 for every length of an axis up to three tiles."""
    peer = pytest.importorskip("nnunetv2.inference.sliding_window_prediction")
    for side in range(32, 97):
        (expected,) = peer.compute_steps_for_sliding_window((side,), (32,), step)
        assert tuple(expected) == tile_starts(side, 32, step)


@pytest.mark.parametrize("tile", [(16, 16, 16), (32, 24, 40)])
def test_weights_are_those_of_nnunet(tile: tuple[int, int, int]) -> None:
    """The weight of each voxel equals nnunetv2's, rounding to half precision included."""
    torch = pytest.importorskip("torch")
    peer = pytest.importorskip("nnunetv2.inference.sliding_window_prediction")
    expected = peer.compute_gaussian(
        tile, sigma_scale=1 / 8, value_scaling_factor=10, device=torch.device("cpu")
    )
    assert np.array_equal(expected.numpy().astype(np.float32), centre_weights(tile))


def test_weights_are_highest_in_the_middle_and_nowhere_nothing() -> None:
    """The middle voxel counts 10, the corners more than 0."""
    weights = centre_weights((32, 32, 32))
    assert weights[16, 16, 16] == weights.max() == 10
    assert weights.min() > 0


@pytest.mark.parametrize("shape", [(32, 32, 32), (33, 70, 41), (100, 32, 64)])
def test_every_voxel_is_covered(shape: tuple[int, int, int]) -> None:
    """All tiles lie inside, and together they leave no voxel out."""
    covered = np.zeros(shape, int)
    grid = TileGrid(shape=shape, tile=(32, 32, 32), step=0.8)
    for _, _, tiles in grid.layers():
        for (z0, z1), (y0, y1), (x0, x1) in tiles:
            assert covered[z0:z1, y0:y1, x0:x1].shape == (32, 32, 32)
            covered[z0:z1, y0:y1, x0:x1] += 1
    assert covered.min() >= 1


def test_layers_follow_each_other() -> None:
    """Each layer ends its say where the next begins, the last one at the end."""
    layers = list(TileGrid(shape=(110, 64, 64), tile=(64, 64, 64), step=0.5).layers())
    assert [(first, end) for first, end, _ in layers] == [(0, 23), (23, 46), (46, 110)]


def test_a_small_volume_is_padded_on_both_sides() -> None:
    """An odd voxel of padding goes behind, as nnU-Net's padding puts it."""
    torch = pytest.importorskip("torch")
    peer = pytest.importorskip("acvl_utils.cropping_and_padding.padding")
    for shape in ((5, 9, 8), (8, 7, 1), (9, 9, 9)):
        _, expected = peer.pad_nd_image(torch.zeros(shape), (8, 8, 8), return_slicer=True)
        assert tuple((int(s.start), int(s.stop)) for s in expected) == padding(shape, (8, 8, 8))
