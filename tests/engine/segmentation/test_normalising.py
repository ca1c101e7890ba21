"""Levels of whole pictures, and what becomes of their bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.errors import InputError, ModelError
from engine.inference.tiled_sources import ArraySource
from engine.segmentation.normalising import Levels, Normalisation, normalise, sample


def noise(height: int, width: int) -> Any:
    return np.random.default_rng(0).integers(20, 200, (height, width, 3), dtype=np.uint8)


def test_each_channel_gets_mean_0_and_spread_1() -> None:
    """Of a picture without extremes the scores are z-scores, as NumPy computes them."""
    picture = noise(60, 50) // np.array([1, 2, 4], np.uint8)
    found = normalise(picture, Normalisation().measure(picture))
    wanted = (picture - picture.mean((0, 1))) / picture.std((0, 1))
    np.testing.assert_allclose(found, np.moveaxis(wanted, -1, 0), atol=0.02)
    assert found.dtype == np.float32


def test_a_few_glaring_pixels_do_not_move_the_levels() -> None:
    """Four of a thousand pixels at 255 are cut to the 99.5th percentile."""
    plain = np.random.default_rng(1).integers(90, 111, (50, 40, 3), dtype=np.uint8)
    glaring = plain.copy()
    glaring[0, :8] = 255
    before, after = (Normalisation().measure(picture) for picture in (plain, glaring))
    np.testing.assert_allclose(after.mean, before.mean, atol=0.5 / 255)
    np.testing.assert_allclose(after.std, before.std, atol=0.5 / 255)


def test_an_even_picture_is_all_zero() -> None:
    """Nothing is divided by a spread of 0: it is at least 8 of 255."""
    picture = np.full((5, 5, 3), 77, np.uint8)
    levels = Normalisation().measure(picture)
    assert levels.std == pytest.approx((8 / 255,) * 3)
    assert np.abs(normalise(picture, levels)).max() < 1e-6


def test_loud_values_keep_their_order() -> None:
    """Beyond six spreads values grow slowly, and each byte stays below the next."""
    table = Levels(mean=(0.1, 0.1, 0.1), std=(8 / 255,) * 3).table()
    assert (np.diff(table, axis=1) > 0).all()
    assert table.max() == pytest.approx(6 + np.log1p(0.9 * 255 / 8 - 6), abs=1e-5)


def test_fixed_levels_are_the_models_own() -> None:
    """``fixed`` is (value / 255 - mean) / std, whatever the picture."""
    fixed = Normalisation(kind="fixed", mean=(0.0, 0.5, 1.0), std=(1.0, 0.5, 2.0))
    picture = np.full((1, 1, 3), 255, np.uint8)
    assert normalise(picture, fixed.measure(picture)).ravel().tolist() == [1.0, 1.0, 0.0]


def test_read_by_part_or_whole_the_levels_are_the_same() -> None:
    """A large picture read in bands is sampled at the same pixels as an array."""
    picture = noise(1700, 1300)
    np.testing.assert_array_equal(sample(ArraySource(picture)), sample(picture))
    assert sample(picture).shape[0] * sample(picture).shape[1] <= 1_000_000
    rule = Normalisation()
    assert rule.measure(ArraySource(picture)) == rule.measure(picture)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3_000_000), (3_000_000, 1)])
def test_thin_pictures_have_levels(shape: tuple[int, int]) -> None:
    """One pixel, one row and one column are sampled too."""
    assert sample(np.zeros((*shape, 3), np.uint8)).size >= 3


def test_json_and_back() -> None:
    """What a card holds is read as it was written."""
    rule = Normalisation(kind="fixed", mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    assert Normalisation.from_json(rule.to_json()) == rule
    assert Normalisation.from_json({}) == Normalisation()


@pytest.mark.parametrize(
    "document",
    [
        *([1], "picture", None, {"kind": "other"}, {"means": [0, 0, 0]}),
        *({"std": [0, 1, 1]}, {"mean": [1, 2]}, {"mean": "abc"}, {"mean": [1, 2, float("nan")]}),
    ],
)
def test_what_a_card_must_not_say(document: Any) -> None:
    """An unknown kind, a wrong count, no numbers and a spread of 0 are refused."""
    with pytest.raises(ModelError, match=r"details\.normalisation"):
        Normalisation.from_json(document)


@pytest.mark.parametrize("bad", [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 3), np.float32)])
def test_only_rgb_of_bytes_is_normalised(bad: Any) -> None:
    """Grey and floats are other modules' business."""
    with pytest.raises(InputError, match="uint8"):
        normalise(bad, Levels(mean=(0, 0, 0), std=(1, 1, 1)))
