"""Queues, approving, sending back, and second readings, in a real home with four people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.catalogue.second_readings import seen_thumbnail
from engine.catalogue.visibility import visible_images
from engine.datasets.taking import thumbnail as small_picture
from engine.errors import BusyError, NotAllowedError, NotFoundError, NotSignedInError, RequestError
from engine.imaging import masks, pictures
from engine.imaging.drawn_tissue import draw_tissue
from engine.people.actors import NOBODY, VISITOR, Actor
from engine.settings import Settings
from engine.store.records import Dataset, Image, Mask, Sample, User
from engine.workbench import Workbench

ANN = Actor(id="ann", name="Ann", role="ANNOTATOR")
BEN = Actor(id="ben", name="Ben", role="ANNOTATOR")
REV = Actor(id="rev", name="Rev", role="REVIEWER")
ADA = Actor(id="ada", name="Ada", role="ADMIN")
UPL = Actor(id="upl", name="Upl", role="UPLOADER")
SIDE = 96


@pytest.fixture
def workbench(tmp_path: Path) -> Workbench:
    """Five people, one dataset, five pictures without masks."""
    workbench = Workbench(Settings(home=tmp_path / "home"))
    tissue = draw_tissue(0, side_px=SIDE)
    picture = workbench.files.put(pictures.encode_png(tissue.picture), media_type="image/png")
    with workbench.store.transaction("users", "datasets", "images") as t:
        for one in (ANN, BEN, REV, ADA, UPL):
            assert one.role is not None
            t["users"].put(User(id=one.id, name=one.name, email=f"{one.id}@x.org", role=one.role))
        t["datasets"].put(Dataset(id="d", name="Set", status="ready"))
        for i in range(5):
            t["images"].put(
                Image(
                    id=f"i{i}",
                    name=f"picture_{i}.png",
                    sha256=picture.sha256,
                    media_type="image/png",
                    width_px=SIDE,
                    height_px=SIDE,
                    dataset_id="d",
                )
            )
    return workbench


def send(
    workbench: Workbench,
    image_id: str,
    author: Actor = ANN,
    *,
    first_rows: int = 10,
    doubt: float | None = None,
) -> Mask:
    """Send a mask for review: unhealthy in the first rows, healthy below."""
    pixels = np.full((SIDE, SIDE), 2, np.uint8)
    pixels[:first_rows] = 1
    kept = workbench.files.put(masks.encode(pixels), media_type="image/png")
    with workbench.store.transaction("images", "masks") as t:
        earlier = t["masks"].where(image_id=image_id)
        mask: Mask = t["masks"].put(
            Mask(
                image_id=image_id,
                sha256=kept.sha256,
                author=author.id,
                revision=len(earlier) + 1,
                state="submitted",
                details={} if doubt is None else {"uncertainty": doubt},
            )
        )
        image = t["images"][image_id]
        t["images"].put(replace(image, status="to_review"))
    return mask


def image(workbench: Workbench, image_id: str) -> Image:
    return workbench.store.images.read()[image_id]


def ids(workbench: Workbench, actor: Actor, which: str) -> list[str]:
    return [one.image.id for one in workbench.reviewing.queue(actor, which).rows]  # type: ignore[arg-type]


# --- queues ------------------------------------------------------------------------------


def test_pictures_move_from_nobody_to_mine_to_review(workbench: Workbench) -> None:
    """Taken, drawn and sent: each time in one queue only."""
    assert ids(workbench, ANN, "unassigned") == ["i0", "i1", "i2", "i3", "i4"]
    workbench.reviewing.take(ANN, "i2")
    assert ids(workbench, ANN, "mine") == ["i2"]
    assert "i2" not in ids(workbench, ANN, "unassigned")
    send(workbench, "i2")
    assert ids(workbench, ANN, "mine") == []
    assert ids(workbench, REV, "to_review") == ["i2"]
    assert workbench.reviewing.lengths(REV) == {"mine": 0, "unassigned": 4, "to_review": 1}


def test_the_least_certain_comes_first(workbench: Workbench) -> None:
    """By the proposal's doubt; where nobody measured one, after those, the oldest first."""
    for name, doubt in (("i0", None), ("i1", 0.1), ("i2", 0.8), ("i3", 0.4)):
        send(workbench, name, doubt=doubt)
    assert ids(workbench, REV, "to_review") == ["i2", "i3", "i1", "i0"]
    assert workbench.reviewing.waiting(REV, "i2").doubt == 0.8


def test_a_queue_comes_in_pages(workbench: Workbench) -> None:
    """Two of five on the second page of two."""
    found = workbench.reviewing.queue(ANN, "unassigned", page=2, size=2)
    assert [one.image.id for one in found.rows] == ["i2", "i3"]
    assert (found.count, found.pages) == (5, 3)


def test_a_picture_is_taken_once(workbench: Workbench) -> None:
    """The second who wants it is told; put back, it is there again."""
    workbench.reviewing.take(ANN, "i0")
    with pytest.raises(BusyError, match="Somebody else"):
        workbench.reviewing.take(BEN, "i0")
    with pytest.raises(NotAllowedError):
        workbench.reviewing.put_back(BEN, "i0")
    workbench.reviewing.put_back(ANN, "i0")
    assert image(workbench, "i0").assigned_to is None


def test_who_may_not_draw_has_no_queue(workbench: Workbench) -> None:
    """Uploaders and strangers."""
    with pytest.raises(NotAllowedError, match="UPLOADER"):
        workbench.reviewing.queue(UPL, "unassigned")
    with pytest.raises(NotSignedInError):
        workbench.reviewing.queue(NOBODY, "unassigned")
    with pytest.raises(NotFoundError, match="no picture"):
        workbench.reviewing.waiting(ANN, "nothing")


def test_a_look_has_two_pictures_and_warnings(workbench: Workbench) -> None:
    """A speck of background of 1 px in healthy tissue is told; parts add up to 1."""
    mask = send(workbench, "i0", first_rows=24)
    pixels = masks.decode(workbench.files.read(mask.sha256))
    pixels[50, 50] = 0
    kept = workbench.files.put(masks.encode(pixels), media_type="image/png")
    with workbench.store.masks.transaction() as t:
        t.put(replace(mask, sha256=kept.sha256))
    look = workbench.reviewing.look(REV, "i0", colours={1: (200, 80, 0)}, width=48)
    assert pictures.decode(look.plain).shape == pictures.decode(look.marked).shape == (48, 48, 3)
    assert look.plain != look.marked
    assert "1 tiny hole of “background”" in look.warnings[0]
    assert look.shares["unhealthy"] == pytest.approx(0.25)
    assert sum(look.shares.values()) == pytest.approx(1)


# --- deciding ----------------------------------------------------------------------------


def test_an_approved_mask_counts(workbench: Workbench) -> None:
    """The picture is approved, the decision has a name, and the log says so without a comment."""
    mask = send(workbench, "i0")
    done = workbench.reviewing.approve(REV, mask.id, comment="Fine")
    assert (done.state, image(workbench, "i0").status) == ("approved", "approved")
    assert (done.details["reviewed_by"], done.details["review_comment"]) == ("rev", "Fine")
    assert workbench.datasets.mask_of(REV, "i0") == done
    assert ids(workbench, REV, "to_review") == []


def test_what_is_sent_back_is_its_authors_again(workbench: Workbench) -> None:
    """With the comment, in the author's queue."""
    mask = send(workbench, "i0")
    workbench.reviewing.send_back(REV, mask.id, comment="The left edge is missing")
    assert ids(workbench, ANN, "mine") == ["i0"]
    shown = workbench.reviewing.waiting(ANN, "i0").mask
    assert shown is not None
    assert shown.details["review_comment"] == "The left edge is missing"
    assert image(workbench, "i0").status == "sent_back"


def test_sending_back_takes_a_comment(workbench: Workbench) -> None:
    """Blanks are none."""
    mask = send(workbench, "i0")
    with pytest.raises(RequestError, match="with a comment"):
        workbench.reviewing.send_back(REV, mask.id, comment="  ")
    assert image(workbench, "i0").status == "to_review"


def test_nobody_approves_their_own(workbench: Workbench) -> None:
    """A reviewer does not; an administrator and the visitor of an open server may."""
    with pytest.raises(NotAllowedError, match="yourself"):
        workbench.reviewing.approve(REV, send(workbench, "i0", REV).id)
    workbench.reviewing.approve(ADA, send(workbench, "i1", ADA).id)
    workbench.reviewing.approve(VISITOR, send(workbench, "i2", VISITOR).id)


def test_annotators_do_not_decide(workbench: Workbench) -> None:
    """Not about others' masks either."""
    mask = send(workbench, "i0")
    with pytest.raises(NotAllowedError, match="approve masks"):
        workbench.reviewing.approve(BEN, mask.id)


def test_only_the_newest_sent_revision_is_decided(workbench: Workbench) -> None:
    """An older one, a decided one, and one that is drawn on again are refused."""
    old, new = send(workbench, "i0"), send(workbench, "i0", first_rows=20)
    with pytest.raises(RequestError, match="Revision 2 was sent since"):
        workbench.reviewing.approve(REV, old.id)
    workbench.reviewing.approve(REV, new.id)
    with pytest.raises(RequestError, match="decided already"):
        workbench.reviewing.send_back(REV, new.id, comment="late")
    with pytest.raises(RequestError, match="decided already"):
        workbench.reviewing.approve(REV, old.id)


# --- second readings ------------------------------------------------------------------------


def second(workbench: Workbench, *, rows: int = 20) -> Image:
    """Two readings of i0: Ann's 10 rows and Ben's."""
    send(workbench, "i0")
    other = workbench.reviewing.second_readings.ask(REV, "i0", "ben")
    send(workbench, other.id, BEN, first_rows=rows)
    return other


def test_the_second_reader_starts_blind(workbench: Workbench) -> None:
    """A picture of their own without a mask, in no dataset; the first mask is closed to them."""
    send(workbench, "i0")
    other = workbench.reviewing.second_readings.ask(REV, "i0", "ben")
    assert ids(workbench, BEN, "mine") == [other.id]
    assert workbench.reviewing.waiting(BEN, other.id).is_second
    assert workbench.annotation.revisions(other.id, BEN) == ()
    assert workbench.datasets.pictures(ADA, "d").count == 5
    with pytest.raises(NotAllowedError, match="stays hidden"):
        workbench.reviewing.second_readings.require_sighted(BEN, "i0")
    with pytest.raises(NotAllowedError, match="stays hidden"):
        workbench.annotation.mask("i0", BEN)
    workbench.reviewing.second_readings.require_sighted(REV, "i0")
    assert workbench.reviewing.waiting(REV, "i0").second == "asked"


def test_both_are_compared_by_dice_and_kappa(workbench: Workbench) -> None:
    """10 and 20 of 96 rows: Dice 2·10/30 and 2·76/162; kappa by hand.

    Agreed 86/96; by chance (10·20 + 86·76)/96² = 6736/9216.
    """
    second(workbench)
    assert workbench.reviewing.waiting(REV, "i0").second == "ready"
    found = workbench.reviewing.second_readings.compare(REV, "i0")
    assert found.agreement.dice == {
        "background": None,
        "unhealthy": pytest.approx(2 / 3),
        "healthy": pytest.approx(152 / 162),
    }
    chance = 6736 / 9216
    assert found.agreement.kappa == pytest.approx((86 / 96 - chance) / (1 - chance))


@pytest.mark.parametrize(
    ("choice", "unhealthy", "open_px"), [("second", 20, 0), ("agreed", 10, 10)]
)
def test_a_third_person_decides(
    workbench: Workbench, choice: str, unhealthy: int, open_px: int
) -> None:
    """The decision is an approved revision, with figures; the reader's picture is gone."""
    other = second(workbench)
    done = workbench.reviewing.second_readings.adjudicate(REV, "i0", choice)  # type: ignore[arg-type]
    assert (done.state, done.revision) == ("approved", 2)
    assert done.counts["unhealthy"] == unhealthy * SIDE
    assert done.counts["not_annotated"] == open_px * SIDE
    assert done.details["kappa"] == pytest.approx(0.6129, abs=1e-3)
    assert image(workbench, "i0").status == "approved"
    assert other.id not in workbench.store.images.read()
    assert workbench.datasets.mask_of(REV, "i0") == done
    assert workbench.reviewing.waiting(REV, "i0").second == ""


def test_the_first_may_be_right(workbench: Workbench) -> None:
    """Then it is approved itself, and no revision is added."""
    second(workbench)
    done = workbench.reviewing.second_readings.adjudicate(REV, "i0", "first")
    assert (done.revision, done.author, done.state) == (1, "ann", "approved")
    assert len(workbench.store.masks.read().where(image_id="i0")) == 1


def test_readers_do_not_decide_between_themselves(workbench: Workbench) -> None:
    """Nor is the first approved while a second reading is open."""
    mask = send(workbench, "i1")
    workbench.reviewing.second_readings.ask(ADA, "i1", "rev")
    with pytest.raises(RequestError, match="second reading of this picture is open"):
        workbench.reviewing.approve(ADA, mask.id)
    other = workbench.store.images.read()["i1"].details["second_reading"]
    with pytest.raises(RequestError, match="not sent yet"):
        workbench.reviewing.second_readings.compare(ADA, "i1")
    own = send(workbench, other, REV)
    with pytest.raises(NotAllowedError, match="third person"):
        workbench.reviewing.second_readings.adjudicate(REV, "i1", "second")
    with pytest.raises(RequestError, match="on the first one's page"):
        workbench.reviewing.approve(ADA, own.id)


def test_who_may_read_a_second_time(workbench: Workbench) -> None:
    """Everybody who draws but the author; on an open server the visitor."""
    send(workbench, "i0")
    names = [one.name for one in workbench.reviewing.second_readings.readers(REV, "i0")]
    assert names == ["Ada", "Ben", "Rev"]
    for reader in ("ann", "upl", "nobody"):
        with pytest.raises(RequestError, match="another person"):
            workbench.reviewing.second_readings.ask(REV, "i0", reader)
    assert [r.id for r in workbench.reviewing.second_readings.readers(VISITOR, "i0")] == ["visitor"]


def test_a_second_reading_can_be_withdrawn(workbench: Workbench) -> None:
    """What was drawn for it goes; the first can be approved again."""
    other = second(workbench)
    workbench.reviewing.second_readings.withdraw(REV, "i0")
    assert other.id not in workbench.store.images.read()
    assert not workbench.store.masks.read().where(image_id=other.id)
    (mask,) = workbench.store.masks.read().where(image_id="i0")
    workbench.reviewing.approve(REV, mask.id)
    with pytest.raises(RequestError, match="no second reading"):
        workbench.reviewing.second_readings.withdraw(REV, "i0")


def test_one_second_reading_at_a_time(workbench: Workbench) -> None:
    """And none without a first."""
    send(workbench, "i0")
    workbench.reviewing.second_readings.ask(REV, "i0", "ben")
    with pytest.raises(RequestError, match="open already"):
        workbench.reviewing.second_readings.ask(REV, "i0", "ada")
    with pytest.raises(RequestError, match="send one first"):
        workbench.reviewing.second_readings.ask(REV, "i3", "ben")


def test_classes_of_the_dataset_hold_for_the_reader(workbench: Workbench) -> None:
    """A picture outside of the dataset has its names all the same."""
    with workbench.store.datasets.transaction() as datasets:
        datasets.put(replace(datasets["d"], classes=("glass", "gland")))
    send(workbench, "i0")
    other = workbench.reviewing.second_readings.ask(REV, "i0", "ben")
    assert workbench.annotation.classes(other) == ("glass", "gland")


# --- imported, blinded, hidden -------------------------------------------------------------


def test_a_picture_imported_with_its_mask_waits_for_review(workbench: Workbench) -> None:
    """Its mask is sent though nobody drew: it is to be reviewed, not to be drawn, and decided."""
    mask = send(workbench, "i1")
    with workbench.store.images.transaction() as t:
        t.put(replace(t["i1"], status="new"))
    assert ids(workbench, REV, "to_review") == ["i1"]
    assert "i1" not in ids(workbench, ANN, "unassigned")
    workbench.reviewing.approve(REV, mask.id)
    assert image(workbench, "i1").status == "approved"
    assert ids(workbench, REV, "to_review") == []


def test_a_second_reader_sees_no_outline_in_small_pictures(workbench: Workbench) -> None:
    """The imported small picture shows the mask's edge; the reader's has no trace of it."""
    send(workbench, "i0", first_rows=48)
    plain = pictures.decode(workbench.files.read(image(workbench, "i0").sha256))
    marked = np.zeros((SIDE, SIDE), np.uint8)
    marked[48:] = 1
    outlined = workbench.files.put(small_picture(plain, marked), media_type="image/jpeg")
    with workbench.store.images.transaction() as t:
        t.put(replace(t["i0"], thumbnail_sha256=outlined.sha256))
    reading = workbench.reviewing.second_readings.ask(REV, "i0", "ben")

    def small(actor: Actor, name: str) -> bytes:
        return seen_thumbnail(workbench.store, workbench.files, actor, image(workbench, name))

    with_outline = workbench.files.read(outlined.sha256)
    assert small(REV, "i0") == with_outline
    assert small(BEN, "i0") == small(BEN, reading.id) == small_picture(plain)
    assert workbench.datasets.thumbnail(BEN, image(workbench, "i0")) == small_picture(plain)
    send(workbench, reading.id, BEN)
    assert small(BEN, "i0") == with_outline


@pytest.mark.parametrize(
    ("actor", "sees"), [(ANN, True), (BEN, False), (REV, False), (ADA, True), (UPL, True)]
)
def test_a_picture_of_a_sample_is_there_for_its_people_only(
    workbench: Workbench, actor: Actor, sees: bool
) -> None:
    """Uploaded by Upl, assigned to Ann: others find neither picture nor mask, nor decide on it."""
    mask = send(workbench, "i3", BEN)
    sample = Sample(id="s", patient_id="p", uploader_id="upl", assigned_to="ann", image_ids=("i3",))
    with workbench.store.transaction("images", "samples") as t:
        t["samples"].put(sample)
        t["images"].put(replace(t["images"]["i3"], sample_id="s"))
    found = visible_images(workbench.store, actor, workbench.store.images.read())
    assert ("i3" in {one.id for one in found}) is sees
    if actor.role == "UPLOADER":
        assert workbench.annotation.image("i3", actor).id == "i3"
        return
    assert ("i3" in ids(workbench, actor, "to_review")) is sees
    if sees:
        assert workbench.annotation.image("i3", actor).id == "i3"
        return
    for refused in (
        lambda: workbench.annotation.image("i3", actor),
        lambda: workbench.reviewing.look(actor, "i3", colours={}),
        lambda: workbench.reviewing.put_back(actor, "i3"),
        lambda: workbench.reviewing.take(actor, "i3"),
    ):
        with pytest.raises(NotFoundError):
            refused()
    if actor.role == "REVIEWER":
        with pytest.raises(NotFoundError):
            workbench.reviewing.approve(actor, mask.id)
