"""Confusions and what follows from them, by hand and against scikit-learn's and MONAI's numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.metrics import ConfusionMatrixMetric, DiceMetric, MeanIoU

from engine.errors import InputError
from engine.segmentation.scoring import confusion, mean_dice, overlaps
from tests.engine.segmentation.scoring.pairs import random_pair


def _one_hot(mask: np.ndarray, classes: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.from_numpy(mask).long(), classes).permute(2, 0, 1)[
        None
    ]


@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_those_of_monai(seed: int) -> None:
    """Dice, IoU, precision and recall of three classes are MONAI's."""
    truth, predicted = random_pair(seed)
    found = overlaps(confusion(truth, predicted, 3))
    answers = (_one_hot(predicted, 3), _one_hot(truth, 3))
    expected = {
        "dice": DiceMetric(reduction="none")(*answers),
        "iou": MeanIoU(reduction="none")(*answers),
    }
    for name in ("precision", "recall"):
        metric = ConfusionMatrixMetric(metric_name=name, reduction="none")
        metric(*answers)
        expected[name] = metric.aggregate()[0]
    for name, values in expected.items():
        ours = [getattr(one, name) for one in found]
        assert ours == pytest.approx(values[0].tolist(), abs=1e-6), name


def test_the_table_by_hand() -> None:
    """Rows are the truth, columns the answer; a pixel that nobody annotated is in no cell."""
    truth = np.array([[0, 0, 1, 1], [2, 2, 255, 255]], np.uint8)
    predicted = np.array([[0, 1, 1, 1], [2, 0, 1, 0]], np.uint8)
    table = confusion(truth, predicted, 3)
    assert table.tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 1]]
    found = overlaps(table)
    # Class 1: two agree, three answered, two true.
    assert (found[1].dice, found[1].iou) == (pytest.approx(4 / 5), pytest.approx(2 / 3))
    assert (found[1].precision, found[1].recall) == (pytest.approx(2 / 3), 1.0)
    # Class 2: one agrees, one answered, two true.
    assert (found[2].dice, found[2].iou) == (pytest.approx(2 / 3), 0.5)
    assert mean_dice(found) == pytest.approx((4 / 5 + 2 / 3) / 2)


def test_an_answer_beneath_ignored_pixels_changes_nothing() -> None:
    """Whatever stands where nobody looked, the table is the same."""
    truth, predicted = random_pair(5)
    truth[10:40, 20:60] = 255
    other = predicted.copy()
    other[10:40, 20:60] = 1 - np.minimum(other[10:40, 20:60], 1)
    assert (confusion(truth, predicted, 3) == confusion(truth, other, 3)).all()
    assert confusion(truth, predicted, 3).sum() == (truth != 255).sum()


def test_classes_that_are_absent() -> None:
    """In neither: no score. Only invented: 0 without recall. Only missed: 0 without precision."""
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    predicted = np.array([[0, 2, 0, 0]], np.uint8)
    _, missed, invented, absent = overlaps(confusion(truth, predicted, 4))
    assert np.isnan([absent.dice, absent.iou, absent.precision, absent.recall]).all()
    assert (invented.dice, invented.iou, invented.precision) == (0.0, 0.0, 0.0)
    assert np.isnan(invented.recall)
    assert (missed.dice, missed.iou, missed.recall) == (0.0, 0.0, 0.0)
    assert np.isnan(missed.precision)
    assert mean_dice((missed, missed, invented, absent)) == 0.0


def test_nothing_to_measure_is_no_number() -> None:
    """An empty picture that was answered empty has no Dice, rather than a perfect one."""
    empty = np.zeros((4, 4), np.uint8)
    assert np.isnan(mean_dice(overlaps(confusion(empty, empty, 2))))
    assert confusion(np.full((4, 4), 255, np.uint8), empty, 2).sum() == 0


@pytest.mark.parametrize(
    ("truth", "predicted", "sentence"),
    [
        (np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8), "bring them to one size"),
        (np.zeros((4, 4), np.int64), np.zeros((4, 4), np.uint8), "of uint8, but got"),
        (np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4), np.uint8), "(height, width)"),
        (np.zeros((0, 4), np.uint8), np.zeros((0, 4), np.uint8), "(height, width)"),
        (np.full((4, 4), 2, np.uint8), np.zeros((4, 4), np.uint8), "in the truth, but it holds 2"),
        (np.zeros((4, 4), np.uint8), np.full((4, 4), 9, np.uint8), "prediction, but it holds 9"),
        (np.zeros((4, 4), np.uint8), np.full((4, 4), 255, np.uint8), "but it holds 255"),
    ],
)
def test_masks_that_do_not_fit(truth: np.ndarray, predicted: np.ndarray, sentence: str) -> None:
    """Another shape, type or class is refused with what came."""
    with pytest.raises(InputError, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        confusion(truth, predicted, 2)


@pytest.mark.parametrize("classes", [0, 256])
def test_a_number_of_classes_that_no_byte_holds(classes: int) -> None:
    """Between 1 and 255 classes fit beside the value for 'not annotated'."""
    with pytest.raises(InputError, match="1 to 255"):
        confusion(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8), classes)
