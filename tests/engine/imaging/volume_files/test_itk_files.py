"""NRRD and MHA through SimpleITK: from LPS to RAS, and no way to other files."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 – as its own documentation does

from engine.errors import TooLargeError, VolumeError
from engine.imaging.volume_files import VolumeLimits, read_volume
from tests.engine.imaging.volume_files.ct_files import (
    ALL_TURNS,
    CUBES,
    PERSON,
    cube_centres,
    phantom,
    turned,
    zipped,
)

NRRD = b"NRRD0005\ntype: short\ndimension: 3\nsizes: 4 4 4\nencoding: raw\n"
MHA = b"ObjectType = Image\nNDims = 3\nDimSize = 4 4 4\nElementType = MET_SHORT\n"


def write(path, voxels, affine, *, compress=False, **notes):
    """Write with SimpleITK, whose world is LPS."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.T))
    lps = np.diag([-1, -1, 1, 1]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    for name, value in notes.items():
        image.SetMetaData(name, value)
    sitk.WriteImage(image, str(path), compress)
    return path


@pytest.mark.parametrize("kind", ["nrrd", "mha"])
@pytest.mark.parametrize("compress", [False, True])
def test_axis_orders_give_the_same_millimetres(tmp_path, kind, compress) -> None:
    """The phantom in all 48 axis orders, written in LPS, has its cubes at the same RAS places."""
    for order, signs in ALL_TURNS:
        path = write(tmp_path / f"a.{kind}", *turned(order, signs), compress=compress)
        found = read_volume(path)
        assert cube_centres(found.volume) == CUBES
        assert found.warnings == ()
        assert found.kind == kind


@pytest.mark.parametrize("kind", ["nrrd", "mha"])
@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
def test_bytes_zip_and_types_read_alike(tmp_path, kind, dtype) -> None:
    """Bytes and entries of a ZIP go through a temporary file that does not stay."""
    voxels, affine = phantom()
    data = write(tmp_path / f"a.{kind}", voxels.astype(dtype), affine).read_bytes()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for what in (data, zipped({f"folder/ct.{kind}": data, "readme.txt": b"hello"})):
        found = read_volume(what, scratch=scratch)
        np.testing.assert_array_equal(voxels, found.volume.voxels)
    assert list(scratch.iterdir()) == []
    assert found.warnings == ("1 other files were left out.",)


@pytest.mark.parametrize("kind", ["nrrd", "mha"])
def test_damaged_and_cut_off_files_are_refused(tmp_path, kind) -> None:
    """Half of the voxels, or a header that says nothing, ends in a sentence."""
    data = write(tmp_path / f"a.{kind}", *phantom()).read_bytes()
    with pytest.raises(VolumeError, match="damaged or was cut off"):
        read_volume(data[: len(data) // 2])
    broken = (
        b"NRRD0005\ntype: short\n\n"
        if kind == "nrrd"
        else b"ObjectType = Image\nElementDataFile = LOCAL\n"
    )
    with pytest.raises(VolumeError, match=r"damaged|Expected a volume"):
        read_volume(broken)


@pytest.mark.parametrize(
    "header",
    [
        NRRD + b"data file: /etc/passwd\n\n",
        NRRD + b"datafile: x.raw\n\n",
        MHA + b"ElementDataFile = /etc/passwd\n",
        MHA + b"ElementDataFile = LIST\na\nb\n",
    ],
)
def test_headers_that_point_to_other_files_are_refused(header) -> None:
    """A header could point to any file of the server; such files are never opened."""
    with pytest.raises(VolumeError, match="points to another file"):
        read_volume(header)


def test_other_shapes_and_too_many_voxels_are_refused(tmp_path) -> None:
    """Pictures and colours are no volume; the limit holds before voxels are read."""
    flat = tmp_path / "flat.mha"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 4), np.int16)), str(flat))
    with pytest.raises(VolumeError, match="three sides"):
        read_volume(flat)
    colours = tmp_path / "colours.nrrd"
    sitk.WriteImage(
        sitk.GetImageFromArray(np.zeros((4, 4, 4, 3), np.uint8), isVector=True), str(colours)
    )
    with pytest.raises(VolumeError, match=r"one number for each voxel|three sides"):
        read_volume(colours)
    with pytest.raises(TooLargeError, match="24×20×16"):
        read_volume(write(tmp_path / "a.mha", *phantom()), limits=VolumeLimits(max_voxels=100))


def test_a_missing_orientation_is_told(tmp_path) -> None:
    """An NRRD without space and directions is read, with a warning that sides are a guess."""
    voxels = phantom()[0]
    header = NRRD.replace(b"4 4 4", b"24 20 16") + b"spacings: 2 2 2\nendian: little\n\n"
    found = read_volume(header + voxels.tobytes(order="F"))
    assert "states no orientation" in found.warnings[0]


def test_free_fields_are_dropped_and_counted(tmp_path) -> None:
    """Key and value pairs may name a person: neither names nor values are told."""
    path = write(tmp_path / "a.nrrd", *phantom(), Patient=PERSON, Other=PERSON)
    found = read_volume(path)
    assert found.removed == ("NRRD header: free fields (2)",)
    assert PERSON not in repr(found)


@pytest.mark.shared_data
def test_real_mrs_and_masks_are_told(shared_data) -> None:
    """NRRD of MR scans and masks are no CT."""
    for path in sorted((shared_data / "volumes").glob("*/*/*.nrrd")):
        with pytest.raises(VolumeError, match="Expected a CT in Hounsfield units"):
            read_volume(path)
