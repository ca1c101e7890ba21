"""NIfTI files: orientation by the standard's rules, scaling, and everything that is no CT."""

from __future__ import annotations

import gzip

import nibabel as nib
import numpy as np
import pytest

from engine.errors import TooLargeError, VolumeError
from engine.imaging.volume_files import VolumeLimits, read_volume
from engine.imaging.volume_files.results import Watch
from tests.engine.imaging.volume_files.ct_files import (
    ALL_TURNS,
    CUBES,
    PERSON,
    cube_centres,
    nifti,
    phantom,
    turned,
)


def as_bytes(voxels=None, affine=None, **more) -> bytes:
    usual = phantom()
    voxels = usual[0] if voxels is None else voxels
    return nifti(voxels, usual[1] if affine is None else affine, **more).to_bytes()


@pytest.mark.parametrize(("order", "signs"), ALL_TURNS)
def test_all_48_axis_orders_give_the_same_millimetres(order, signs) -> None:
    """The same phantom in every axis order and flip has its cubes at the same world places."""
    found = read_volume(as_bytes(*turned(order, signs)))
    assert cube_centres(found.volume) == CUBES
    assert found.warnings == ()
    assert found.kind == "nifti"


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<i4", "<f4", ">f8"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_types_byte_orders_and_gzip_read_alike(kind, dtype, pack) -> None:
    """NIfTI-1 and -2, whole and float numbers, both byte orders, packed or not: same voxels."""
    voxels, affine = phantom()
    image = nifti(voxels.astype(dtype), affine, kind=kind)
    image.header.set_data_dtype(dtype)
    found = read_volume(pack(image.to_bytes()))
    assert found.volume.voxels.dtype == np.float32
    np.testing.assert_array_equal(voxels, found.volume.voxels)
    np.testing.assert_allclose(affine, found.volume.affine)


def test_an_oblique_volume_agrees_with_nibabel(tmp_path) -> None:
    """A file turned by 20° about two axes maps voxels as nibabel's affine does."""
    a, b = np.radians(20), np.radians(-15)
    turn = np.eye(4)
    turn[:3, :3] = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    turn[:3, :3] = turn[:3, :3] @ [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    path = tmp_path / "oblique.nii.gz"
    nib.save(nifti(phantom()[0], turn @ phantom()[1]), path)
    found = read_volume(path)
    np.testing.assert_allclose(nib.load(path).affine, found.volume.affine)
    assert found.warnings == ()


def test_slope_and_intercept_are_applied() -> None:
    """Stored numbers are scaled as the header says; a slope of 0 or NaN means no scaling."""
    voxels, affine = phantom()
    image = nifti(((voxels + 1024) // 2).astype(np.int16), affine)
    data = bytearray(image.to_bytes())
    for slope, intercept, factor in ((2.0, -1024.0, 2), (0.0, -1024.0, None), (np.nan, 7.0, None)):
        data[112:120] = np.array([slope, intercept], "<f4").tobytes()
        if factor is None:
            with pytest.raises(VolumeError, match="intercept was lost"):
                read_volume(bytes(data))
        else:
            found = read_volume(bytes(data)).volume.voxels
            np.testing.assert_array_equal((voxels + 1024) // 2 * 2 - 1024, found)


def test_the_sform_counts_before_the_qform_and_disagreement_is_told() -> None:
    """Two orientations in one file: the sform wins, with a warning."""
    voxels, affine = phantom()
    image = nifti(voxels, affine)
    image.set_qform(affine @ np.diag([-1, 1, 1, 1]), 1)
    found = read_volume(image.to_bytes())
    np.testing.assert_allclose(affine, found.volume.affine)
    assert "sform counts" in found.warnings[0]


def test_the_qform_counts_when_the_sform_has_no_code() -> None:
    """With sform_code 0 the quaternion is used, as nibabel uses it."""
    voxels, affine = turned((1, 0, 2), (1, -1, -1))
    image = nifti(voxels, affine, codes=(0, 1))
    found = read_volume(image.to_bytes())
    assert cube_centres(found.volume) == CUBES
    assert found.warnings == ()


def test_a_damaged_sform_falls_back_to_the_qform() -> None:
    """An sform of zeros cannot be inverted; the qform is used and told. Both damaged: refused."""
    data = bytearray(as_bytes())
    data[280:328] = bytes(48)
    found = read_volume(bytes(data))
    assert cube_centres(found.volume) == CUBES
    assert "its qform is used" in found.warnings[0]
    data[256:268] = np.full(3, 9, "<f4").tobytes()
    with pytest.raises(VolumeError, match="sform and qform are damaged"):
        read_volume(bytes(data))


def test_no_orientation_is_told() -> None:
    """With both codes 0 the sides are a guess, and the warning says which one."""
    found = read_volume(as_bytes(codes=(0, 0)))
    assert found.volume.axis_codes == ("R", "A", "S")
    assert "states no orientation" in found.warnings[0]


def test_units_other_than_millimetres_are_converted() -> None:
    """An affine in metres becomes millimetres; a nonsensical spacing is refused."""
    voxels, affine = phantom()
    metres = affine.copy()
    metres[:3] /= 1000
    image = nifti(voxels, metres)
    image.header.set_xyzt_units("meter")
    np.testing.assert_allclose(affine, read_volume(image.to_bytes()).volume.affine, rtol=1e-5)
    with pytest.raises(VolumeError, match=r"got 0.002 × 0.002 × 0.002 mm"):
        read_volume(as_bytes(voxels, metres))


def test_of_four_dimensions_the_first_volume_is_read_and_told() -> None:
    """A time series gives its first volume; a fourth side of 1 is no time series."""
    voxels, affine = phantom()
    found = read_volume(as_bytes(np.stack([voxels, voxels // 2], axis=-1), affine))
    np.testing.assert_array_equal(voxels, found.volume.voxels)
    assert "holds 2 volumes; only the first" in found.warnings[0]
    assert read_volume(as_bytes(voxels[..., None], affine)).warnings == ()


def test_sheared_axes_are_straightened_and_told() -> None:
    """A tilted scan that was stored with a sheared sform comes out at right angles."""
    voxels, affine = phantom()
    sheared = affine.copy()
    sheared[1, 2] = 2 * np.tan(np.radians(15))
    image = nifti(voxels, affine, codes=(0, 0))
    image.set_sform(sheared, 1)
    found = read_volume(image.to_bytes())
    assert not found.volume.is_sheared
    assert "right angles" in found.warnings[-1]


@pytest.mark.parametrize(
    ("voxels", "words"),
    [
        (np.zeros((20, 20), np.int16), "one picture"),
        (np.zeros((20, 20, 1), np.int16), "20×20×1, which is one picture"),
        (np.zeros((4, 4, 4, 1, 3), np.int16), "one number for each voxel"),
        (np.zeros((4, 4, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")]), "colours"),
        (np.zeros((4, 4, 4), np.complex64), "complex"),
        (np.zeros((4, 4, 4), np.int16), "all voxels are 0"),
        (phantom()[0].clip(0) // 300, "label map"),
        (np.arange(64, dtype=np.uint8).reshape(4, 4, 4) * 4, "8-bit"),
        (np.linspace(-3, 3, 64, dtype=np.float32).reshape(4, 4, 4), "normalised"),
        (phantom()[0] + 1024, "minus 1024"),
        (np.linspace(-40, 900, 64, dtype=np.float32).reshape(4, 4, 4), "without air or fat"),
        (np.full((4, 4, 4), np.nan, np.float32), "not numbers"),
    ],
)
def test_what_is_no_ct_in_hounsfield_units_is_refused(voxels, words) -> None:
    """Pictures, colours, labels, MR, normalised and shifted numbers are told, never guessed."""
    with pytest.raises(VolumeError, match=words):
        read_volume(nifti(voxels, phantom()[1]).to_bytes())


def test_padding_and_missing_numbers_become_outside_and_are_told() -> None:
    """NaN, infinity and -2000 mean "not scanned": -1024 HU, with their counts."""
    voxels, affine = phantom()
    voxels = voxels.astype(np.float32)
    voxels[0, 0, :2], voxels[1, 0, 0], voxels[2, 0, :3] = np.nan, np.inf, -2000
    found = read_volume(as_bytes(voxels, affine))
    assert found.volume.voxels[0, 0, 0] == -1024
    assert np.isfinite(found.volume.voxels).all()
    assert [warning.split()[0] for warning in found.warnings] == ["3", "3"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_that_was_cut_off_is_refused_wherever_it_ends(pack) -> None:
    """In the header or in the voxels, packed or not: one sentence, no traceback."""
    data = pack(as_bytes())
    for length in (len(data) // 10, len(data) // 2, len(data) - 20, len(data) - 1):
        with pytest.raises(VolumeError, match=r"cut off|no format that we know|gzip file without"):
            read_volume(data[:length])


@pytest.mark.parametrize(
    ("at", "value"), [(40, 9), (42, -5), (70, 9999), (108, 1e30), (108, 100.0)]
)
def test_a_damaged_header_is_refused(at, value) -> None:
    """Wrong numbers of sides, types or offsets never end in another error."""
    data = bytearray(as_bytes())
    kind = "<f4" if at == 108 else "<i2"
    data[at : at + np.dtype(kind).itemsize] = np.array([value], kind).tobytes()
    with pytest.raises(VolumeError, match="damaged"):
        read_volume(bytes(data))


def test_a_header_that_promises_too_much_is_refused_before_reading() -> None:
    """32767³ voxels in a file of a kilobyte: neither memory nor time is spent."""
    data = bytearray(as_bytes())
    data[42:48] = np.array([32767] * 3, "<i2").tobytes()
    with pytest.raises(TooLargeError, match="32767×32767×32767"):
        read_volume(gzip.compress(bytes(data)))
    with pytest.raises(TooLargeError, match="at most 0 million"):
        read_volume(as_bytes(), limits=VolumeLimits(max_voxels=5000))


def test_the_forecast_comes_before_the_voxels_and_covers_them() -> None:
    """The listener hears shape and need, and may refuse; then nothing is read."""
    heard = []
    read_volume(as_bytes(), watch=Watch(before_reading=heard.append))
    assert heard[0].shape == (24, 20, 16)
    assert heard[0].need_mb > 24 * 20 * 16 * 4 / 1e6

    def refuse(_forecast) -> None:
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        read_volume(as_bytes(), watch=Watch(before_reading=refuse))


def test_free_text_of_the_header_is_dropped_and_named() -> None:
    """Description, auxiliary file and extensions may name a person; only their names are told."""
    image = nifti(*phantom())
    image.header["descrip"] = PERSON
    image.header["aux_file"] = PERSON
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", PERSON.encode()))
    found = read_volume(image.to_bytes())
    assert found.removed == (
        "NIfTI header: Description",
        "NIfTI header: Auxiliary file",
        "NIfTI header: Header extensions",
    )
    assert PERSON not in repr(found)
    np.testing.assert_array_equal(phantom()[0], found.volume.voxels)


@pytest.mark.shared_data
def test_real_cts_read_and_real_mrs_do_not(shared_data) -> None:
    """CTs of three sources come out as nibabel reads them; MR and label maps are told."""
    for name in (
        "ct/totalseg_example/images/ct.nii.gz",
        "ct/totalseg_example/crop/crop_ct.nii.gz",
        "ct/tptbox_L3/images/sub-ct_label-22_ct.nii.gz",
    ):
        found = read_volume(shared_data / name)
        image = nib.load(shared_data / name)
        assert found.warnings == ()
        np.testing.assert_array_equal(image.get_fdata(dtype=np.float32), found.volume.voxels)
        np.testing.assert_allclose(image.affine, found.volume.affine)
    for path in sorted((shared_data / "volumes").glob("*/*/*.nii.gz")):
        with pytest.raises(VolumeError, match="Expected a CT in Hounsfield units"):
            read_volume(path)
