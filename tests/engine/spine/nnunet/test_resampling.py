"""To the network's grid and back: bit for bit what TotalSegmentator does."""

from __future__ import annotations

import warnings

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from engine.errors import VolumeError
from engine.imaging.volumes import Volume
from engine.spine.nnunet.resampling import grid_change, nearest_indices, to_grid

SPACINGS = [
    (0.7, 0.8, 2.5),
    (1.17, 1.5, 0.9),
    (3.0, 3.0, 3.0),
    (3.0, 3.0, 1.0),
    (2.9999, 3.0001, 5.0),
    (0.9765625, 0.9765625, 1.25),
]


def ct_of(spacing_mm: tuple[float, float, float]) -> Volume:
    """Noise of whole CT numbers with a frame of air, oblique to the patient."""
    random = np.random.default_rng(0)
    voxels = np.round(random.normal(0, 300, (40, 37, 30))).astype(np.float32)
    voxels[:8] = -1024
    turn = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing_mm
    affine[:3, 3] = (-30, 20, 5)
    return Volume(voxels=voxels, affine=affine)


@pytest.mark.parametrize("spacing", SPACINGS, ids=str)
def test_the_ct_is_resampled_as_totalsegmentator_does(spacing: tuple[float, float, float]) -> None:
    """Shape and every CT number are the same, rounding included."""
    peer = pytest.importorskip("totalsegmentator.resampling")
    ct = ct_of(spacing)
    image = nib.Nifti1Image(ct.voxels.astype(np.float64), ct.affine)
    expected = peer.change_spacing(image, [3.0] * 3, order=1, dtype=np.int32).get_fdata()
    change = grid_change(ct.shape, ct.spacing_mm, (3.0, 3.0, 3.0))
    assert np.array_equal(expected, to_grid(ct, change))


@pytest.mark.parametrize("spacing", SPACINGS, ids=str)
def test_labels_come_back_as_totalsegmentator_brings_them(
    spacing: tuple[float, float, float],
) -> None:
    """Every voxel gets the label that it gets there."""
    peer = pytest.importorskip("totalsegmentator.resampling")
    ct = ct_of(spacing)
    change = grid_change(ct.shape, ct.spacing_mm, (3.0, 3.0, 3.0))
    labels = np.random.default_rng(1).integers(0, 118, change.after, np.uint8)
    image = nib.Nifti1Image(labels, np.diag([3.0, 3.0, 3.0, 1.0]))
    expected = peer.change_spacing(image, [3.0] * 3, ct.shape, order=0, dtype=np.uint8).get_fdata()
    assert np.array_equal(expected, change.labels_back(labels))


def test_nearest_voxels_are_those_of_scipy() -> None:
    """For any two lengths the indices equal a zoom of order 0."""
    for source in (1, 2, 3, 7, 50):
        for target in (1, 2, 3, 8, 49, 131):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # scipy 1.17 on lengths of 1
                expected = ndimage.zoom(
                    np.arange(source, dtype=np.uint8), target / source, order=0, mode="nearest"
                )
            assert expected.tolist() == nearest_indices(source, target).tolist()


def test_outermost_centres_stay_in_place() -> None:
    """The new grid's affine puts its first and last voxel where the old one's were."""
    change = grid_change((60, 50, 40), (1.0, 1.0, 2.0), (3.0, 3.0, 3.0))
    affine = change.affine(np.diag([1.0, 1.0, 2.0, 1.0]))
    last = affine @ [*(side - 1 for side in change.after), 1]
    assert last[:3] == pytest.approx([59, 49, 78])


def test_a_ct_thinner_than_half_a_voxel_is_refused() -> None:
    """A single slice of 1 mm leaves nothing at 3 mm, and the sentence says so."""
    with pytest.raises(VolumeError, match="at least one voxel of 3 mm"):
        grid_change((100, 100, 1), (1.0, 1.0, 1.0), (3.0, 3.0, 3.0))
