"""Drawing masks on stored pictures: kept at once, undone, stored, compared, put back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.annotation.automask import Proposal
from engine.annotation.canvas_objects import Seed
from engine.annotation.raster import Box
from engine.annotation.strokes import Stroke
from engine.catalogue.proposing import Proposed, accept, open_regions, propose, shown
from engine.errors import (
    BusyError,
    NotAllowedError,
    NotFoundError,
    PictureError,
    RequestError,
    TooLargeError,
)
from engine.imaging import masks, pictures
from engine.people.actors import Actor
from engine.settings import Settings
from engine.store.records import Image, Mask
from engine.workbench import Workbench

ANN = Actor(id="ann", name="Ann", role="ANNOTATOR")
UPLOADER = Actor(id="uli", name="Uli", role="UPLOADER")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    """A workbench with one picture of 40×30, grey, without a mask."""
    opened = Workbench(Settings(home=tmp_path / "home"))
    put_picture(opened, "p", width=40, height=30)
    yield opened
    opened.close()


def put_picture(bench: Workbench, name: str, *, width: int, height: int) -> None:
    data = pictures.encode_png(np.full((height, width, 3), 90, np.uint8))
    kept = bench.files.put(data, media_type="image/png")
    image = Image(
        id=name,
        name="p.png",
        sha256=kept.sha256,
        media_type="image/png",
        width_px=width,
        height_px=height,
    )
    with bench.store.images.transaction() as images:
        images.put(image)


def put_mask(bench: Workbench, mask: np.ndarray, **fields) -> Mask:
    kept = bench.files.put(masks.encode(mask), media_type="image/png")
    with bench.store.masks.transaction() as changes:
        return changes.put(Mask(image_id="p", sha256=kept.sha256, **fields))


def take(bench: Workbench, tab: str = "t", actor: Actor = ANN, *, by_force: bool = False):
    return bench.annotation.take("p", actor, tab, is_open=lambda _: True, by_force=by_force)


def square(left: float, top: float, side: float, state: int = 1, mark: str = "") -> Stroke:
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * side + (left, top)
    return Stroke(tool="rectangle", state=state, points=corners, mark=mark)


def test_a_stroke_is_in_the_mask_of_the_next_process(bench: Workbench) -> None:
    """Another workbench of the same home, as after a crash, sees the stroke to the pixel."""
    take(bench)
    assert bench.annotation.draw("p", ANN, [square(2, 3, 5)], tab="t") == 1
    expected = np.full((30, 40), 255, np.uint8)
    expected[3:8, 2:7] = 1
    np.testing.assert_array_equal(bench.annotation.mask("p", ANN), expected)
    again = Workbench(bench.settings)
    np.testing.assert_array_equal(again.annotation.mask("p", ANN), expected)
    assert again.annotation.standing("p", ANN).strokes == 1


def test_undo_shows_what_was_below(bench: Workbench) -> None:
    """Taking a stroke back shows the earlier strokes and the stored mask beneath it."""
    below = np.zeros((30, 40), np.uint8)
    below[:, 20:] = 2
    put_mask(bench, below)
    take(bench)
    bench.annotation.draw("p", ANN, [square(0, 0, 12), square(10, 0, 12, 2)], tab="t")
    before = bench.annotation.mask("p", ANN)
    assert before[0, 11] == 2
    bench.annotation.undo("p", ANN, tab="t")
    below[:12, :12] = 1
    np.testing.assert_array_equal(bench.annotation.mask("p", ANN), below)
    bench.annotation.redo("p", ANN, tab="t")
    np.testing.assert_array_equal(bench.annotation.mask("p", ANN), before)


def test_undoing_any_stroke_equals_never_having_drawn_it(bench: Workbench) -> None:
    """Redrawing only what changed gives the same mask as drawing the rest anew."""
    random = np.random.default_rng(0)
    take(bench)
    for number in range(12):
        points = random.uniform(-3, 40, (3, 2))
        stroke = Stroke(tool="brush", state=number % 3, points=points, width_px=9)
        bench.annotation.draw("p", ANN, [stroke], tab="t")
        bench.annotation.mask("p", ANN)
        if number % 3 == 2:
            bench.annotation.undo("p", ANN, tab="t", seq=number - 1)
            fresh = Workbench(bench.settings).annotation.mask("p", ANN)
            np.testing.assert_array_equal(bench.annotation.mask("p", ANN), fresh)


def test_a_fill_keeps_the_area_that_it_found(bench: Workbench) -> None:
    """A fill covers what hung together then, whatever is undone below it later."""
    take(bench)
    bench.annotation.draw("p", ANN, [square(0, 0, 10)], tab="t")
    fill = Seed(tool="fill", state=2, x=5.5, y=5.5, mark="f")
    bench.annotation.draw("p", ANN, [fill], tab="t")
    assert int((bench.annotation.mask("p", ANN) == 2).sum()) == 100
    bench.annotation.undo("p", ANN, tab="t", seq=1)
    assert int((bench.annotation.mask("p", ANN) == 2).sum()) == 100
    assert bench.annotation.draw("p", ANN, [fill], tab="t") == 0


def test_a_revision_holds_mask_and_strokes(bench: Workbench) -> None:
    """Saving makes a record with author, counts, parent and the strokes; nothing is unsaved."""
    parent = put_mask(bench, np.zeros((30, 40), np.uint8), origin="model")
    take(bench)
    bench.annotation.draw("p", ANN, [square(0, 0, 10)], tab="t")
    assert bench.annotation.standing("p", ANN).unsaved == 1
    mask = bench.annotation.save("p", ANN, tab="t", comment=" done ", for_review=True)
    assert (mask.revision, mask.parent, mask.origin) == (2, parent.id, "edited")
    assert (mask.author, mask.state, mask.comment) == ("ann", "submitted", "done")
    assert mask.counts == {"background": 1100, "unhealthy": 100}
    assert masks.decode(bench.files.read(mask.sha256))[9, 9] == 1
    (line,) = bench.files.read(mask.strokes_sha256).decode().splitlines()
    assert json.loads(line)["tool"] == "rectangle"
    assert bench.annotation.standing("p", ANN).unsaved == 0
    assert bench.store.images.read()["p"].status == "to_review"
    np.testing.assert_array_equal(
        bench.annotation.mask("p", ANN), Workbench(bench.settings).annotation.mask("p", ANN)
    )


def test_going_back_and_comparing(bench: Workbench) -> None:
    """An older revision is put back, and that is undone; what differs is counted."""
    take(bench)
    bench.annotation.draw("p", ANN, [square(0, 0, 10)], tab="t")
    first = bench.annotation.save("p", ANN, tab="t")
    bench.annotation.draw("p", ANN, [square(0, 0, 5, 2)], tab="t")
    second = bench.annotation.save("p", ANN, tab="t")
    assert [mask.id for mask in bench.annotation.revisions("p", ANN)] == [second.id, first.id]
    compared = bench.annotation.compare("p", ANN, first.id, second.id)
    assert compared.changed_px == 25
    assert compared.second == {1: 75, 2: 25, 255: 1100}
    assert pictures.decode(compared.picture).shape == (30, 40, 3)
    bench.annotation.restore("p", first.id, ANN, tab="t")
    assert bench.annotation.compare("p", ANN, first.id, "").changed_px == 0
    bench.annotation.undo("p", ANN, tab="t")
    assert bench.annotation.compare("p", ANN, second.id, "").changed_px == 0


def test_two_people_do_not_draw_at_once(bench: Workbench) -> None:
    """The second is told who draws and gets no stroke in, until the pen is taken over."""
    eve = Actor(id="eve", name="Eve", role="REVIEWER")
    take(bench, "one")
    pen = take(bench, "two", eve)
    assert (pen.is_mine, pen.name, pen.may_draw) == (False, "Ann", True)
    with pytest.raises(BusyError, match="Ann draws on this picture in another tab"):
        bench.annotation.draw("p", eve, [square(0, 0, 9)], tab="two")
    with pytest.raises(BusyError, match="another tab"):
        bench.annotation.save("p", eve, tab="two")
    assert take(bench, "two", eve, by_force=True).is_mine
    assert bench.annotation.draw("p", eve, [square(0, 0, 9)], tab="two") == 1


def test_who_may_only_look_does_not_draw(bench: Workbench) -> None:
    """An uploader sees the mask, gets no pen, and every change is refused."""
    pen = take(bench, "t", UPLOADER)
    assert (pen.is_mine, pen.may_draw) == (False, False)
    bench.annotation.mask("p", UPLOADER)
    for change in (
        lambda: bench.annotation.draw("p", UPLOADER, [square(0, 0, 9)], tab="t"),
        lambda: bench.annotation.undo("p", UPLOADER, tab="t"),
        lambda: bench.annotation.redo("p", UPLOADER, tab="t"),
        lambda: bench.annotation.save("p", UPLOADER, tab="t"),
        lambda: bench.annotation.restore("p", "m", UPLOADER, tab="t"),
    ):
        with pytest.raises(NotAllowedError, match="draw masks"):
            change()


def test_what_does_not_fit_is_refused(bench: Workbench) -> None:
    """Unknown pictures, revisions and states, and masks of another size, are told."""
    with pytest.raises(NotFoundError, match="no picture 'q'"):
        bench.annotation.mask("q", ANN)
    take(bench)
    with pytest.raises(NotFoundError, match="no revision 'm'"):
        bench.annotation.restore("p", "m", ANN, tab="t")
    with pytest.raises(RequestError, match="from 0 to 2, or 255, but is 3"):
        bench.annotation.draw("p", ANN, [square(0, 0, 9, 3)], tab="t")
    small = put_mask(bench, np.zeros((3, 4), np.uint8))
    with pytest.raises(PictureError, match="4×3 but its picture is 40×30"):
        bench.annotation.restore("p", small.id, ANN, tab="t")


def test_the_view_shows_the_mask_over_the_picture(bench: Workbench) -> None:
    """The box that is asked for comes at the size that is asked for, in the state's colour."""
    take(bench)
    bench.annotation.draw("p", ANN, [square(0, 0, 10)], tab="t")
    box = Box(left=0, top=0, right=20, bottom=15)
    asked = {"width": 80, "height": 60, "colours": {1: (250, 0, 0)}, "opacity": 0.5}
    shown = pictures.decode(bench.annotation.view("p", ANN, box, **asked))
    assert shown.shape == (60, 80, 3)
    assert shown[20, 20, 0] > 150 > shown[20, 60, 0]


def put_two_tones(bench: Workbench) -> None:
    """Make the picture ``q``: pink left of column 60, white right of it."""
    pixels = np.full((90, 120, 3), 245, np.uint8)
    pixels[:, :60] = (200, 90, 150)
    kept = bench.files.put(pictures.encode_png(pixels), media_type="image/png")
    image = Image(
        id="q",
        name="q.png",
        sha256=kept.sha256,
        media_type="image/png",
        width_px=120,
        height_px=90,
    )
    with bench.store.images.transaction() as images:
        images.put(image)
    bench.annotation.take("q", ANN, "t", is_open=lambda _: True)


def test_a_smart_click_finds_what_looks_alike(bench: Workbench) -> None:
    """A click and a path with the smart brush keep to the edge between the two tones."""
    put_two_tones(bench)
    click = np.array([[30, 45]], np.float32)
    seed = Seed(tool="smart", state=1, x=30, y=45, mark="c", points=click, width_px=20)
    assert bench.annotation.draw("q", ANN, [seed], tab="t") == 1
    mask = bench.annotation.mask("q", ANN)
    assert (mask[5:85, 5:55] == 1).all()
    assert (mask[:, 65:] == 255).all()
    path = np.array([[50, 20], [50, 60]], np.float32)
    along = Seed(tool="smart", state=2, x=50, y=20, mark="d", points=path, width_px=40)
    assert bench.annotation.draw("q", ANN, [along], tab="t") == 1
    mask = bench.annotation.mask("q", ANN)
    assert mask[40, 50] == 2
    assert (mask[:, 65:] == 255).all()


def test_a_proposal_for_a_part_is_taken_over_where_nobody_drew(bench: Workbench) -> None:
    """Learned from two scribbles in a part: only that part changes, and undo takes it back."""
    put_two_tones(bench)
    scribbles = [
        Stroke(tool="brush", state=1, points=np.array([[40, 30], [50, 60]]), width_px=5),
        Stroke(tool="brush", state=2, points=np.array([[75, 30], [80, 60]]), width_px=5),
    ]
    bench.annotation.draw("q", ANN, scribbles, tab="t")
    before = bench.annotation.mask("q", ANN)
    box = Box(left=30, top=10, right=100, bottom=80)
    found = propose(bench.annotation, "q", ANN, box, way="scribbles", state=1)
    np.testing.assert_array_equal(bench.annotation.mask("q", ANN), before)
    asked = {"colours": {1: (250, 0, 0)}, "width": 70, "height": 70}
    assert pictures.decode(shown(bench.annotation, found, ANN, **asked)).shape == (70, 70, 3)
    assert accept(bench.annotation, found, ANN, tab="t", state=1) == 1
    assert accept(bench.annotation, found, ANN, tab="t") == 1
    mask = bench.annotation.mask("q", ANN)
    assert (mask[12:78, 32:56] == 1).all()
    assert (mask[12:78, 64:98] == 2).all()
    outside = np.ones(mask.shape, bool)
    outside[box.part] = False
    assert (mask[outside] == 255).all()
    assert bench.annotation.save("q", ANN, tab="t").origin == "edited"
    bench.annotation.undo("q", ANN, tab="t")
    bench.annotation.undo("q", ANN, tab="t")
    np.testing.assert_array_equal(bench.annotation.mask("q", ANN), before)
    assert bench.annotation.warnings("q", ANN) is not None


def test_one_region_of_a_proposal_is_taken_over(bench: Workbench) -> None:
    """By a place in it; the revision says how unsure it was and who its regions come from."""
    put_two_tones(bench)
    box = Box(left=30, top=10, right=100, bottom=80)
    mask = np.full((70, 70), 255, np.uint8)
    mask[5:15, 5:15], mask[40:60, 40:60] = 1, 2
    proposal = Proposal(
        mask=mask, origin="scribbles", sentence="", uncertainty=np.full((70, 70), 51, np.uint8)
    )
    found = Proposed(image_id="q", box=box, proposal=proposal, next_box=None)
    regions = open_regions(bench.annotation, found, ANN)
    assert [(one.state, one.area_px) for one in regions] == [(2, 400), (1, 100)]
    asked = {"colours": {1: (250, 0, 0)}, "width": 70, "height": 70}
    plain = shown(bench.annotation, found, ANN, **asked)
    assert shown(bench.annotation, found, ANN, **asked, doubt=True, regions=regions) != plain
    place = (regions[1].x, regions[1].y)
    assert accept(bench.annotation, found, ANN, tab="t", at=place) == 1
    assert accept(bench.annotation, found, ANN, tab="t", at=(69, 0)) == 0
    expected = np.full((90, 120), 255, np.uint8)
    expected[15:25, 35:45] = 1
    np.testing.assert_array_equal(bench.annotation.mask("q", ANN), expected)
    by_hand = Stroke(
        tool="rectangle", state=2, points=np.array([[0, 0], [10, 0], [10, 10], [0, 10]])
    )
    bench.annotation.draw("q", ANN, [by_hand], tab="t")
    saved = bench.annotation.save("q", ANN, tab="t")
    assert saved.details["uncertainty"] == pytest.approx(0.1, abs=0.003)  # 0.2 on half of 200 px
    assert saved.details["provenance"]["regions"] == {"human": 1, "model": 1, "edited": 0}
    assert saved.details["provenance"]["pixels"] == {"human": 100, "model": 100, "edited": 0}
    bench.annotation.restore("q", saved.id, ANN, tab="t")
    again = bench.annotation.save("q", ANN, tab="t")
    assert again.details["provenance"] == saved.details["provenance"]


def test_a_slice_is_filled_between_its_neighbours(bench: Workbench) -> None:
    """Squares of 4 and 16 two slices before and behind: 10 wide in the middle, by either mask."""
    for number in (3, 5, 7):
        put_picture(bench, f"s{number}", width=40, height=30)
    with bench.store.images.transaction() as images:
        for number in (3, 5, 7):
            name = f"liver_axial_{number:03}"
            images.put(replace(images[f"s{number}"], name=name, dataset_id="d", group="liver"))
    box = Box(left=0, top=0, right=40, bottom=30)
    with pytest.raises(RequestError, match="draw on both first"):
        propose(bench.annotation, "s5", ANN, box, way="between", state=1)
    pixels = np.full((30, 40), 255, np.uint8)
    pixels[13:17, 18:22] = 1
    kept = bench.files.put(masks.encode(pixels), media_type="image/png")  # imported, not drawn
    with bench.store.masks.transaction() as changes:
        changes.put(Mask(image_id="s3", sha256=kept.sha256, origin="imported", state="submitted"))
    bench.annotation.take("s7", ANN, "t", is_open=lambda _: True)
    bench.annotation.draw("s7", ANN, [square(12, 7, 16)], tab="t")
    found = propose(bench.annotation, "s5", ANN, box, way="between", state=1).proposal.mask
    assert np.flatnonzero(found[15] == 1).tolist() == list(range(15, 25))
    with pytest.raises(RequestError, match="draw on both first"):
        propose(bench.annotation, "p", ANN, box, way="between", state=1)


def test_proposals_are_refused_with_a_reason(bench: Workbench) -> None:
    """Without scribbles, without the right, or for too much at once there is no proposal."""
    put_two_tones(bench)
    box = Box(left=0, top=0, right=120, bottom=90)
    with pytest.raises(RequestError, match="two"):
        propose(bench.annotation, "q", ANN, box, way="scribbles", state=1)
    with pytest.raises(NotAllowedError, match="draw masks"):
        propose(bench.annotation, "q", UPLOADER, box, way="tissue", state=1)
    vast = Box(left=0, top=0, right=9000, bottom=9000)
    with pytest.raises(TooLargeError, match="zoom in first"):
        propose(bench.annotation, "q", ANN, vast, way="tissue", state=1)
