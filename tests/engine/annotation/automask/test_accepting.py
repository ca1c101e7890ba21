"""Taking a proposal over by class, region or whole, and remembering where pixels come from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.annotation.automask import (
    Proposal,
    accept_all,
    accept_class,
    accept_region,
    open_regions,
    over_picture,
    regions,
    whence,
)
from engine.annotation.automask.provenance import (
    EDITED,
    HUMAN,
    MODEL,
    NOBODY,
    doubt_of,
    summary,
)
from engine.annotation.raster import draw
from engine.annotation.strokes import Stroke
from engine.errors import RequestError

SHAPE = (30, 40)


def proposal() -> Proposal:
    """Two squares of state 1, one of state 2, nothing elsewhere."""
    mask = np.full(SHAPE, 255, np.uint8)
    mask[2:10, 2:10], mask[2:10, 20:28], mask[15:25, 5:15] = 1, 1, 2
    return Proposal(mask=mask, origin="model", sentence="", source="tissue 3")


def rectangle(left: int, top: int, right: int, bottom: int, state: int) -> Stroke:
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    return Stroke(tool="rectangle", state=state, points=corners)


def empty() -> NDArray[np.uint8]:
    return np.full(SHAPE, 255, np.uint8)


def test_accepting_all_draws_the_proposal() -> None:
    """The strokes, drawn on an empty mask, are the proposal to the pixel."""
    mask = empty()
    draw(mask, accept_all(proposal()))
    assert np.array_equal(mask, proposal().mask)


def test_what_was_annotated_stays_when_kept() -> None:
    """A human rectangle inside the proposal keeps its state; without ``keep`` it goes."""
    mask = empty()
    draw(mask, [rectangle(4, 4, 8, 8, 0)])
    kept, plain = mask.copy(), mask.copy()
    draw(kept, accept_all(proposal(), keep=mask))
    draw(plain, accept_all(proposal()))
    assert (kept[4:8, 4:8] == 0).all()
    assert np.array_equal(plain, proposal().mask)


def test_one_class_alone() -> None:
    """Both squares of state 1 and nothing of state 2."""
    mask = empty()
    stroke = accept_class(proposal(), 1)
    assert stroke is not None
    draw(mask, [stroke])
    assert ((mask == 1) == (proposal().mask == 1)).all()
    assert (mask != 2).all()
    assert accept_class(proposal(), 0) is None
    with pytest.raises(RequestError, match="Choose a class"):
        accept_class(proposal(), 255)


def test_one_region_alone() -> None:
    """The square under the pen, not the other one of the same state."""
    mask = empty()
    stroke = accept_region(proposal(), 22.5, 5.5)
    assert stroke is not None
    draw(mask, [stroke])
    assert (mask[2:10, 20:28] == 1).all()
    assert (mask != 255).sum() == 64
    assert accept_region(proposal(), 35, 28) is None
    assert accept_region(proposal(), -1, 500) is None


def test_regions_are_listed_with_a_place_in_each() -> None:
    """Largest first; what is annotated does not count; taking over at the place draws just it."""
    keep = empty()
    keep[2:10, 2:6] = 0  # half of the first square
    found = open_regions(proposal(), keep)
    assert all(proposal().mask[int(one.y), int(one.x)] == one.state for one in found)
    assert [one.area_px for one in found] == sorted((one.area_px for one in found), reverse=True)
    first = next(one for one in found if one.state == 1 and one.box.left == 2)
    assert (first.area_px, first.doubt) == (32, None)
    stroke = accept_region(proposal(), first.x, first.y, keep=keep)
    assert stroke is not None
    draw(keep, [stroke])
    assert (keep[2:10, 6:10] == 1).all()
    assert len(open_regions(proposal(), keep)) == len(found) - 1
    assert len(open_regions(proposal(), most=1)) == 1


def test_doubt_of_a_region_goes_with_its_stroke() -> None:
    """Half sure in one square: 0.5 on region and stroke, kept in the stored form, in the mean."""
    doubt = np.zeros(SHAPE, np.uint8)
    doubt[2:10, 20:28] = 255
    doubt[2:6, 20:28] = 0
    unsure = Proposal(mask=proposal().mask, origin="model", sentence="", uncertainty=doubt)
    stroke = accept_region(unsure, 22.5, 5.5)
    assert stroke is not None
    assert stroke.doubt == 0.5
    again = Stroke.from_json(stroke.as_json())
    assert again.doubt == 0.5
    assert doubt_of([rectangle(0, 0, 8, 8, 2)], SHAPE) is None
    both = doubt_of([again, rectangle(0, 20, 8, 28, 2)], SHAPE)  # 64 px of each
    assert both == pytest.approx(0.25, abs=0.01)
    with pytest.raises(RequestError, match="'doubt' must be from 0 to 1"):
        replace(stroke, doubt=1.5)


def test_a_summary_counts_pixels_and_regions() -> None:
    """One region as proposed, one gone over by a person, one by hand: so many of each."""
    strokes = [*accept_all(proposal()), rectangle(20, 2, 24, 10, 1), rectangle(30, 20, 35, 25, 0)]
    mask = empty()
    draw(mask, strokes)
    found = summary(mask, whence(strokes, SHAPE))
    assert found["regions"]["edited"] == 1
    assert found["regions"]["human"] == 1
    assert found["pixels"]["edited"] == 32
    assert found["pixels"]["human"] == 25
    assert sum(found["pixels"].values()) == int((mask != 255).sum())


def test_doubt_is_shown_where_it_is() -> None:
    """Sure places look as before; unsure ones are bright."""
    doubt = np.zeros(SHAPE, np.uint8)
    doubt[:, 20:] = 255
    unsure = Proposal(mask=empty(), origin="model", sentence="", uncertainty=doubt)
    grey = np.full((*SHAPE, 3), 90, np.uint8)
    seen = over_picture(grey, unsure)
    assert (seen[:, :20] == 90).all()
    assert (seen[:, 20:, 0] > 200).all()
    with pytest.raises(RequestError, match="how sure"):
        over_picture(grey, proposal())


def test_a_mask_of_another_size_is_refused() -> None:
    """The sentence has both sizes."""
    with pytest.raises(RequestError, match="40×30 but the mask 9×9"):
        accept_all(proposal(), keep=np.zeros((9, 9), np.uint8))


def test_provenance_follows_from_the_strokes() -> None:
    """A proposal, a human stroke half over it, and a bit rubbed out; kept through a stored form."""
    taken = [Stroke.from_json(stroke.as_json()) for stroke in accept_all(proposal())]
    found = whence([*taken, rectangle(0, 12, 20, 20, 2), rectangle(20, 2, 28, 4, 255)], SHAPE)
    assert found[5, 5] == MODEL
    assert found[17, 10] == EDITED
    assert found[13, 1] == HUMAN
    assert found[3, 22] == found[29, 39] == NOBODY


def test_each_region_says_who_it_comes_from() -> None:
    """One region as the model proposed it, one that a person went over, one drawn by hand."""
    strokes = [*accept_all(proposal()), rectangle(5, 20, 15, 28, 2), rectangle(30, 20, 35, 25, 0)]
    mask = empty()
    draw(mask, strokes)
    found = {(one.state, one.box.left): one for one in regions(mask, whence(strokes, SHAPE))}
    assert found[1, 2].whence == found[1, 20].whence == "model"
    assert found[2, 5].whence == "edited"
    assert found[0, 30].whence == "human"
    assert found[1, 2].area_px == 64


def test_strokes_of_two_acceptances_are_never_the_same() -> None:
    """Each has a mark of its own, so none is taken for a repetition."""
    one, other = (accept_class(proposal(), 2) for _ in range(2))
    assert one is not None
    assert other is not None
    assert one.mark != other.mark
    assert one.mark.startswith("auto-model-")
