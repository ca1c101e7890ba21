"""Pictures of nuclei: which were cut from one, how they are divided, what Otsu makes of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import DatasetError
from engine.training.recipes.mosaics import mosaics
from engine.training.recipes.nuclei_card import figures_by_kind
from engine.training.recipes.nuclei_pictures import read_nuclei
from engine.training.recipes.otsu import otsu_dice, otsu_masks
from tests.engine.training.recipes.drawn_nuclei import draw_nuclei, write_folder


def _field(seed: int, height: int = 128, width: int = 192) -> np.ndarray:
    """Return a smooth picture, in which neighbouring columns are alike."""
    random = np.random.default_rng(seed)
    smooth = cv2.GaussianBlur(random.normal(size=(height, width, 3)), (0, 0), 5)
    return np.clip(128 + 700 * smooth, 0, 255).astype(np.uint8)


def test_tiles_of_one_picture_are_found() -> None:
    """Six tiles of one field hang together; those of others, and other sizes, do not."""
    field = _field(0)
    tiles = {
        f"t{row}{col}": field[64 * row : 64 * row + 64, 64 * col : 64 * col + 64]
        for row in range(2)
        for col in range(3)
    }
    others = {f"o{seed}": _field(seed, 64, 64) for seed in range(1, 6)}
    groups = mosaics({**tiles, **others, "large": field})
    assert {groups[name] for name in tiles} == {"t00"}
    assert Counter(groups.values()) == Counter({"t00": 6, "large": 1, **dict.fromkeys(others, 1)})


def test_flat_pictures_are_not_alike() -> None:
    """Pictures without any structure at their edges are not said to go on in one another."""
    flat = {name: np.full((32, 32, 3), 7, np.uint8) for name in "abc"}
    assert mosaics(flat) == {"a": "a", "b": "b", "c": "c"}


def test_each_kind_is_divided_by_itself(tmp_path: Path) -> None:
    """Of 5 stained and 15 others, a fifth is held back of each, the same on every reading."""
    found = read_nuclei(write_folder(tmp_path, 20))
    counts = Counter((one.kind, one.part) for one in found)
    assert counts["fluorescence", "test"] == 3
    assert counts["stained", "test"] == 1
    assert counts["fluorescence", "validation"] in (1, 2)
    assert found == read_nuclei(tmp_path)
    picture, mask = found[3].load()
    np.testing.assert_array_equal(mask, draw_nuclei(3, stained=False)[1])
    np.testing.assert_array_equal(picture, draw_nuclei(3, stained=False)[0])


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    """Without the index, and with a picture that is missing, a sentence says what."""
    with pytest.raises(DatasetError, match=r"index\.csv"):
        read_nuclei(tmp_path)
    write_folder(tmp_path / "a", 2)
    (tmp_path / "a" / "images" / "n01.png").unlink()
    with pytest.raises(DatasetError, match=r"n01\.png"):
        read_nuclei(tmp_path / "a")


def test_otsus_threshold_with_the_polarity_told() -> None:
    """Bright on dark or dark on bright: the threshold lies between two levels, and Dice is 1."""
    mask = np.zeros((20, 20), np.uint8)
    mask[5:12, 4:16] = 1
    for inside, outside in ((200, 30), (30, 200)):
        picture = np.repeat(np.where(mask == 1, inside, outside)[..., None], 3, 2).astype(np.uint8)
        assert otsu_dice(picture, mask) == 1.0
        bright, dark = otsu_masks(picture)
        np.testing.assert_array_equal(bright if inside > outside else dark, mask)


def test_figures_by_kind(tmp_path: Path) -> None:
    """Means of each kind, beside Otsu's on the same pictures, and the paired difference."""
    held = [one for one in read_nuclei(write_folder(tmp_path, 8)) if one.kind == "fluorescence"]
    otsu = [otsu_dice(*one.load()) for one in held]
    scores = {one.name: value + 0.03 for one, value in zip(held, otsu, strict=True)}
    figures = figures_by_kind(held, scores)
    assert figures["all"]["pictures"] == figures["fluorescence"]["pictures"] == len(held)
    assert figures["all"]["dice"]["value"] == pytest.approx(np.mean(otsu) + 0.03, abs=1e-4)
    assert figures["all"]["otsu"]["value"] == pytest.approx(np.mean(otsu), abs=1e-4)
    assert figures["all"]["better_by"] == {"value": 0.03, "low": 0.03, "high": 0.03}
    assert figures["stained"] == {
        "pictures": 0,
        "groups": 0,
        **dict.fromkeys(("dice", "otsu", "better_by"), dict.fromkeys(("value", "low", "high"))),
    }


@pytest.mark.shared_data
def test_no_mosaic_is_divided(shared_data: Path) -> None:
    """Of the real pictures no group is in two parts, and a fifth of each kind is held back."""
    folder = shared_data / "seg" / "dsb2018"
    if not folder.is_dir():
        pytest.skip("no pictures of nuclei there")
    found = read_nuclei(folder)
    parts_of: dict[str, set[str]] = {}
    for one in found:
        parts_of.setdefault(one.group, set()).add(one.part)
    assert all(len(parts) == 1 for parts in parts_of.values())
    for kind in {one.kind for one in found}:
        parts = Counter(one.part for one in found if one.kind == kind)
        assert parts["test"] / parts.total() == pytest.approx(0.2, abs=0.01)
