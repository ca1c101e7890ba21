"""Landmarks of a label map on a fine grid."""

from __future__ import annotations

import time

import numpy as np
import pytest

from engine.spine.audit import Anchors
from engine.spine.nnunet.mapping import code_table
from engine.spine.phantoms import spine_phantom
from engine.spine.totalsegmentator.landmarks import anchors_in
from engine.spine.vertebrae import VERSE_CODES

TABLE = code_table(
    {
        **{code: f"vertebrae_{name}" for code, name in VERSE_CODES.items() if code < 25},
        30: "sacrum",
        31: "rib_left_12",
        32: "rib_right_12",
    }
)


def test_landmarks_are_where_they_are_drawn() -> None:
    """The sacrum of a phantom is found within a centimetre of its first vertebra's place."""
    phantom = spine_phantom(
        np.random.default_rng(5), levels=("T11", "L5"), spacing_mm=2.0, fov_mm=(150, 150)
    )
    labels = np.where(phantom.labels == 26, 30, phantom.labels).astype(np.uint8)
    found = anchors_in(labels, phantom.volume.affine, TABLE)
    assert found.sacrum_mm is not None
    assert phantom.sacrum is not None
    sacrum = phantom.volume.world(np.argwhere(labels == 30))
    assert sacrum[:, 2].max() - 40 < found.sacrum_mm[2] <= sacrum[:, 2].max()


def test_a_fine_grid_gives_the_landmarks_of_a_coarse_one() -> None:
    """Thinning out moves a landmark by less than a voxel of 3 mm, also with flipped axes."""
    coarse = np.zeros((60, 60, 60), np.uint8)
    coarse[20:40, 20:40, 5:20] = 30
    coarse[25:35, 25:35, 22:30] = 24
    fine = coarse.repeat(4, axis=0).repeat(4, axis=1).repeat(2, axis=2)
    to_mm = np.diag([-3.0, -3.0, 3.0, 1.0])
    fine_mm = to_mm @ np.diag([0.25, 0.25, 0.5, 1.0])
    expected = anchors_in(coarse, to_mm, TABLE).sacrum_mm
    assert expected is not None
    assert anchors_in(fine, fine_mm, TABLE).sacrum_mm == pytest.approx(expected, abs=3.0)


def test_a_large_map_takes_moments() -> None:
    """512×512×200 voxels with all landmarks are read in a few seconds even on a busy machine."""
    labels = np.zeros((512, 512, 200), np.uint8)
    labels[200:300, 200:300, :50] = 30
    labels[230:260, 230:260, 60:90] = 24
    start = time.process_time()
    assert anchors_in(labels, np.diag([0.8, 0.8, 1.0, 1.0]), TABLE).sacrum_mm is not None
    assert time.process_time() - start < 2


def test_a_model_without_landmarks_has_none() -> None:
    """Bodies alone say nothing about ribs: an absent rib must not count."""
    bodies = {code: f"vertebrae_{name}" for code, name in VERSE_CODES.items() if code < 25}
    labels = np.full((9, 9, 9), 24, np.uint8)
    assert anchors_in(labels, np.eye(4), code_table(bodies)) == Anchors()
