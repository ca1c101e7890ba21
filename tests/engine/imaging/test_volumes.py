"""Volumes: where voxels are in the patient, cutting, turning, resampling."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from engine.errors import VolumeError
from engine.imaging.volumes import Volume
from tests.engine.imaging.volume_files.ct_files import (
    ALL_TURNS,
    CUBES,
    cube_centres,
    phantom,
    turned,
)


def volume_of(voxels, affine) -> Volume:
    return Volume(voxels=np.asarray(voxels, np.float32), affine=np.asarray(affine, np.float64))


def ramp() -> Volume:
    """Voxel (i, j, k) holds 100 i + 10 j + k, axes L, P, S with 2, 3, 4 mm."""
    i, j, k = np.indices((4, 5, 6))
    affine = np.array([[-2.0, 0, 0, 10], [0, -3, 0, 20], [0, 0, 4, 30], [0, 0, 0, 1]])
    return volume_of(100 * i + 10 * j + k, affine)


@pytest.mark.parametrize(("order", "signs"), ALL_TURNS)
def test_all_48_axis_orders_are_one_patient(order, signs) -> None:
    """However a file orders its axes, cubes lie at the same mm and the canonical voxels agree."""
    volume = volume_of(*turned(order, signs))
    assert cube_centres(volume) == CUBES
    assert volume.axis_codes == nib.aff2axcodes(volume.affine)
    straight, turn = volume.canonical()
    assert straight.axis_codes == ("R", "A", "S")
    np.testing.assert_array_equal(phantom()[0], straight.voxels)
    np.testing.assert_allclose(phantom()[1], straight.affine)
    np.testing.assert_array_equal(volume.voxels, turn.back(straight.voxels))
    np.testing.assert_allclose(
        volume.world(turn.indices_back([[3, 4, 5]])), straight.world([[3, 4, 5]])
    )


@pytest.mark.parametrize(("order", "signs"), ALL_TURNS[::5])
def test_slices_look_alike_however_they_are_stored(order, signs) -> None:
    """A viewer sees head up and the patient's right on the left, and a click finds its voxel."""
    reference, volume = volume_of(*phantom()), volume_of(*turned(order, signs))
    for plane in ("axial", "coronal", "sagittal"):
        axis = volume.plane_axis(plane)
        own = reference.slice(plane, 9)
        place = reference.world([own.voxel(0, 0)])[0]
        index = round(volume.voxel([place])[0][axis])
        seen = volume.slice(plane, index)
        np.testing.assert_array_equal(own.pixels, seen.pixels)
        np.testing.assert_allclose(
            volume.world([seen.voxel(2, 3)]), reference.world([own.voxel(2, 3)])
        )
        assert seen.pixel(seen.voxel(2, 3)) == (2, 3)


def test_an_axial_slice_has_right_on_the_left_and_front_on_top() -> None:
    """In a RAS volume, the first column is the highest i, the first row the highest j."""
    i, j, k = np.indices((3, 4, 5))
    volume = volume_of(100 * i + 10 * j + k, np.diag([1.0, 2.0, 3.0, 1.0]))
    seen = volume.slice("axial", 4)
    assert seen.pixels[0].tolist() == [234, 134, 34]
    assert seen.spacing_mm == (2.0, 1.0)
    assert volume.slice("sagittal", 1).pixels[0].tolist() == [134, 124, 114, 104]
    with pytest.raises(VolumeError, match="axial slice from 0 to 4, but got 5"):
        volume.slice("axial", 5)


def test_world_and_voxel_undo_each_other() -> None:
    """Hand arithmetic: voxel (1, 1, 1) of the ramp lies at (8, 17, 34) mm."""
    volume = ramp()
    assert volume.world([[1, 1, 1]]).tolist() == [[8.0, 17.0, 34.0]]
    assert volume.voxel([[8.0, 17.0, 34.0]]).tolist() == [[1.0, 1.0, 1.0]]
    assert volume.spacing_mm == (2.0, 3.0, 4.0)
    assert volume.axis_codes == ("L", "P", "S")


def test_a_crop_keeps_its_place() -> None:
    """The first voxel of a crop lies where it lay in the whole; boxes outside are refused."""
    volume = ramp()
    part = volume.cropped(((1, 3), (2, 5), (0, 6)))
    assert part.shape == (2, 3, 6)
    assert part.voxels[0, 0, 0] == 120
    np.testing.assert_allclose(volume.world([[1, 2, 0]]), part.world([[0, 0, 0]]))
    for box in (((0, 5), (0, 1), (0, 1)), ((2, 2), (0, 1), (0, 1)), ((-1, 2), (0, 1), (0, 1))):
        with pytest.raises(VolumeError, match="Expected a box inside"):
            volume.cropped(box)


@pytest.mark.parametrize("order", [0, 1, 3])
@pytest.mark.parametrize("spacing", [4.0, 3.0, (1.0, 2.0, 5.0)])
def test_resampling_keeps_the_place_of_structures(order, spacing) -> None:
    """A ball's centre of mass stays within a tenth of the new voxel, at any spacing.

    The nearest voxel may lie half an old voxel (1 mm) away.
    """
    grid = np.indices((30, 32, 34))
    ball = ((grid - np.array([14, 17, 15])[:, None, None, None]) ** 2).sum(axis=0) < 81
    affine = np.array([[-2.0, 0, 0, 10], [0, 0, 2, 20], [0, 2, 0, 30], [0, 0, 0, 1]])
    volume = volume_of(1000.0 * ball, affine)
    smaller = volume.resampled(spacing, order=order)

    def middle(what):
        weights = np.clip(what.voxels, 0, 1000).ravel()
        places = what.world(np.indices(what.shape).reshape(3, -1).T)
        return weights @ places / weights.sum()

    assert np.allclose(np.broadcast_to(spacing, 3), smaller.spacing_mm)
    tolerance_mm = 0.1 * np.max(spacing) if order else 1.001
    assert np.abs(middle(volume) - middle(smaller)).max() < tolerance_mm
    assert smaller.axis_codes == volume.axis_codes


def test_shrinking_averages_and_never_invents() -> None:
    """Thin stripes shrink to their mean, and values stay within the old range."""
    stripes = np.zeros((40, 40, 40))
    stripes[::2] = 1000
    small = volume_of(stripes, np.eye(4)).resampled(4.0)
    assert abs(small.voxels[2:-2].mean() - 500) < 1
    assert small.voxels[2:-2].std() < 1
    assert volume_of(stripes, np.eye(4)).resampled(1.0).voxels.tolist() == stripes.tolist()


def test_linear_resampling_of_a_ramp_is_exact() -> None:
    """Twice as many voxels of a ramp lie on the same line (inside, away from the border)."""
    fine = volume_of(
        np.broadcast_to(np.arange(8.0)[:, None, None], (8, 3, 3)), np.eye(4)
    ).resampled((0.5, 1, 1))
    np.testing.assert_allclose(np.arange(16)[1:-1] / 2 - 0.25, fine.voxels[1:-1, 1, 1], atol=1e-6)


def test_a_sheared_volume_is_straightened_in_place() -> None:
    """Undoing a tilt of 20° leaves a ball where it was, and nothing is cut off."""
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[1, 2] = 2 * np.tan(np.radians(20))
    grid = (
        np.stack(np.meshgrid(*map(np.arange, (40, 40, 20)), indexing="ij"), -1) @ affine[:3, :3].T
    )
    ball = np.where(np.linalg.norm(grid - [20, 25, 20], axis=-1) < 8, 100.0, -1000.0)
    volume = volume_of(ball, affine)
    straight = volume.straightened()
    assert volume.is_sheared
    assert not straight.is_sheared
    centre = straight.world(np.argwhere(straight.voxels > -450)).mean(axis=0)
    assert np.abs(centre - [20, 25, 20]).max() < 0.3
    assert straight.shape[1] > 40
    assert straight.straightened() is straight


@pytest.mark.parametrize(
    ("voxels", "affine", "words"),
    [
        (np.zeros((2, 2), np.float32), np.eye(4), r"voxels \(I, J, K\)"),
        (np.zeros((2, 2, 2)), np.eye(4), "of float64"),
        (np.zeros((0, 2, 2), np.float32), np.eye(4), r"\(0, 2, 2\)"),
        (np.zeros((2, 2, 2), np.float32), np.eye(3), "affine"),
        (np.zeros((2, 2, 2), np.float32), np.full((4, 4), np.nan), "finite"),
        (np.zeros((2, 2, 2), np.float32), np.diag([1.0, 0, 1, 1]), "inverted"),
    ],
)
def test_what_is_no_volume_is_refused(voxels, affine, words) -> None:
    """Voxels without three sides or without a place are refused with both shapes."""
    with pytest.raises(VolumeError, match=words):
        Volume(voxels=voxels, affine=affine)
