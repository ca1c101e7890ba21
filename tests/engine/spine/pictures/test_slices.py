"""Slices: where each pixel lies in the patient, what it shows, and how it is turned."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import RequestError
from engine.spine.pictures import PLANES, label_slice_png, slice_png, view_geometry
from engine.spine.saved import SavedDetection
from tests.engine.spine.shaped_spines import (
    CODES,
    SPINE,
    ball,
    grid_affine,
    points_of,
    saved_shapes,
)

SHAPE = (48, 44, 84)
TILT = np.array(  # turned by 12° about the axis head to feet, then by 9° to the side
    [
        [0.97815, -0.20791, 0.0],
        [0.20791, 0.97815, 0.0],
        [0.0, 0.0, 1.0],
    ]
) @ np.array([[0.98769, 0.0, 0.15643], [0.0, 1.0, 0.0], [-0.15643, 0.0, 0.98769]])


def slope(points: NDArray) -> NDArray:
    """CT numbers that grow evenly along a direction: interpolation has to hit them exactly."""
    return 500 + points @ np.array([4.0, 3.0, 2.0])


def decoded(data: bytes) -> NDArray[np.uint8]:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture.ndim == 2
    assert picture.dtype == np.uint8
    return picture


def places(geometry: dict, index: int) -> NDArray[np.float64]:
    """RAS+ mm (rows, columns, 3) of the pixels of one slice, as the page computes them."""
    rows, columns = np.indices((geometry["height"], geometry["width"]))
    origin, right, down, following = (
        np.array(geometry[name]) for name in ("origin_mm", "right_mm", "down_mm", "next_mm")
    )
    return (
        origin + columns[..., np.newaxis] * right + rows[..., np.newaxis] * down + index * following
    )


@pytest.mark.parametrize(
    ("axes", "spacing", "turn"),
    [
        ("RAS", (2.0, 2.0, 2.0), None),
        ("LPS", (1.7, 2.1, 3.1), None),
        ("SLP", (3.0, 2.0, 1.3), None),
        ("LAI", (2.0, 2.0, 2.5), TILT),
    ],
)
@pytest.mark.parametrize("plane", PLANES)
def test_each_pixel_shows_the_place_that_the_geometry_says(
    tmp_path: Path, axes: str, spacing: tuple, turn: NDArray | None, plane: str
) -> None:
    """A CT that grows evenly is shown with the value of each pixel's own place, to one grey."""
    affine = grid_affine(axes, spacing, shape=SHAPE, turn=turn)
    saved = saved_shapes(tmp_path, shape=SHAPE, affine=affine, hu=slope)
    geometry = view_geometry(saved)[plane]
    index = geometry["count"] // 3
    picture = decoded(slice_png(saved, plane, index, "500,1531"))  # 6 HU for each grey
    expected = ((slope(places(geometry, index)) - 499.5) / 1530 + 0.5) * 255
    inside = np.s_[2:-2, 2:-2]  # the outermost half voxel is beyond the centres
    assert picture.shape == (geometry["height"], geometry["width"])
    assert np.abs(picture[inside] - np.clip(expected, 0, 255)[inside]).max() <= 1.0


@pytest.mark.parametrize(
    ("axes", "spacing", "turn"),
    [
        ("RAS", (2.0, 2.0, 2.0), None),
        ("PIR", (1.5, 2.0, 3.1), None),
        ("LAI", (2.0, 2.0, 2.5), TILT),
    ],
)
@pytest.mark.parametrize("plane", PLANES)
def test_label_slices_hold_the_code_of_the_nearest_voxel(
    tmp_path: Path, axes: str, spacing: tuple, turn: NDArray | None, plane: str
) -> None:
    """Each pixel has the code of the uploaded map's voxel nearest to its place."""
    affine = grid_affine(axes, spacing, shape=SHAPE, turn=turn)
    saved = saved_shapes(tmp_path, shape=SHAPE, affine=affine)
    geometry = view_geometry(saved)[plane]
    inverse = np.linalg.inv(affine)
    shown = 0
    for index in range(0, geometry["count"], 7):
        picture = decoded(label_slice_png(saved, plane, index))
        voxel = places(geometry, index) @ inverse[:3, :3].T + inverse[:3, 3]
        is_clear = (np.abs(voxel - np.floor(voxel) - 0.5) > 1e-3).all(axis=-1)  # not halfway
        nearest = np.clip(np.rint(voxel), 0, np.array(SHAPE) - 1).astype(int)
        expected = saved.labels_uploaded[tuple(np.moveaxis(nearest, -1, 0))]
        assert np.array_equal(picture[is_clear], expected[is_clear])
        shown += int((picture > 0).sum())
    assert shown > 500


@pytest.mark.parametrize("axes", ["RAS", "LPS", "ILA", "ARS"])
@pytest.mark.parametrize(
    ("plane", "left", "top"),
    [("coronal", "R", "H"), ("axial", "R", "A"), ("sagittal", "A", "H")],
)
def test_slices_are_turned_as_radiologists_look_at_them(
    tmp_path: Path, axes: str, plane: str, left: str, top: str
) -> None:
    """Whatever the file's axes: right, front and head lie where the display convention has them."""
    beside = {"R": (34.0, 0, 0), "A": (0, 30.0, 0), "H": (0, 0, 60.0)}
    opposite = {"R": "L", "A": "P", "H": "F"}
    shapes = {
        "L1": ball(np.array([8.0, -6.0, -68.0]) + beside[left], 6.0),
        "L2": ball(np.array([8.0, -6.0, -68.0]) + beside[top], 6.0),
    }
    sides = dict(zip("RLAPSI", (48, 48, 44, 44, 84, 84), strict=True))
    shape = tuple(sides[letter] for letter in axes)
    steps = dict(zip("RLAPSI", (2.0, 2.0, 2.0, 2.0, 2.5, 2.5), strict=True))
    affine = grid_affine(axes, [steps[letter] for letter in axes], shape=shape)
    saved = saved_shapes(tmp_path, shapes, shape=shape, affine=affine)
    geometry = view_geometry(saved)[plane]
    codes = decoded(label_slice_png(saved, plane, geometry["count"] // 2))
    rows, columns = np.nonzero(codes == CODES["L1"])
    assert columns.max() < codes.shape[1] / 2
    rows, columns = np.nonzero(codes == CODES["L2"])
    assert rows.max() < codes.shape[0] / 2
    assert geometry["edges"] == {
        "left": left,
        "right": opposite[left],
        "top": top,
        "bottom": opposite[top],
    }


def test_pixels_are_square_in_mm(tmp_path: Path) -> None:
    """Balls look round although slices are five times as thick as pixels."""
    affine = grid_affine(spacing=(1.0, 1.0, 5.0), shape=(90, 80, 40))
    saved = saved_shapes(tmp_path, shape=(90, 80, 40), affine=affine)
    geometry = view_geometry(saved)["coronal"]
    assert geometry["mm_per_pixel"] == 1.0
    assert np.linalg.norm(geometry["right_mm"]) == pytest.approx(1.0)
    assert np.linalg.norm(geometry["down_mm"]) == pytest.approx(1.0)
    assert (geometry["width"], geometry["height"]) == (90, 200)


def test_no_side_is_longer_than_1024_pixels(tmp_path: Path) -> None:
    """A long scan is shown coarser, still square, still in its place."""
    shape = (16, 16, 1500)
    affine = grid_affine(spacing=(1.0, 1.0, 1.0), shape=shape)
    saved = saved_shapes(tmp_path, {}, shape=shape, affine=affine, hu=lambda p: 10 * p[..., 0])
    geometry = view_geometry(saved)["sagittal"]
    assert geometry["height"] == 1024
    assert geometry["mm_per_pixel"] == pytest.approx(1500 / 1024)
    assert decoded(slice_png(saved, "sagittal", 3)).shape == (1024, geometry["width"])


def test_a_png_carries_no_colour_chunk(tmp_path: Path) -> None:
    """Browsers leave values alone when neither gamma nor profile stands in the file."""
    saved = saved_shapes(tmp_path)
    data = label_slice_png(saved, "axial", 40)
    chunks, at = [], 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        chunks.append(data[at + 4 : at + 8])
        at += 12 + length
    assert set(chunks) == {b"IHDR", b"IDAT", b"IEND"}
    assert data[24:26] == bytes([8, 0])  # 8 bits, grey


def test_slices_follow_a_shift_of_names(tmp_path: Path) -> None:
    """After all names moved by one, label slices hold the new codes."""
    saved = saved_shapes(tmp_path)
    before = decoded(label_slice_png(saved, "sagittal", 24))
    after = decoded(label_slice_png(saved.renamed(1), "sagittal", 24))
    assert np.array_equal(after[before == CODES["L1"]], before[before == CODES["L1"]] + 1)


@pytest.fixture(scope="module")
def spine(tmp_path_factory: pytest.TempPathFactory) -> SavedDetection:
    return saved_shapes(tmp_path_factory.mktemp("spine"), SPINE)


@pytest.mark.parametrize("plane", ["", "Axial", "oblique", "axial\n", "../axial"])
def test_unknown_planes_are_refused(spine: SavedDetection, plane: str) -> None:
    """The message lists the planes there are."""
    with pytest.raises(RequestError, match="Expected a plane \\(sagittal, coronal, axial\\)"):
        slice_png(spine, plane, 0)
    with pytest.raises(RequestError, match="but got"):
        label_slice_png(spine, plane, 0)


@pytest.mark.parametrize("index", [-1, 84, 10**9])
def test_slices_outside_are_refused(spine: SavedDetection, index: int) -> None:
    """The message says how many there are; -1 does not count from the end."""
    with pytest.raises(RequestError, match="axial slices 0 to 83, but got"):
        slice_png(spine, "axial", index)
    with pytest.raises(RequestError, match="choose one"):
        label_slice_png(spine, "axial", index)


@pytest.mark.parametrize("index", [1.5, "3", None, float("nan")])
def test_slice_numbers_are_whole(spine: SavedDetection, index: object) -> None:
    """Nothing but a whole number counts slices."""
    with pytest.raises(RequestError, match="whole number"):
        slice_png(spine, "axial", index)  # type: ignore[arg-type]


def test_every_slice_of_every_plane_can_be_drawn(spine: SavedDetection) -> None:
    """First and last slices are as good as those between."""
    for plane, geometry in view_geometry(spine).items():
        for index in (0, geometry["count"] - 1):
            assert slice_png(spine, plane, index)[:4] == b"\x89PNG"
            assert label_slice_png(spine, plane, index)[:4] == b"\x89PNG"


def test_a_slice_is_quick(tmp_path: Path) -> None:
    """A slice of 512×512 pixels takes far less than a tenth of a second once the file is warm."""
    shape = (512, 512, 8)
    affine = grid_affine(spacing=(0.8, 0.8, 5.0), shape=shape)
    saved = saved_shapes(tmp_path, {}, shape=shape, affine=affine, hu=lambda points: points[..., 1])
    slice_png(saved, "axial", 3)
    took = []
    for index in range(5):
        start = time.perf_counter()
        slice_png(saved, "axial", index)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.1


def test_shapes_are_drawn_where_they_are_said_to_be() -> None:
    """The test's own material: the middle of a drawn ball is its centre."""
    affine = grid_affine("LPS", (1.7, 2.1, 3.1), shape=SHAPE)
    points = points_of(SHAPE, affine)
    inside = SPINE["L2"](points)
    assert np.abs(points[inside].mean(axis=0) - [8.0, -6.0, -68.0]).max() < 0.5
