"""Every export read again, by other means, gives the same mask."""

from __future__ import annotations

import csv
import io
import itertools
import json
from pathlib import Path
from typing import Any

import cv2
import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import InputError, PictureError
from engine.segmentation import exports
from engine.segmentation.measuring import measure
from engine.segmentation.outlines import polygons
from engine.segmentation.results import Segmentation

CLASSES = ("background", "unhealthy", "healthy")


def found_in(mask: NDArray[np.uint8], **more: Any) -> Segmentation:
    values = {"uncertainty": mask * 80, "classes": CLASSES, "model": "made 1", "seconds": 0.1}
    return Segmentation(mask=mask, **{**values, **more})


def random_mask(seed: int, shape: tuple[int, int] = (37, 53), grain: int = 1) -> Any:
    """Blobs of three classes with holes, corners that touch, and pixels at all borders."""
    small = np.random.default_rng(seed).integers(0, 3, shape, dtype=np.uint8)
    return small.repeat(grain, 0).repeat(grain, 1)[: shape[0], : shape[1]]


MASKS = [
    random_mask(0),
    random_mask(1, grain=4),
    np.zeros((5, 7), np.uint8),
    np.ones((1, 1), np.uint8),
    np.full((4, 3), 2, np.uint8),
    np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8),
]


@pytest.mark.parametrize("mask", MASKS)
def test_the_png_has_the_classes_as_samples(mask: NDArray[np.uint8]) -> None:
    """OpenCV reads the same indices; uncertainty too is a plain grey picture."""
    for data, wanted in (
        (exports.mask_png(found_in(mask)), mask),
        (exports.uncertainty_png(found_in(mask)), mask * 80),
    ):
        read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(read, wanted)


@pytest.mark.parametrize("mask", MASKS)
def test_geojson_filled_again_is_the_same_mask(mask: NDArray[np.uint8]) -> None:
    """By the winding of every ring, at pixel centres, with nothing of ours."""
    document = json.loads(exports.geojson(found_in(mask)))
    again = np.zeros_like(mask)
    for feature in document["features"]:
        geometry = feature["geometry"]
        parts = geometry["coordinates"]
        parts = [parts] if geometry["type"] == "Polygon" else parts
        inside = np.zeros(mask.shape, bool)
        for rings in parts:
            for ring in rings:
                assert ring[0] == ring[-1]
                inside ^= _within(ring, mask.shape)
        assert not again[inside].any()  # objects do not overlap
        again[inside] = CLASSES.index(feature["properties"]["classification"]["name"])
        assert feature["properties"]["measurements"]["Area px"] == inside.sum()
    np.testing.assert_array_equal(again, mask)


def _within(ring: list[list[int]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels whose centre a ray to the left crosses the ring an odd number of times from."""
    crossings = np.zeros((shape[0], shape[1] + 1), int)
    for (x0, y0), (x1, y1) in itertools.pairwise(ring):
        if x0 == x1:
            crossings[min(y0, y1) : max(y0, y1), x0] += 1
    inside: NDArray[np.bool_] = np.cumsum(crossings, axis=1)[:, :-1] % 2 == 1
    return inside


def test_an_object_with_a_hole_is_one_polygon_of_two_rings() -> None:
    """The outer ring comes first and runs clockwise on a screen, the hole against it."""
    mask = np.ones((3, 3), np.uint8)
    mask[1, 1] = 0
    (rings,) = polygons(mask.astype(bool))
    assert rings == [
        [[0, 0], [3, 0], [3, 3], [0, 3], [0, 0]],
        [[1, 1], [1, 2], [2, 2], [2, 1], [1, 1]],
    ]


def test_parts_that_touch_by_a_corner_are_one_feature() -> None:
    """One object, a MultiPolygon, so that every polygon of it is a simple one."""
    document = json.loads(exports.geojson(found_in(np.array([[1, 0], [0, 1]], np.uint8))))
    (feature,) = document["features"]
    assert feature["geometry"]["type"] == "MultiPolygon"
    assert len(feature["geometry"]["coordinates"]) == 2


@pytest.mark.parametrize("mask", MASKS)
def test_coco_runs_decoded_by_hand_are_the_same_mask(mask: NDArray[np.uint8]) -> None:
    """Runs outside and inside in turn, columns first; area and box are those of the pixels."""
    document = json.loads(exports.coco(found_in(mask), file_name="a.png"))
    names = {row["id"]: row["name"] for row in document["categories"]}
    assert list(names.values()) == list(CLASSES[1:])
    again = np.zeros_like(mask)
    for one in document["annotations"]:
        height, width = one["segmentation"]["size"]
        flat = np.repeat(
            np.arange(len(one["segmentation"]["counts"])) % 2 == 1, one["segmentation"]["counts"]
        )
        inside = np.zeros(height * width, bool)
        inside[: len(flat)] = flat
        inside = inside.reshape(width, height).T
        rows, cols = np.nonzero(inside)
        assert one["area"] == len(rows)
        assert one["bbox"] == [cols.min(), rows.min(), np.ptp(cols) + 1, np.ptp(rows) + 1]
        again[inside] = CLASSES.index(names[one["category_id"]])
    np.testing.assert_array_equal(again, mask)


@pytest.mark.parametrize("mask", MASKS)
def test_nifti_has_the_mask_and_the_size_of_a_pixel(
    mask: NDArray[np.uint8], tmp_path: Path
) -> None:
    """Read by nibabel it is (W, H, 1) of bytes, in mm, x to the left and y to the back."""
    path = tmp_path / "mask.nii.gz"
    data = exports.nifti(found_in(mask, pixel_size_um=250.0))
    path.write_bytes(data)
    image: Any = nib.load(path)
    np.testing.assert_array_equal(np.asarray(image.dataobj)[:, :, 0].T, mask)
    assert image.header.get_data_dtype() == np.uint8
    assert image.header.get_zooms()[:2] == pytest.approx((0.25, 0.25))
    assert np.sign(np.diag(image.affine)).tolist() == [-1, -1, 1, 1]
    assert exports.nifti(found_in(mask, pixel_size_um=250.0)) == data


def test_probabilities_sum_to_one_and_say_the_mask(tmp_path: Path) -> None:
    """NumPy reads them without pickles; the largest one is that of the mask's class."""
    random = np.random.default_rng(5)
    levels = random.integers(0, 100, (3, 300, 20), dtype=np.uint8)
    mask = levels.argmax(axis=0).astype(np.uint8)
    np.put_along_axis(levels, mask[None].astype(np.int64), 120, axis=0)
    path = tmp_path / "a.npz"
    exports.write_probabilities(found_in(mask, probabilities=levels), path)
    with np.load(path, allow_pickle=False) as archive:
        shares, names = archive["probabilities"], archive["classes"]
    assert (shares.shape, shares.dtype) == ((3, 300, 20), np.float16)
    assert names.tolist() == list(CLASSES)
    np.testing.assert_allclose(shares.astype(float).sum(axis=0), 1, atol=2e-3)
    np.testing.assert_allclose(shares, levels / levels.sum(axis=0), atol=1e-3)
    np.testing.assert_array_equal(shares.argmax(axis=0), mask)


def test_probabilities_that_were_not_kept_cannot_be_written(tmp_path: Path) -> None:
    """The sentence says how to keep them; no file is left."""
    with pytest.raises(InputError, match="probabilities=True"):
        exports.write_probabilities(found_in(np.zeros((2, 2), np.uint8)), tmp_path / "a.npz")
    assert not list(tmp_path.iterdir())


def test_a_value_that_is_no_class_is_not_written() -> None:
    """A mask with 7 among three classes is no mask of this model."""
    with pytest.raises(PictureError, match="7"):
        exports.mask_png(found_in(np.array([[7]], np.uint8)))


def test_tables_have_what_was_measured() -> None:
    """A row for each class and object; sums over objects are the areas of classes."""
    mask = random_mask(2, grain=3)
    measures = measure(found_in(mask, pixel_size_um=2.0))
    classes = _rows(exports.classes_csv(measures, picture="a.png"))
    objects = _rows(exports.objects_csv(measures, picture="a.png"))
    for index, row in enumerate(classes):
        assert (row["picture"], row["class"]) == ("a.png", CLASSES[index])
        assert int(row["area_px"]) == (mask == index).sum()
        own = [int(one["area_px"]) for one in objects if one["class_index"] == str(index)]
        assert row["objects"] == ("" if index == 0 else str(len(own)))
        assert index == 0 or sum(own) == int(row["area_px"])
    assert float(classes[1]["area_mm2"]) == pytest.approx((mask == 1).sum() * 4e-6, rel=1e-5)


def test_names_are_no_formulas_in_a_spreadsheet() -> None:
    """A picture or class that begins with = is text; without a pixel size µm stay empty."""
    found = found_in(np.array([[1]], np.uint8), classes=("background", "=1+1"))
    (row,) = _rows(exports.objects_csv(measure(found), picture="@a.png"))
    assert (row["class"], row["picture"], row["area_um2"]) == ("'=1+1", "'@a.png", "")


def _rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))
