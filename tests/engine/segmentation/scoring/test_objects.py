"""Objects: drawn rectangles whose overlaps are known, and scikit-image's components."""

from __future__ import annotations

import time

import numpy as np
import pytest
from skimage.measure import label, regionprops

from engine.errors import InputError
from engine.segmentation.scoring import hausdorff_95, match_objects
from tests.engine.segmentation.scoring.pairs import random_pair


def _mask(*boxes: tuple[int, int, int, int], value: int = 1) -> np.ndarray:
    mask = np.zeros((60, 80), np.uint8)
    for top, left, bottom, right in boxes:
        mask[top:bottom, left:right] = value
    return mask


def test_found_invented_and_missed() -> None:
    """Three true squares, of which one is hit, one is missed and one is hit too little."""
    truth = _mask((0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10))
    predicted = _mask((0, 2, 10, 12), (40, 5, 50, 15), (20, 60, 30, 70))
    # First: 80 shared of 120, IoU 2/3. Third: 50 of 150, IoU 1/3.
    found = match_objects(truth, predicted, 1)
    assert (found.found, found.invented, found.missed) == (1, 2, 2)
    assert (found.precision, found.recall) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert found.f1 == pytest.approx(2 / 6)


def test_an_overlap_of_exactly_one_half_counts_once() -> None:
    """A true object cut into two halves has two answers of IoU 0.5, of which one is right."""
    truth = _mask((0, 0, 10, 21))
    predicted = _mask((0, 0, 10, 10), (0, 11, 10, 21))
    truth[:, 10] = 0  # two objects of 100 and 100 …
    found = match_objects(truth, predicted, 1)
    assert (found.found, found.invented, found.missed) == (2, 0, 0)
    whole = _mask((30, 0, 40, 20))
    halves = _mask((30, 0, 40, 10))
    assert match_objects(whole, halves, 1).found == 1  # 100 of 200
    assert match_objects(whole, halves, 1, iou=0.51).found == 0


def test_merged_objects_are_one_hit_at_most() -> None:
    """Two nuclei answered as one: the larger is found when it is most of the lump."""
    truth = _mask((0, 0, 10, 20), (0, 21, 10, 28))
    predicted = _mask((0, 0, 10, 28))
    found = match_objects(truth, predicted, 1)  # IoU with the larger: 200 / 280
    assert (found.found, found.invented, found.missed) == (1, 0, 1)


def test_corners_hang_together() -> None:
    """Pixels that touch over a corner are one object."""
    mask = np.eye(6, dtype=np.uint8)
    assert match_objects(mask, mask, 1).found == 1


def test_objects_where_nobody_looked() -> None:
    """An answer that lies mostly in the unknown is neither right nor wrong; a rim is cut."""
    truth = _mask((0, 0, 10, 10))
    truth[:, 40:] = 255
    predicted = _mask((0, 0, 10, 10), (20, 35, 30, 60), (40, 30, 50, 41))
    found = match_objects(truth, predicted, 1)
    assert (found.found, found.invented, found.missed) == (1, 1, 0)  # the last is mostly known
    truth[0:10, 5:10] = 255  # half of the true object is unknown now, and of its answer too
    assert match_objects(truth, predicted, 1).found == 1


def test_nothing_there_has_no_score() -> None:
    """Without any object there is no F1; with inventions only it is 0."""
    empty = _mask()
    nothing = match_objects(empty, empty, 1)
    assert np.isnan([nothing.f1, nothing.precision, nothing.recall]).all()
    assert match_objects(empty, _mask((0, 0, 5, 5)), 1).f1 == 0.0


def test_specks_can_be_left_out() -> None:
    """Objects below a size count on neither side."""
    truth, predicted = _mask((0, 0, 10, 10)), _mask((0, 0, 10, 10), (30, 30, 31, 32))
    assert match_objects(truth, predicted, 1).invented == 1
    assert match_objects(truth, predicted, 1, smallest_px=3).invented == 0


@pytest.mark.parametrize("seed", range(3))
def test_matches_equal_those_over_scikit_images_regions(seed: int) -> None:
    """All pairs of scikit-image's regions above 0.5, which is unique, are what we find."""
    truth, predicted = random_pair(seed, shape=(90, 120))
    regions = [regionprops(label(mask == 1, connectivity=2)) for mask in (truth, predicted)]
    sets = [[{tuple(at) for at in region.coords} for region in side] for side in regions]
    hits = sum(
        len(one & other) / len(one | other) > 0.5 for one in sets[0] for other in sets[1] if one
    )
    found = match_objects(truth, predicted, 1, iou=0.5000001)
    assert hits > 0
    assert found.found == hits
    assert (found.missed, found.invented) == (len(sets[0]) - hits, len(sets[1]) - hits)


@pytest.mark.parametrize("iou", [0.0, 1.5])
def test_a_share_outside_its_range(iou: float) -> None:
    """The IoU from which objects match lies above 0 and is at most 1."""
    with pytest.raises(InputError, match=r"\(0, 1\]"):
        match_objects(_mask(), _mask(), 1, iou=iou)


def test_a_large_picture_is_quick() -> None:
    """1388 × 1040 with a hundred objects: objects and borders in well under a second."""
    truth = np.zeros((1040, 1388), np.uint8)
    for at in range(104):
        top, left = 80 * (at // 13) + 20, 100 * (at % 13) + 20
        truth[top : top + 40, left : left + 50] = 1
    predicted = np.roll(truth, 5, axis=1)
    start = time.process_time()
    assert match_objects(truth, predicted, 1).found == 104
    assert hausdorff_95(truth, predicted, 1) == 5.0
    assert time.process_time() - start < 1.0
