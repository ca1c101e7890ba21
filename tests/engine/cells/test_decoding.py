"""From maps to boxes: what the targets draw is what the reader reads."""

from __future__ import annotations

import numpy as np
import pytest

from engine.cells.names import CLASSES
from engine.cells.network.decoding import Boxes, boxes_of, merged, overlaps
from engine.cells.recipe.samples import Sample
from engine.cells.recipe.targets import targets_of


def sample(boxes: list[list[float]], classes: list[int], **more: object) -> Sample:
    settings = {"complete": (True, True, True), **more}
    return Sample(
        name="made",
        picture=np.full((128, 160, 3), 200, np.uint8),
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        classes=np.array(classes, np.int64),
        **settings,  # type: ignore[arg-type]
    )


def test_boxes_survive_targets_and_reading() -> None:
    """The answer that the network should give reads back as the boxes that were drawn."""
    given = sample([[10, 12, 50, 60], [70, 20, 84, 33], [90, 70, 150, 120]], [1, 2, 0])
    wanted = targets_of(given)
    read = boxes_of(wanted.heat, wanted.sides, threshold=0.9)
    order = [read.classes.tolist().index(kind) for kind in (1, 2, 0)]
    assert len(read.classes) == 3
    np.testing.assert_allclose(read.corners[order], given.boxes, atol=0.01)


def test_touching_cells_stay_two() -> None:
    """Two neighbours of one class that overlap a little are both kept."""
    given = sample([[10, 10, 50, 50], [44, 10, 84, 50]], [1, 1])
    wanted = targets_of(given)
    assert len(boxes_of(wanted.heat, wanted.sides, threshold=0.9).classes) == 2


def test_unlabelled_classes_teach_nothing_where_no_box_is() -> None:
    """Where red cells are not all labelled, an empty place is not taught as empty."""
    given = sample([[10, 10, 50, 50]], [1], complete=(True, False, True))
    counts = targets_of(given).counts
    assert counts[1, 25, 35] == 0.0  # far from the box
    assert counts[1, 7, 7] == 1.0  # its centre
    assert counts[0].min() == 1.0


def test_no_cells_give_no_boxes() -> None:
    """An empty picture has an empty answer."""
    wanted = targets_of(sample([], []))
    assert len(boxes_of(wanted.heat, wanted.sides, threshold=0.1).scores) == 0


def test_a_smaller_picture_gives_boxes_in_its_own_pixels() -> None:
    """``stride_px`` scales places and sizes together."""
    heat = np.zeros((len(CLASSES), 8, 8), np.float32)
    heat[0, 4, 4] = 1.0
    sides = np.full((4, 8, 8), 6.0, np.float32)
    read = boxes_of(heat, sides, threshold=0.5, stride_px=2.0)
    assert read.corners.tolist() == [[6.0, 6.0, 12.0, 12.0]]


def test_parts_of_one_picture_name_a_cell_once() -> None:
    """The same cell seen in two overlapping parts is one; the better score stays."""
    box = np.array([[5, 5, 25, 25]], np.float32)
    one = Boxes(box, np.array([1]), np.array([0.6], np.float32))
    two = Boxes(box + 1, np.array([1]), np.array([0.8], np.float32))
    whole = merged([one, two])
    assert whole.scores.tolist() == pytest.approx([0.8])


def test_overlap_of_disjoint_and_empty_boxes_is_zero() -> None:
    """No common area, or no area at all, is no overlap and no division by zero."""
    empty = np.array([[3, 3, 3, 3]], np.float32)
    assert overlaps(empty, empty).tolist() == [[0.0]]
    assert overlaps(np.array([[0, 0, 1, 1.0]]), np.array([[2, 2, 3, 3.0]])).tolist() == [[0.0]]
