"""Arrays of any depth and number of channels, against hand arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import PictureError, TooLargeError
from engine.imaging import pictures
from engine.imaging.samples import over_white


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[7]], np.uint8), [7, 7, 7]),
        (np.array([[[7]]], np.uint8), [7, 7, 7]),
        (np.array([[[0, 51]]], np.uint8), [204, 204, 204]),
        (np.array([[[1, 2, 3]]], np.uint8), [1, 2, 3]),
        (np.array([[[0, 100, 255, 51]]], np.uint8), [204, 224, 255]),
        (np.array([[True]]), [255, 255, 255]),
        (np.array([[257]], np.uint16), [1, 1, 1]),
        (np.array([[[65535, 0, 32768, 65535]]], np.uint16), [255, 0, 128]),
        (np.array([[[0.5, 1.0, 0.0]]], np.float64), [128, 255, 0]),
        (np.array([[0.5]], np.float16), [128, 128, 128]),
        (np.array([[200]], np.int32), [200, 200, 200]),
        (np.array([[65535]], np.int64), [255, 255, 255]),
        (np.array([[300, 0]], np.int16), [1, 1, 1]),
    ],
)
def test_every_array_becomes_rgb(array: np.ndarray, expected: list[int]) -> None:
    """Grey, grey + alpha, RGB, RGBA of all sample types become 8-bit RGB."""
    picture = pictures.from_array(array)
    assert picture.dtype == np.uint8
    assert picture.shape == (*array.shape[:2], 3)
    assert picture[0, 0].tolist() == expected


def test_rows_and_columns_keep_their_places() -> None:
    """A tall picture, larger than one band of work, is scaled row by row without a seam."""
    tall = np.arange(1_500 * 900, dtype=np.uint32).reshape(1_500, 900) % 65536
    picture = pictures.from_array(tall.astype(np.uint16))
    expected = np.floor(tall / 257 + 0.5)
    np.testing.assert_array_equal(expected, picture[..., 1])


@given(st.integers(0, 65535))
def test_sixteen_bits_round_to_the_nearest_level(value: int) -> None:
    """Any 16-bit value goes to the nearest of the levels 257·k, as whole numbers tell."""
    level = int(pictures.from_array(np.array([[value]], np.uint16))[0, 0, 0])
    assert abs(257 * level - value) <= 128


def test_uint8_rgb_is_not_copied() -> None:
    """The everyday array passes through without a copy."""
    array = np.zeros((4, 5, 3), np.uint8)
    assert np.shares_memory(array, pictures.from_array(array))


def test_views_become_contiguous() -> None:
    """A mirrored view comes out as it looks, in memory that OpenCV takes."""
    array = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    picture = pictures.from_array(array[:, ::-1])
    assert picture.flags.c_contiguous
    np.testing.assert_array_equal(array[:, ::-1], picture)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (None, "but got NoneType"),
        ([[1, 2]], "but got list"),
        (np.zeros(5, np.uint8), r"shape \(height, width\)"),
        (np.zeros((3, 4, 5), np.uint8), "put the channels last"),
        (np.zeros((1, 4, 5, 3), np.uint8), "send one picture"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (np.zeros((2, 2), complex), "but got complex128"),
        (np.array([["a"]]), "but got <U1"),
        (np.array([[-1, 3]]), "values from -1 to 3"),
        (np.array([[np.nan]]), "values from nan"),
        (np.array([[1.01]]), "which value means white"),
        (np.array([[70_000]]), "which value means white"),
    ],
)
def test_bad_arrays(array: object, words: str) -> None:
    """Other shapes, types and ranges get a sentence with what came."""
    with pytest.raises(PictureError, match=words):
        pictures.from_array(array)


def test_white_of_the_caller() -> None:
    """``white`` sets what becomes 255; samples above it are refused, not clipped."""
    array = np.array([[0, 1023]], np.uint16)
    assert pictures.from_array(array, white=1023)[0, :, 0].tolist() == [0, 255]
    with pytest.raises(PictureError, match="from 0 to 1022"):
        pictures.from_array(array, white=1022)


def test_pixel_limit() -> None:
    """Arrays have a limit, too."""
    with pytest.raises(TooLargeError, match="5×4"):
        pictures.from_array(np.zeros((4, 5, 3), np.uint8), max_pixels=19)


@given(st.integers(0, 255), st.integers(0, 255))
def test_transparency_is_exact(colour: int, alpha: int) -> None:
    """The mix with white is the exact value, rounded to the nearest level."""
    mixed = over_white(np.full((1, 1, 3), colour, np.uint8), np.full((1, 1), alpha, np.uint8))
    assert abs(int(mixed[0, 0, 0]) - (colour * alpha + 255 * (255 - alpha)) / 255) <= 0.5
