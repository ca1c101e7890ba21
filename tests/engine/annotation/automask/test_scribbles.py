"""Teaching by scribbles on drawn tissue, whose mask is right by construction."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.annotation.agreement import compare
from engine.annotation.automask import most_uncertain, teach
from engine.annotation.automask.features import FEATURES, REACH_PX, measure
from engine.annotation.automask.proposals import Proposal
from engine.errors import RequestError
from engine.imaging.drawn_tissue import DrawnTissue, draw_tissue

SIDE = 448


@cache
def slice_of_tissue() -> DrawnTissue:
    return draw_tissue(5, side_px=SIDE, looked_at_share=1.0)


def scribble(truth: NDArray[np.uint8], *, lines: int = 4, seed: int = 1) -> NDArray[np.uint8]:
    """Return a few short lines in each state, as a hand would draw them."""
    random = np.random.default_rng(seed)
    scribbled = np.full(truth.shape, 255, np.uint8)
    for state in np.unique(truth).tolist():
        places = np.argwhere(truth == state)
        for _ in range(lines):
            row, col = places[random.integers(len(places))]
            reach = random.normal(0, SIDE / 14, 2)
            canvas = np.zeros(truth.shape, np.uint8)
            ends = [(int(col + sign * reach[0]), int(row + sign * reach[1])) for sign in (-1, 1)]
            cv2.line(canvas, ends[0], ends[1], 1, 7)
            scribbled[(canvas > 0) & (truth == state)] = state
    return scribbled


@cache
def taught() -> tuple[NDArray[np.uint8], Proposal]:
    tissue = slice_of_tissue()
    scribbled = scribble(tissue.mask)
    return scribbled, teach(tissue.picture, scribbled)


def test_a_few_scribbles_find_most_of_the_picture() -> None:
    """Four lines for each state, 3 % of the pixels: glass is found, and most tissue of each kind.

    Chance would give a Dice near 0.3; the bounds are the issue's use, not a figure to be tuned to.
    """
    scribbled, proposal = taught()
    assert (scribbled != 255).mean() < 0.05
    dice = compare(proposal.mask, slice_of_tissue().mask).dice
    assert dice["background"] is not None
    assert dice["background"] > 0.95
    assert dice["unhealthy"] is not None
    assert dice["unhealthy"] > 0.6
    assert dice["healthy"] is not None
    assert dice["healthy"] > 0.7


def test_what_was_painted_stays() -> None:
    """Under the scribbles stands what the hand said, without doubt."""
    scribbled, proposal = taught()
    painted = scribbled != 255
    assert (proposal.mask[painted] == scribbled[painted]).all()
    assert proposal.uncertainty is not None
    assert not proposal.uncertainty[painted].any()
    assert proposal.states == (0, 1, 2)


def test_it_is_less_certain_where_it_is_wrong() -> None:
    """Mean uncertainty of wrong pixels is well above that of right ones."""
    _, proposal = taught()
    assert proposal.uncertainty is not None
    wrong = proposal.mask != slice_of_tissue().mask
    assert proposal.uncertainty[wrong].mean() > 1.5 * proposal.uncertainty[~wrong].mean()


def test_the_same_scribbles_give_the_same_proposal() -> None:
    """Nothing is left to chance."""
    scribbled, proposal = taught()
    again = teach(slice_of_tissue().picture, scribbled)
    assert np.array_equal(again.mask, proposal.mask)


def test_painting_where_it_points_helps() -> None:
    """Four rounds of "paint here next" with the truth leave fewer wrong pixels."""
    tissue = slice_of_tissue()
    scribbled, proposal = taught()
    scribbled = scribbled.copy()
    before = (proposal.mask != tissue.mask).sum()
    for _ in range(4):
        box = most_uncertain(proposal, scribbled)
        assert box is not None
        scribbled[box.part] = tissue.mask[box.part]
        proposal = teach(tissue.picture, scribbled)
    assert (proposal.mask != tissue.mask).sum() < before


def test_tiles_have_the_features_of_the_whole() -> None:
    """Away from the cut by its reach, a part cut at a multiple of 32 gives the very same."""
    picture = slice_of_tissue().picture
    whole, part = measure(picture), measure(picture[64:, 96:])
    assert whole.shape == (FEATURES, SIDE, SIDE)
    inner = part[:, REACH_PX:, REACH_PX:]
    np.testing.assert_allclose(inner, whole[:, 64 + REACH_PX :, 96 + REACH_PX :], atol=1e-5)


def test_a_turned_picture_is_masked_as_the_picture() -> None:
    """No direction is special: a quarter turn turns the proposal too, but for a few pixels."""
    picture, (scribbled, proposal) = slice_of_tissue().picture, taught()
    turned = teach(
        np.ascontiguousarray(np.rot90(picture)), np.ascontiguousarray(np.rot90(scribbled))
    )
    assert (np.rot90(turned.mask, -1) == proposal.mask).mean() > 0.9


def test_several_tiles_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of 224 pixels give what one tile gives, but for a few pixels beside a cut."""
    scribbled, proposal = taught()
    monkeypatch.setattr("engine.annotation.automask.scribbles._TILE_PX", 224)
    tiled = teach(slice_of_tissue().picture, scribbled)
    assert (tiled.mask == proposal.mask).mean() > 0.999


def test_named_classes_are_learned_too() -> None:
    """Any values but 255 are classes."""
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, 48:] = (200, 60, 40)
    scribbled = np.full((64, 96), 255, np.uint8)
    scribbled[30:34, 5:20], scribbled[30:34, 70:80] = 7, 130
    proposal = teach(picture, scribbled)
    assert proposal.states == (7, 130)
    assert (proposal.mask[:, :44] == 7).all()
    assert (proposal.mask[:, 52:] == 130).all()


@pytest.mark.parametrize("states", [[], [1]])
def test_one_class_is_not_enough(states: list[int]) -> None:
    """It says what to paint."""
    scribbled = np.full((64, 64), 255, np.uint8)
    for state in states:
        scribbled[3:9, 3:9] = state
    with pytest.raises(RequestError, match="at least two classes"):
        teach(np.zeros((64, 64, 3), np.uint8), scribbled)


def test_scribbles_of_another_size_are_refused() -> None:
    """Both shapes are named."""
    with pytest.raises(RequestError, match=r"\(64, 64, 3\) and \(32, 64\)"):
        teach(np.zeros((64, 64, 3), np.uint8), np.zeros((32, 64), np.uint8))


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (33, 31)])
def test_small_pictures_work(shape: tuple[int, int]) -> None:
    """Smaller than the coarsest scale, or thin: features exist and are finite."""
    planes = measure(np.full((*shape, 3), 90, np.uint8))
    assert planes.shape == (FEATURES, *shape)
    assert np.isfinite(planes).all()


def test_the_most_uncertain_place_is_found() -> None:
    """One doubtful square of 40 pixels, away from a painted one that is no more in question."""
    doubt = np.zeros((200, 300), np.uint8)
    doubt[100:140, 200:240] = 200
    doubt[10:60, 10:60] = 255
    scribbled = np.full((200, 300), 255, np.uint8)
    scribbled[10:60, 10:60] = 1
    proposal = Proposal(mask=scribbled, uncertainty=doubt, origin="scribbles", sentence="")
    box = most_uncertain(proposal, scribbled, side_px=40)
    assert box is not None
    assert (box.left, box.top, box.width, box.height) == (200, 100, 40, 40)
    done = Proposal(mask=scribbled, uncertainty=doubt * 0, origin="scribbles", sentence="")
    assert most_uncertain(done) is None


def test_without_uncertainty_there_is_no_next_place() -> None:
    """A threshold knows no doubt."""
    proposal = Proposal(mask=np.zeros((9, 9), np.uint8), origin="stain", sentence="")
    with pytest.raises(RequestError, match="how sure"):
        most_uncertain(proposal)
