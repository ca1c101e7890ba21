"""Variation of training pictures: same size, same truth, no trace of the source."""

from __future__ import annotations

import numpy as np
import pytest

from engine.eyes import crops
from engine.eyes.recipe import augmentation, drawn
from engine.eyes.recipe.samples import Sample


@pytest.fixture(scope="module")
def eye() -> Sample:
    """Return a rendered eye with its regions."""
    return drawn.drawn_sample(3, label=2)


def test_a_varied_crop_has_the_network_s_size(eye: Sample) -> None:
    """Whatever is drawn, pixels and regions are (128, 144)."""
    for seed in range(60):
        pixels, regions = augmentation.augmented(eye, np.random.default_rng(seed))
        assert pixels.shape == (128, 144, 3)
        assert pixels.dtype == np.uint8
        assert regions is not None
        assert regions.shape == (128, 144)
        assert regions.max() <= 3


def test_the_same_generator_gives_the_same_crop(eye: Sample) -> None:
    """A resumed training sees what it would have seen."""
    first, _ = augmentation.augmented(eye, np.random.default_rng(5))
    second, _ = augmentation.augmented(eye, np.random.default_rng(5))
    np.testing.assert_array_equal(first, second)


def test_the_geometry_is_that_of_the_served_crop(eye: Sample) -> None:
    """Without variation the recipe's own matrix gives the matrix of canonical_crop."""
    corners = ((50.0, 61.0), (130.0, 70.0))
    expected = crops.canonical_crop(eye.pixels, corners).matrix
    np.testing.assert_allclose(augmentation._canonical(corners), expected, atol=1e-9)


def test_the_border_view_hides_the_eye_and_keeps_the_rest(eye: Sample) -> None:
    """The middle has one colour, the four corners are untouched."""
    crop = augmentation.plain_crop(eye)
    shown = augmentation.border_only(crop)
    assert len(np.unique(shown[50:78, 50:94].reshape(-1, 3), axis=0)) == 1
    np.testing.assert_array_equal(shown[:10, :10], crop[:10, :10])


def test_the_neutral_view_has_no_fine_detail_left(eye: Sample) -> None:
    """Down to 72 px and up again: little changes when it is done to the result once more."""
    noise = np.random.default_rng(0).integers(0, 256, (128, 144, 3), dtype=np.uint8)
    shown = augmentation.neutral(noise, np.random.default_rng(1))
    assert shown.shape == (128, 144, 3)
    horizontal = np.abs(np.diff(shown.astype(int), axis=1)).mean()
    assert horizontal < 0.5 * np.abs(np.diff(noise.astype(int), axis=1)).mean()
