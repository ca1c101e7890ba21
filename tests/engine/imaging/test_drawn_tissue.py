"""Drawn tissue: its mask says what was drawn, exactly, and the picture shows it."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import RequestError
from engine.imaging import masks
from engine.imaging.drawn_tissue import draw_tissue


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_the_unhealthy_share_is_met(share: float) -> None:
    """Of all tissue, the part that was asked for is unhealthy."""
    mask = draw_tissue(5, side_px=256, unhealthy_share=share, looked_at_share=1.0).mask
    found = masks.counts(mask)
    tissue = found["unhealthy"] + found["healthy"]
    assert found["unhealthy"] / tissue == pytest.approx(share, abs=0.001)
    assert found["not_annotated"] == 0


def test_columns_that_nobody_looked_at() -> None:
    """A tenth on the right, and nothing else, is not annotated."""
    mask = draw_tissue(1, side_px=200, looked_at_share=0.9).mask
    assert (mask[:, 180:] == masks.NOT_ANNOTATED).all()
    assert not (mask[:, :180] == masks.NOT_ANNOTATED).any()


def test_the_same_numbers_give_the_same_picture() -> None:
    """Seed 1 is always seed 1, and never seed 2."""
    first, again, other = (draw_tissue(seed, side_px=128) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.picture, again.picture)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert (first.picture != other.picture).any()


@pytest.mark.parametrize("seed", range(4))
def test_what_the_mask_says_is_seen_in_the_picture(seed: int) -> None:
    """Glass is brightest, and the unhealthy part has more dark nuclei than the healthy one."""
    tissue = draw_tissue(seed, side_px=384, unhealthy_share=0.4)
    light = tissue.picture.mean(axis=2)
    dark = light < 140
    where = {name: tissue.mask == value for name, value in masks.STATES.items()}
    assert light[where["background"]].mean() > light[where["healthy"]].mean() + 15
    # Nuclei of crypt walls are in both parts; a crowd between the crypts in one only.
    assert light[where["unhealthy"]].mean() < light[where["healthy"]].mean()
    assert dark[where["unhealthy"]].mean() > dark[where["healthy"]].mean()


def test_it_is_a_picture_as_all_others() -> None:
    """RGB of 8 bits and a mask of the same size, at the smallest and at an odd size."""
    for side in (64, 129):
        tissue = draw_tissue(0, side_px=side)
        assert (tissue.picture.shape, tissue.picture.dtype) == ((side, side, 3), np.uint8)
        assert (tissue.mask.shape, tissue.mask.dtype) == ((side, side), np.uint8)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"side_px": 10}, "'side_px' must be from 64 to 4096, but is 10"),
        ({"side_px": 9000}, "'side_px' must be from 64 to 4096"),
        ({"unhealthy_share": 1.5}, "A share must be from 0 to 1"),
        ({"looked_at_share": -0.1}, "A share must be from 0 to 1"),
    ],
)
def test_numbers_out_of_range(options: dict[str, float], said: str) -> None:
    """Sizes and shares have bounds."""
    with pytest.raises(RequestError, match=said):
        draw_tissue(0, **options)  # type: ignore[arg-type]
