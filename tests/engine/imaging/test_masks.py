"""Masks of three states: files that keep every state, and nothing that is no state."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.errors import PictureError
from engine.imaging import masks


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40))
def test_a_file_gives_back_every_state(seed: int, height: int, width: int) -> None:
    """Whatever mask is encoded, the same states come back, also through another library."""
    states = np.array(list(masks.STATES.values()), np.uint8)
    mask = states[np.random.default_rng(seed).integers(0, 4, (height, width))]
    data = masks.encode(mask)
    np.testing.assert_array_equal(masks.decode(data), mask)
    with Image.open(io.BytesIO(data)) as other:
        assert other.mode == "L"
        np.testing.assert_array_equal(np.asarray(other), mask)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 2, 3), np.uint8),
        np.zeros((2, 2), np.int64),
        np.zeros((0, 2), np.uint8),
        np.zeros(4, np.uint8),
    ],
    ids=["colours", "64 bits", "empty", "a line"],
)
def test_what_is_no_mask_is_refused(wrong: np.ndarray) -> None:
    """Shape and type are told."""
    with pytest.raises(PictureError, match=r"Expected a mask \(height, width\) of uint8, but got"):
        masks.encode(wrong)


def test_other_values_are_named() -> None:
    """0/128/255 out of another tool is no mask of ours before it is mapped."""
    with pytest.raises(PictureError, match="has 7, 128 too; map them to states first"):
        masks.encode(np.array([[0, 128], [255, 7]], np.uint8))


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n broken"])
def test_bytes_that_are_no_mask(data: bytes) -> None:
    """Damaged files are told apart from masks."""
    with pytest.raises(PictureError, match="Expected a mask as a PNG file"):
        masks.decode(data)


def test_a_colour_picture_is_no_mask() -> None:
    """A PNG of colours is refused, not squeezed."""
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG")
    with pytest.raises(PictureError, match="Expected a mask"):
        masks.decode(file.getvalue())
