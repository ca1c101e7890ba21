"""Where tiles lie and what their pixels weigh."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.errors import InputError
from engine.inference.tiled_grid import Tiling, tiles_along


def test_the_tiles_of_monais_grid() -> None:
    """2,048 pixels, tiles of 512, a quarter shared: five, every 384 pixels, as MONAI has it."""
    tiles = tiles_along(2048, Tiling(tile_px=512, overlap=0.25, multiple=16))
    assert (tiles.starts, tiles.side) == ((0, 384, 768, 1152, 1536), 512)


@pytest.mark.parametrize("multiple", [1, 16, 32])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.9])
def test_every_length_is_covered_and_weighed_once(multiple: int, overlap: float) -> None:
    """Tiles begin and end on the network's raster, cover all pixels, and weights sum to 1."""
    for length in (*range(1, 140), 511, 512, 513, 1000, 2999):
        tiling = Tiling(tile_px=128, overlap=overlap, multiple=multiple)
        tiles = tiles_along(length, tiling)
        sums = np.zeros(tiles.starts[-1] + tiles.side)
        for start, weights in zip(tiles.starts, tiles.weights, strict=True):
            sums[start : start + tiles.side] += weights
        np.testing.assert_allclose(sums, 1, atol=1e-6)
        assert len(sums) == math.ceil(length / multiple) * multiple
        assert not any(start % multiple for start in (*tiles.starts, tiles.side))
        assert tiles.side <= 128


def test_the_outer_quarter_of_what_is_shared_counts_nothing() -> None:
    """Of 32 shared pixels the first and last 8 belong to one tile alone; a border keeps all."""
    tiles = tiles_along(224, Tiling(tile_px=128, overlap=0.25, multiple=16))
    assert tiles.starts == (0, 96)
    first, second = tiles.weights
    assert first[:104] == pytest.approx(1, abs=1e-6)
    assert first[120:] == pytest.approx(0, abs=1e-6)
    assert second[:8] == pytest.approx(0, abs=1e-6)
    assert second[24:] == pytest.approx(1, abs=1e-6)
    assert first[111] + second[15] == pytest.approx(1)
    assert first[111] == pytest.approx(second[16], abs=1e-6)  # as smooth there as back


def test_a_little_more_than_a_tile_makes_two_small_tiles() -> None:
    """520 pixels take two tiles of 304 instead of two of 512: work grows with the area."""
    tiles = tiles_along(520, Tiling(tile_px=512, overlap=0.25, multiple=16))
    assert (len(tiles.starts), tiles.side) == (2, 304)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tile_px": 8, "multiple": 16}, "at least 16"),
        ({"tile_px": 64, "overlap": 0.95}, "0 to 0.9"),
        ({"tile_px": 64, "overlap": -0.1}, "0 to 0.9"),
        ({"tile_px": 64, "multiple": 0}, "at least 0"),
    ],
)
def test_impossible_tiles_are_refused(values: dict[str, float], words: str) -> None:
    """The sentence says what would be possible."""
    with pytest.raises(InputError, match=words):
        Tiling(**values)  # type: ignore[arg-type]  # that is the point


def test_a_picture_without_pixels_is_refused() -> None:
    """A side of 0 is no picture."""
    with pytest.raises(InputError, match="at least one pixel"):
        tiles_along(0, Tiling(tile_px=64))
