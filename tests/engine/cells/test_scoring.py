"""Average precision against arithmetic by hand."""

from __future__ import annotations

import numpy as np
import pytest

from engine.cells.network.decoding import Boxes
from engine.cells.recipe.scoring import average_precision, best_threshold, matched

TRUE = (np.array([[0, 0, 10, 10], [20, 0, 30, 10]], np.float32), np.array([1, 1]))


def boxes(*rows: tuple[float, float, float, float, int, float]) -> Boxes:
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Boxes(table[:, :4], table[:, 4].astype(np.int64), table[:, 5])


def test_all_found_is_one() -> None:
    """Two cells, two exact boxes: precision 1 at every recall."""
    answer = boxes((0, 0, 10, 10, 1, 0.9), (20, 0, 30, 10, 1, 0.8))
    assert average_precision(matched([answer], [TRUE], 1)) == pytest.approx(1.0)


def test_a_false_box_between_two_hits_costs_what_the_envelope_says() -> None:
    """Hit, miss, hit: half the recall at precision 1, half at 2/3, so 5/6."""
    answer = boxes((0, 0, 10, 10, 1, 0.9), (50, 50, 60, 60, 1, 0.8), (20, 0, 30, 10, 1, 0.7))
    assert average_precision(matched([answer], [TRUE], 1)) == pytest.approx(5 / 6)


def test_a_second_box_on_one_cell_is_no_hit() -> None:
    """A cell is found once; what comes later on it is false."""
    answer = boxes((0, 0, 10, 10, 1, 0.9), (0, 0, 10, 9, 1, 0.8))
    assert matched([answer], [TRUE], 1).hits.tolist() == [True, False]


def test_half_overlap_is_the_border() -> None:
    """A box of the same height moved by a third of its width has IoU 0.5 and hits."""
    moved = boxes((10 / 3, 0, 40 / 3, 10, 1, 0.9))
    farther = boxes((4, 0, 14, 10, 1, 0.9))
    assert matched([moved], [TRUE], 1, share=0.4999).hits.tolist() == [True]
    assert matched([farther], [TRUE], 1).hits.tolist() == [False]


def test_another_class_never_hits() -> None:
    """Boxes of class 0 neither hit nor count for class 1."""
    scored = matched([boxes((0, 0, 10, 10, 0, 0.9))], [TRUE], 1)
    assert len(scored.hits) == 0
    assert scored.wanted == 2


def test_no_true_cell_has_no_precision() -> None:
    """Nothing to find: the figure is not a number, not a perfect one."""
    scored = matched([boxes()], [(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))], 0)
    assert np.isnan(average_precision(scored))


def test_the_threshold_is_where_f1_is_highest() -> None:
    """Two hits above one false box: cut between them, F1 is 1."""
    answer = boxes((0, 0, 10, 10, 1, 0.9), (20, 0, 30, 10, 1, 0.75), (50, 50, 60, 60, 1, 0.2))
    threshold, f1 = best_threshold(matched([answer], [TRUE], 1))
    assert threshold == pytest.approx(0.75)
    assert f1 == pytest.approx(1.0)
