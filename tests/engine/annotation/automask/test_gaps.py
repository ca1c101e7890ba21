"""Gaps between annotated pixels, closed with the nearest state and no farther."""

from __future__ import annotations

import numpy as np
import pytest

from engine.annotation.automask import close_gaps
from engine.errors import RequestError
from engine.imaging.drawn_tissue import draw_tissue


def test_a_gap_gets_the_nearest_state() -> None:
    """Six columns between healthy and unhealthy: three for each."""
    mask = np.full((20, 40), 255, np.uint8)
    mask[:, :17], mask[:, 23:] = 2, 1
    found = close_gaps(mask, widest_px=8).mask
    assert (found[:, 17:20] == 2).all()
    assert (found[:, 20:23] == 1).all()
    assert (found[:, :17] == 255).all()
    assert (found[:, 23:] == 255).all()


def test_a_wider_gap_stays_open() -> None:
    """Twenty columns are no gap of 8."""
    mask = np.full((40, 60), 255, np.uint8)
    mask[:, :20], mask[:, 40:] = 2, 1
    assert close_gaps(mask, widest_px=8).states == ()


def test_forgotten_specks_of_drawn_tissue_are_put_back() -> None:
    """5 % of the pixels wiped out: nearly all come back as they were."""
    truth = draw_tissue(3, side_px=200, looked_at_share=1.0).mask
    wiped = np.random.default_rng(0).random(truth.shape) < 0.05
    found = close_gaps(np.where(wiped, np.uint8(255), truth), widest_px=6).mask
    assert (found[wiped] == truth[wiped]).mean() > 0.98
    assert (found[~wiped] == 255).all()


def test_tiles_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of 64 pixels give what one tile gives."""
    truth = draw_tissue(3, side_px=200).mask
    truth[np.random.default_rng(0).random(truth.shape) < 0.3] = 255
    whole = close_gaps(truth).mask
    monkeypatch.setattr("engine.annotation.automask.gaps._TILE_PX", 64)
    assert np.array_equal(close_gaps(truth).mask, whole)


@pytest.mark.parametrize("value", [0, 255])
def test_all_or_nothing_annotated_has_no_gap(value: int) -> None:
    """There is nothing between, or nothing to take a state from."""
    assert close_gaps(np.full((30, 30), value, np.uint8)).states == ()


def test_a_width_outside_its_range_is_refused() -> None:
    """1 to 512 pixels."""
    with pytest.raises(RequestError, match="widest_px"):
        close_gaps(np.zeros((9, 9), np.uint8), widest_px=0)
