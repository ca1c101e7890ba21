"""Areas and objects of masks that were drawn by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from engine.errors import InputError
from engine.segmentation import measuring
from engine.segmentation.measuring import measure
from engine.segmentation.results import Segmentation

CLASSES = ("background", "unhealthy", "healthy")


def found_in(mask: Any, pixel_size_um: float | None = None) -> Segmentation:
    values = np.array(mask, np.uint8)
    return Segmentation(
        mask=values,
        uncertainty=np.zeros_like(values),
        classes=CLASSES,
        model="made 1",
        seconds=0.0,
        pixel_size_um=pixel_size_um,
    )


def test_areas_in_pixels_shares_and_square_millimetres() -> None:
    """Of 100 × 50 pixels of 20 µm, 1,000 are 0.4 mm² and a fifth."""
    mask = np.zeros((50, 100))
    mask[:10] = 1
    background, unhealthy, healthy = measure(found_in(mask, 20.0)).classes
    assert (unhealthy.area_px, unhealthy.share) == (1000, 0.2)
    assert unhealthy.area_mm2 == pytest.approx(0.4)
    assert (background.area_px, background.objects) == (4000, None)
    assert (healthy.area_px, healthy.objects, healthy.median_area_px) == (0, 0, None)


def test_one_object_by_hand() -> None:
    """A bar of 2 × 6 pixels of half a µm: centre, box, area and the circle of its area."""
    mask = np.zeros((10, 12))
    mask[3:5, 4:10] = 2
    (one,) = measure(found_in(mask, 0.5)).objects
    assert (one.class_name, one.area_px) == ("healthy", 12)
    assert (one.x, one.y) == (7.0, 4.0)
    assert (one.left, one.top, one.width, one.height) == (4, 3, 6, 2)
    assert one.area_um2 == pytest.approx(3.0)
    assert one.diameter_um == pytest.approx(2 * math.sqrt(3.0 / math.pi))
    assert one.diameter_px == pytest.approx(2 * math.sqrt(12 / math.pi))


def test_corners_hold_together_and_classes_do_not() -> None:
    """Two pixels that touch by a corner are one object; another class beside them is another."""
    found = measure(found_in([[1, 0, 0], [0, 1, 2]]))
    assert [row.objects for row in found.classes] == [None, 1, 1]
    assert [one.area_px for one in found.objects] == [2, 1]


def test_small_objects_can_be_left_out() -> None:
    """Below two pixels nothing is counted, listed or not; its area stays."""
    mask = [[1, 0, 1, 1]]
    for with_objects in (True, False):
        found = measure(found_in(mask), smallest_px=2, with_objects=with_objects)
        assert (found.classes[1].objects, found.classes[1].area_px) == (1, 3)


@pytest.mark.parametrize("share", [0.2, 0.45, 0.7])
def test_counting_in_bands_finds_the_objects_of_scipy(
    share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects that cross many bands, also by corners, are counted once, and whole."""
    monkeypatch.setattr(measuring, "_BAND_ROWS", 3)
    for shape in ((1, 1), (2, 7), (61, 47), (30, 1)):
        mask = np.random.default_rng(3).random(shape) < share
        labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
        found = measure(found_in(mask), with_objects=False)
        assert (found.classes[1].objects, found.objects) == (count, ())
        if count:
            areas = np.bincount(labels.ravel())[1:]
            assert found.classes[1].median_area_px == np.median(areas)


def test_the_document_has_a_row_for_each_class() -> None:
    """JSON holds what people ask first: how much, and how many."""
    document = measure(found_in([[0, 1], [2, 2]])).to_json()
    assert (document["width"], document["height"], document["pixel_size_um"]) == (2, 2, None)
    assert document["classes"][2] == {
        "name": "healthy",
        "area_px": 2,
        "share": 0.5,
        "area_mm2": None,
        "objects": 1,
        "median_area_px": 2.0,
    }


@pytest.mark.parametrize(
    ("size", "smallest"), [(0.0, 1), (-1.0, 1), (math.nan, 1), (math.inf, 1), (None, 0)]
)
def test_impossible_sizes_are_refused(size: float | None, smallest: int) -> None:
    """A pixel without a size, and objects without a pixel."""
    with pytest.raises(InputError, match="above 0"):
        measure(found_in([[1]], size), smallest_px=smallest)
