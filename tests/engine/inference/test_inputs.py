"""Pictures become the batch that the card describes."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import InputError
from engine.inference.cards import InputSpec
from engine.inference.inputs import to_batch


def test_normalisation_follows_the_card() -> None:
    """Each channel is (value / 255 - mean) / std, channels first, RGB order kept."""
    spec = InputSpec(height=1, width=2, mean=(0.0, 0.5, 1.0), std=(1.0, 0.5, 0.25))
    pictures = np.array([[[[0, 255, 255], [255, 0, 0]]]], dtype=np.uint8)
    expected = np.array([[[[0.0, 1.0]], [[1.0, -1.0]], [[0.0, -4.0]]]], dtype=np.float32)
    np.testing.assert_allclose(to_batch(pictures, spec), expected, atol=1e-6)


def test_the_batch_is_contiguous_float32() -> None:
    """Runtimes take the batch without another copy."""
    batch = to_batch(np.zeros((2, 4, 5, 3), np.uint8), InputSpec(height=4, width=5))
    assert batch.dtype == np.float32
    assert batch.flags.c_contiguous
    assert batch.shape == (2, 3, 4, 5)


def test_grey_pictures_get_one_channel() -> None:
    """(N, H, W) becomes (N, 1, H, W) for a grey network."""
    spec = InputSpec(height=4, width=5, channels="grey", mean=(0.0,), std=(1.0,))
    assert to_batch(np.full((2, 4, 5), 255, np.uint8), spec).shape == (2, 1, 4, 5)


@pytest.mark.parametrize(
    "pictures",
    [
        np.zeros((2, 5, 4, 3), np.uint8),
        np.zeros((4, 5, 3), np.uint8),
        np.zeros((2, 4, 5, 4), np.uint8),
        np.zeros((2, 4, 5, 3), np.float32),
        np.uint8(3),
    ],
)
def test_other_sizes_and_types_are_refused(pictures: np.ndarray) -> None:
    """A sentence names the expected shape."""
    with pytest.raises(InputError, match=r"pictures of shape \(N, 4, 5, 3\) uint8"):
        to_batch(pictures, InputSpec(height=4, width=5))
