"""The 95 % Hausdorff distance: MONAI's and scikit-image's numbers, and arithmetic."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from monai.metrics import compute_hausdorff_distance
from scipy.ndimage import binary_erosion
from skimage.metrics import hausdorff_distance

from engine.segmentation.scoring import distances, hausdorff_95
from tests.engine.segmentation.scoring.pairs import random_pair


def _monai(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Ask MONAI, which warns about one of its own arguments, and about empty masks."""
    masks = [torch.from_numpy(mask == 1)[None, None].float() for mask in (predicted, truth)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(compute_hausdorff_distance(*masks, include_background=True, percentile=95))


@pytest.mark.parametrize("seed", range(6))
def test_it_is_monais(seed: int) -> None:
    """Regions that touch the frame and have holes: the same number as MONAI's."""
    truth, predicted = random_pair(seed)
    assert hausdorff_95(truth, predicted, 1) == pytest.approx(_monai(truth, predicted), abs=1e-4)


def test_the_largest_distance_is_scikit_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 100 % it is the Hausdorff distance of the border pixels."""
    monkeypatch.setattr(distances, "_PERCENTILE", 100.0)
    truth, predicted = random_pair(11)
    edges = [(mask == 1) & ~binary_erosion(mask == 1) for mask in (truth, predicted)]
    assert hausdorff_95(truth, predicted, 1) == pytest.approx(hausdorff_distance(*edges), abs=1e-4)


def test_a_moved_square() -> None:
    """A square that moved by three columns: a side is 3 px off, and more than 5 % are sides."""
    truth = np.zeros((40, 40), np.uint8)
    truth[10:20, 10:20] = 1
    moved = np.roll(truth, 3, axis=1)
    assert hausdorff_95(truth, moved, 1) == 3.0
    assert hausdorff_95(truth, moved, 1, pixel_size_um=0.5) == 1.5
    assert hausdorff_95(truth, truth, 1) == 0.0


def test_one_stray_pixel_hardly_counts() -> None:
    """A far speck among more than twenty border pixels is beyond the 95th percentile."""
    truth = np.zeros((80, 80), np.uint8)
    truth[10:40, 10:40] = 1
    predicted = truth.copy()
    predicted[79, 79] = 1
    assert hausdorff_95(truth, predicted, 1) == 0.0


def test_single_pixels() -> None:
    """Two pixels at (0, 0) and (3, 4) are 5 apart."""
    truth, predicted = np.zeros((2, 6, 6), np.uint8)
    truth[0, 0] = predicted[3, 4] = 1
    assert hausdorff_95(truth, predicted, 1) == 5.0


def test_absent_classes() -> None:
    """In neither mask: not a number. In one alone: infinite (MONAI: no finite number)."""
    empty = np.zeros((8, 8), np.uint8)
    full = np.ones((8, 8), np.uint8)
    assert np.isnan(hausdorff_95(empty, empty, 1))
    assert hausdorff_95(full, empty, 1) == hausdorff_95(empty, full, 1) == float("inf")
    assert not np.isfinite(_monai(full, empty))


def test_where_nobody_looked_there_is_no_border() -> None:
    """An answer that goes on into the unknown is not too large."""
    truth = np.zeros((30, 60), np.uint8)
    truth[5:25, 5:30] = 1
    truth[:, 30:] = 255
    predicted = np.zeros_like(truth)
    predicted[5:25, 5:55] = 1
    assert hausdorff_95(truth, predicted, 1) == 0.0
