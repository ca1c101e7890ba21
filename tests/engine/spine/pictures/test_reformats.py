"""The bent slice: every vertebra is on it, in its place and size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.spine.pictures.reformats import HIGHEST_PX, labelled_reformat, reformat
from tests.engine.spine.shaped_spines import CODES, SPINE, ball, grid_affine, saved_shapes

CURVED = {
    "T12": ball((-20.0, -3.0, 0.0), 13.0),
    "L1": ball((14.0, 12.0, -34.0), 13.0),
    "L2": ball((30.0, -18.0, -68.0), 13.0),
    "L3": ball((-4.0, -24.0, -102.0), 13.0),
    "L4": ball((-12.0, 10.0, -136.0), 13.0),
}
"""A spine so crooked that no straight slice meets more than two of its vertebrae."""


@pytest.mark.parametrize("plane", ["sagittal", "coronal"])
@pytest.mark.parametrize("axes", ["RAS", "LPI"])
def test_every_vertebra_of_a_crooked_spine_is_cut_through_its_middle(
    tmp_path: Path, plane: str, axes: str
) -> None:
    """Around each body's centre the picture holds its code, about as wide as the ball."""
    affine = grid_affine(axes, (2.0, 2.0, 2.5), shape=(60, 54, 84))
    saved = saved_shapes(tmp_path, CURVED, shape=(60, 54, 84), affine=affine)
    bent = reformat(saved, plane)
    for name in CURVED:
        column, row = bent.points[CODES[name]]
        assert bent.labels[round(row), round(column)] == CODES[name]
        wide = (bent.labels[round(row)] == CODES[name]).sum() * bent.mm_per_pixel
        assert wide == pytest.approx(26.0, abs=3.0)


def test_points_lie_at_true_distances(tmp_path: Path) -> None:
    """Columns and rows are mm: differences of centres come out in the picture."""
    saved = saved_shapes(tmp_path, CURVED)
    for plane, axis in (("sagittal", 1), ("coronal", 0)):
        bent = reformat(saved, plane)
        points = {name: bent.points[CODES[name]] for name in CURVED}
        centres = {found.label: found.vertebra.centre_mm for found in saved.vertebrae}
        across = (points["L2"][0] - points["L1"][0]) * bent.mm_per_pixel
        down = (points["L2"][1] - points["L1"][1]) * bent.mm_per_pixel
        assert across == pytest.approx(-(centres["L2"][axis] - centres["L1"][axis]), abs=0.01)
        assert down == pytest.approx(-(centres["L2"][2] - centres["L1"][2]), abs=0.01)


def test_front_and_right_lie_on_the_left(tmp_path: Path) -> None:
    """Letters say what lies at the sides, as in straight slices."""
    saved = saved_shapes(tmp_path, CURVED)
    sides = [(reformat(saved, plane).left, reformat(saved, plane).right)
             for plane in ("sagittal", "coronal")]  # fmt: skip
    assert sides == [("A", "P"), ("R", "L")]


def test_a_picture_is_bounded(tmp_path: Path) -> None:
    """Neither a long spine nor a short one gives a picture higher than 900 pixels."""
    for number, shapes in enumerate((CURVED, {"L1": SPINE["L1"]}, {})):
        folder = tmp_path / str(number)
        folder.mkdir()
        picture = labelled_reformat(saved_shapes(folder, shapes), "sagittal")
        assert picture.shape[0] <= HIGHEST_PX + 1
        assert picture.shape[1] <= 1200
        assert picture.dtype == np.uint8


def test_labels_are_coloured_and_the_rest_stays_grey(tmp_path: Path) -> None:
    """Pixels without a label have three equal parts, apart from letters' smooth rims."""
    saved = saved_shapes(tmp_path, CURVED)
    bent, picture = reformat(saved, "coronal"), labelled_reformat(saved, "coronal")
    coloured = np.ptp(picture.astype(int), axis=2) > 8
    assert not coloured[bent.labels == 0].any()
    assert coloured[bent.labels > 0].mean() > 0.6


def test_without_vertebrae_the_middle_is_shown(tmp_path: Path) -> None:
    """There is a picture of every CT, with nothing coloured in."""
    saved = saved_shapes(tmp_path, {}, hu=lambda points: 10 * points[..., 2])
    bent = reformat(saved, "sagittal")
    assert bent.points == {}
    assert not bent.labels.any()
    # The head is up: CT numbers fall on the way down.
    assert (np.diff(bent.hu[:, 10]) <= 0).all()


def test_a_tip_at_the_border_does_not_bend_the_picture(tmp_path: Path) -> None:
    """Where only a process of the highest vertebra is in view, rows follow the bodies below."""
    shapes = {name: SPINE[name] for name in ("L1", "L2", "L3")}
    tip = {"T12": ball((8.0, -46.0, 34.0), 7.0)}
    saved = saved_shapes(tmp_path, {**tip, **shapes}, hu=lambda points: points[..., 1])
    assert saved.vertebrae[0].vertebra.truncated
    bent = reformat(saved, "coronal")
    # CT numbers are the place between back and front: at L1 it lies 3 mm behind the middle.
    assert np.abs(bent.hu[3] + 3.0).max() < 2.0
