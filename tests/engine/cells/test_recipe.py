"""Parts of the recipe: drawn smears, cutting and turning, what is read from a labelled folder."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.cells.recipe.augmentation import cropped, recoloured
from engine.cells.recipe.samples import Sample, count_groups, held_back, taught
from engine.cells.recipe.smears import drawn_smear
from engine.errors import InputError


def test_a_drawn_smear_has_boxes_inside_and_repeats() -> None:
    """The same seed draws the same picture; boxes lie in it and have an area."""
    first = drawn_smear(np.random.default_rng(3), side_px=128)
    again = drawn_smear(np.random.default_rng(3), side_px=128)
    np.testing.assert_array_equal(first.picture, again.picture)
    assert first.picture.shape == (128, 128, 3)
    assert first.boxes.min() >= 0
    assert first.boxes.max() <= 128
    assert (first.boxes[:, 2:] > first.boxes[:, :2]).all()


def test_boxes_follow_the_picture_when_it_is_cut_and_turned() -> None:
    """A black square on white stays exactly in its box, whatever the size and the turn."""
    picture = np.full((200, 260, 3), 255, np.uint8)
    picture[60:120, 90:170] = 0
    given = Sample(
        name="square",
        picture=picture,
        boxes=np.array([[90, 60, 170, 120]], np.float32),
        classes=np.array([1]),
        complete=(True, True, True),
    )
    seen = 0
    for seed in range(40):
        part = cropped(given, np.random.default_rng(seed), side_px=160)
        assert part.picture.shape == (160, 160, 3)
        rows, columns = np.nonzero(part.picture[..., 0] < 128)
        if len(part.boxes) == 0 or len(rows) == 0:
            continue
        seen += 1
        expected = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert part.boxes[0] == pytest.approx(expected, abs=1.6)
    assert seen > 10


def test_recolouring_keeps_size_and_type() -> None:
    """Another stain, light and camera give another picture of the same shape."""
    picture = drawn_smear(np.random.default_rng(5), side_px=96).picture
    changed = [recoloured(picture, np.random.default_rng(seed)) for seed in range(12)]
    assert {one.shape for one in changed} == {picture.shape}
    assert {str(one.dtype) for one in changed} == {"uint8"}
    assert any(np.abs(one.astype(int) - picture).mean() > 5 for one in changed)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures: one taught with complete labels, one taught without, one held back."""
    for part in ("images", "labels_txl", "labels_voc"):
        (tmp_path / part).mkdir()
    for name in ("a", "b", "c", "d"):
        cv2.imwrite(str(tmp_path / "images" / f"{name}.jpg"), np.full((40, 80, 3), 200, np.uint8))
        voc = (
            "<annotation><object><name>RBC</name><bndbox><xmin>5</xmin><ymin>5</ymin>"
            "<xmax>25</xmax><ymax>25</ymax></bndbox></object><object><name>RBC</name><bndbox>"
            "<xmin>7</xmin><ymin>7</ymin><xmax>7</xmax><ymax>7</ymax></bndbox></object></annotation>"
        )
        (tmp_path / "labels_voc" / f"{name}.xml").write_text(voc)
    for name in ("a", "c"):
        (tmp_path / "labels_txl" / f"{name}.txt").write_text("1 0.5 0.5 0.25 0.5\n")
    (tmp_path / "train.txt").write_text("a\nb\nd\n")
    (tmp_path / "val.txt").write_text("c\n")
    (tmp_path / "field_groups.csv").write_text("image,field_group\na,1\nb,2\nc,3\nd,3\n")
    return tmp_path


def test_labels_are_read_in_pixels(folder: Path) -> None:
    """Shares of an 80 × 40 picture: centre (40, 20), size 20 × 20."""
    first = taught(folder)[0]
    assert first.boxes.tolist() == [[30.0, 10.0, 50.0, 30.0]]
    assert first.complete == (True, True, True)


def test_a_picture_of_a_held_back_field_is_not_taught(folder: Path) -> None:
    """Picture d shows the field of c, which is held back."""
    assert [one.name for one in taught(folder)] == ["a", "b"]
    assert [one.name for one in held_back(folder)] == ["c"]
    assert count_groups(folder, taught(folder)) == 2


def test_incomplete_labels_are_known_as_such_and_empty_boxes_dropped(folder: Path) -> None:
    """Without the complete labels only white cells count as complete; a box of no area goes."""
    second = taught(folder)[1]
    assert second.complete == (True, False, False)
    assert second.boxes.tolist() == [[5.0, 5.0, 25.0, 25.0]]


def test_another_folder_is_refused_with_a_sentence(tmp_path: Path) -> None:
    """A folder without lists of names is not one of labelled smears."""
    with pytest.raises(InputError, match=r"Expected val.txt in .*; give the folder"):
        taught(tmp_path)
