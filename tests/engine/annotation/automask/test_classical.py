"""Thresholds of stains and the watershed: drawn tissue and drawn nuclei of known number."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.annotation.agreement import compare
from engine.annotation.automask import stained, tissue
from engine.annotation.automask.classical import haematoxylin
from engine.errors import RequestError
from engine.imaging.drawn_tissue import draw_tissue

PINK, PURPLE = (232, 186, 208), (92, 62, 138)


@pytest.mark.parametrize("side_px", [300, 512])
def test_tissue_is_told_from_glass(side_px: int) -> None:
    """The slice with the light inside of its crypts, against the mask it was drawn by."""
    drawn = draw_tissue(5, side_px=side_px, looked_at_share=1.0)
    truth = np.where(drawn.mask == 0, 0, 2).astype(np.uint8)
    dice = compare(tissue(drawn.picture).mask, truth).dice
    assert dice["background"] is not None
    assert dice["background"] > 0.97
    assert dice["healthy"] is not None
    assert dice["healthy"] > 0.97


def nuclei(places: list[tuple[int, int]], radius: int = 9) -> NDArray[np.uint8]:
    picture = np.full((120, 160, 3), PINK, np.uint8)
    for x, y in places:
        cv2.circle(picture, (x, y), radius, PURPLE, cv2.FILLED)
    return picture


def pieces(mask: NDArray[np.uint8], state: int) -> int:
    return int(cv2.connectedComponents((mask == state).astype(np.uint8), connectivity=4)[0]) - 1


def test_nuclei_that_touch_are_parted() -> None:
    """Three alone and two pairs that overlap by a fifth: seven pieces, each nearly its disc."""
    picture = nuclei([(20, 20), (60, 25), (140, 20), (30, 80), (45, 80), (100, 70), (100, 85)])
    proposal = stained(picture)
    assert pieces(proposal.mask, 1) == 7
    assert "7 dark pieces" in proposal.sentence
    drawn = (picture == PURPLE).all(axis=2)
    found = proposal.mask == 1
    assert 2 * (found & drawn).sum() / (found.sum() + drawn.sum()) > 0.9
    assert proposal.states == (1,)


def test_specks_are_left_out() -> None:
    """A dot of 5 pixels is no nucleus unless asked for."""
    picture = nuclei([(40, 40)])
    picture[100, 100:105] = PURPLE
    picture[101, 100:105] = PURPLE
    assert pieces(stained(picture, smallest_px=40).mask, 1) == 1


def test_haematoxylin_is_what_nuclei_have() -> None:
    """Violet absorbs far more of it than pink, glass nothing."""
    row = np.array([[PURPLE, PINK, (255, 255, 255)]], np.uint8)
    dark, light, glass = haematoxylin(row)[0].tolist()
    assert dark > 3 * light
    assert glass == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("find", [tissue, stained])
def test_a_plain_picture_has_nothing_to_tell_apart(find: type) -> None:
    """The sentence offers another way."""
    with pytest.raises(RequestError, match="paint scribbles"):
        find(np.full((50, 50, 3), 200, np.uint8))


def test_a_grey_array_is_refused() -> None:
    """Stains need colours."""
    with pytest.raises(RequestError, match=r"\(50, 50\)"):
        stained(np.zeros((50, 50), np.uint8))
