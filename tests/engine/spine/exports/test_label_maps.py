"""The NIfTI label map: nibabel and SimpleITK read the same codes in the same places."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray

from engine.spine.exports.label_maps import is_sheared, label_map_nifti
from engine.spine.saved import SavedDetection
from tests.engine.spine.shaped_spines import (
    CODES,
    SPINE,
    drawn_labels,
    grid_affine,
    saved_shapes,
)

SHAPE = (48, 44, 84)
TURN = np.array(  # 20° about the axis head to feet
    [[0.9396926, -0.3420201, 0.0], [0.3420201, 0.9396926, 0.0], [0.0, 0.0, 1.0]]
)


def written(saved: SavedDetection, folder: Path) -> Path:
    path = folder / "labels.nii.gz"
    path.write_bytes(label_map_nifti(saved))
    return path


@pytest.mark.parametrize(
    ("axes", "turn"), [("RAS", None), ("LPS", None), ("LAS", None), ("PSR", None), ("LPI", TURN)]
)
def test_nibabel_reads_the_uploaded_grid(tmp_path: Path, axes: str, turn: NDArray | None) -> None:
    """Axes, affine and codes are those of the upload, whatever its orientation."""
    affine = grid_affine(axes, (2.0, 2.1, 2.5), shape=SHAPE, turn=turn)
    saved = saved_shapes(tmp_path, shape=SHAPE, affine=affine)
    image = nibabel.load(written(saved, tmp_path))
    assert np.allclose(image.affine, affine, atol=1e-4)
    assert image.header.get_data_dtype() == np.uint8
    assert image.header.get_xyzt_units()[0] == "mm"
    assert np.array_equal(np.asarray(image.dataobj), drawn_labels(SPINE, SHAPE, affine))


@pytest.mark.parametrize("axes", ["RAS", "LPS", "LAS", "PSR"])
def test_simpleitk_reads_the_same_places(tmp_path: Path, axes: str) -> None:
    """ITK counts x and y the other way; each code's voxels come out at the same points."""
    affine = grid_affine(axes, (2.0, 2.1, 2.5), shape=SHAPE)
    image = SimpleITK.ReadImage(str(written(saved_shapes(tmp_path, affine=affine), tmp_path)))
    array = SimpleITK.GetArrayFromImage(image).transpose(2, 1, 0)
    assert array.dtype == np.uint8
    assert np.array_equal(array, drawn_labels(SPINE, SHAPE, affine))
    for index in ((0, 0, 0), (47, 0, 83), (10, 20, 30)):
        point = np.array(image.TransformIndexToPhysicalPoint(index)) * [-1, -1, 1]
        expected = affine[:3, :3] @ index + affine[:3, 3]
        assert np.abs(point - expected).max() < 1e-3


def test_an_oblique_grid_is_the_same_for_both(tmp_path: Path) -> None:
    """Turned axes are in the qform as well as in the sform."""
    affine = grid_affine("LPS", (2.0, 2.0, 2.5), shape=SHAPE, turn=TURN)
    path = written(saved_shapes(tmp_path, affine=affine), tmp_path)
    header = nibabel.load(path).header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 1)
    assert np.allclose(header.get_qform(), affine, atol=1e-4)
    point = SimpleITK.ReadImage(str(path)).TransformIndexToPhysicalPoint((9, 8, 7))
    expected = affine[:3, :3] @ [9, 8, 7] + affine[:3, 3]
    assert np.allclose(np.array(point) * [-1, -1, 1], expected, atol=1e-3)


def test_a_sheared_grid_is_kept(tmp_path: Path) -> None:
    """A tilted gantry stays in the sform; a qform cannot say it and is left out."""
    affine = grid_affine("RAS", (2.0, 2.0, 2.5), shape=SHAPE)
    affine[1, 2] = 0.6
    assert is_sheared(affine)
    image = nibabel.load(written(saved_shapes(tmp_path, affine=affine), tmp_path))
    assert np.allclose(image.affine, affine, atol=1e-4)
    assert int(image.header["qform_code"]) == 0


def test_names_are_inside_the_file(tmp_path: Path) -> None:
    """A header extension of plain text lists each code's name, what was found, and the verdict."""
    saved = saved_shapes(tmp_path)
    (extension,) = nibabel.load(written(saved, tmp_path)).header.extensions
    assert extension.get_code() == 6
    text = json.loads(extension.get_content())
    assert text["labels"] == {str(code): name for name, code in CODES.items()}
    assert text["found"] == ["T12", "L1", "L2", "L3", "L4"]
    assert text["verdict"] in ("trusted", "ambiguous", "wrong")


def test_names_follow_a_shift(tmp_path: Path) -> None:
    """After all names moved by one the map holds the new codes and says so."""
    saved = saved_shapes(tmp_path).renamed(1)
    image = nibabel.load(written(saved, tmp_path))
    before = drawn_labels(SPINE, SHAPE, grid_affine(shape=SHAPE))
    assert np.array_equal(np.asarray(image.dataobj) > 0, before > 0)
    assert (np.asarray(image.dataobj)[before == CODES["T12"]] == CODES["L1"]).all()
    text = json.loads(image.header.extensions[0].get_content())
    assert text["found"] == ["L1", "L2", "L3", "L4", "L5"]


def test_the_same_map_gives_the_same_bytes(tmp_path: Path) -> None:
    """No time and no file name is packed."""
    saved = saved_shapes(tmp_path)
    data = label_map_nifti(saved)
    assert data == label_map_nifti(saved)
    assert data[4:8] == bytes(4)  # the time in the archive's header, RFC 1952
    assert len(gzip.decompress(data)) > 48 * 44 * 84


def test_an_empty_map_is_a_map(tmp_path: Path) -> None:
    """Nothing found is an answer: zeros on the uploaded grid."""
    image = nibabel.load(written(saved_shapes(tmp_path, {}), tmp_path))
    assert image.shape == SHAPE
    assert not np.asarray(image.dataobj).any()
