"""The review page: empty, filled, per role, deciding, and second readings from end to end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from streamlit.testing.v1 import AppTest

from engine.imaging import masks, pictures
from engine.imaging.drawn_tissue import draw_tissue
from engine.store.records import Dataset, Image, Mask, User
from tests.ui_streamlit.studio import Studio, words

SIDE = 64


def fill(studio: Studio, number: int = 3) -> None:
    """Put a dataset with pictures nobody has drawn on."""
    workbench = studio.workbench
    tissue = draw_tissue(0, side_px=SIDE)
    kept = workbench.files.put(pictures.encode_png(tissue.picture), media_type="image/png")
    with workbench.store.transaction("datasets", "images") as t:
        t["datasets"].put(Dataset(id="d", name="Bowel slices", status="ready"))
        for i in range(number):
            t["images"].put(
                Image(
                    id=f"i{i}",
                    name=f"slice_{i}.png",
                    sha256=kept.sha256,
                    media_type="image/png",
                    width_px=SIDE,
                    height_px=SIDE,
                    dataset_id="d",
                )
            )


def send(studio: Studio, image_id: str, author: str, *, rows: int = 10, **fields: Any) -> Mask:
    """Send a mask: unhealthy in the first rows, healthy below."""
    workbench = studio.workbench
    pixels = np.full((SIDE, SIDE), 2, np.uint8)
    pixels[:rows] = 1
    kept = workbench.files.put(masks.encode(pixels), media_type="image/png")
    with workbench.store.transaction("images", "masks") as t:
        mask: Mask = t["masks"].put(
            Mask(image_id=image_id, sha256=kept.sha256, author=author, state="submitted", **fields)
        )
        t["images"].put(replace(t["images"][image_id], status="to_review"))
    return mask


def press(page: AppTest, label: str, key: str = "") -> AppTest:
    """Press the button with that label (and the start of its key)."""
    (button,) = [
        one for one in page.button if one.label == label and (one.key or "").startswith(key)
    ]
    return button.click().run()


def status(studio: Studio, image_id: str) -> str:
    return studio.workbench.store.images.read()[image_id].status


def test_empty_queues_say_what_comes_here(open_studio: Studio) -> None:
    """Each of the three."""
    assert "Nothing waits for review" in words(open_studio.open("review"))
    assert "No picture is free" in words(open_studio.open("review", queue="Unassigned"))
    assert "Nothing is yours to draw" in words(open_studio.open("review", queue="Mine"))


def test_a_picture_is_taken_and_put_back(studio: Studio) -> None:
    """An annotator takes one of three: it moves to their queue, with a link to draw, and back."""
    fill(studio)
    user = studio.sign_in("ANNOTATOR")
    page = studio.open("review", queue="Unassigned")
    assert "Bowel slices" in words(page)
    page = press(page, "Take it", "take-i1")
    assert not page.exception
    assert studio.workbench.store.images.read()["i1"].assigned_to == user.id
    mine = studio.open("review", queue="Mine")
    assert "slice\\_1.png" in words(mine)
    assert "Draw" in words(mine)
    press(mine, "Put it back")
    assert studio.workbench.store.images.read()["i1"].assigned_to is None


def test_the_least_certain_is_first_and_says_so(studio: Studio) -> None:
    """80 % before 10 %."""
    fill(studio)
    studio.sign_in("REVIEWER")
    send(studio, "i0", "x", details={"uncertainty": 0.1})
    send(studio, "i2", "x", details={"uncertainty": 0.8})
    seen = words(studio.open("review"))
    assert seen.index("80 % uncertain") < seen.index("10 % uncertain")


def test_a_mask_is_approved(studio: Studio) -> None:
    """The reviewer sees revision, author and warnings, and approves."""
    fill(studio)
    author = studio.sign_in("ANNOTATOR", name="Ben Example")
    send(studio, "i0", author.id, comment="Please look at the edge")
    studio.sign_in("REVIEWER")
    page = studio.open("review", image="i0")
    seen = words(page)
    assert "Revision 1 by Ben Example" in seen
    assert "Please look at the edge" in seen
    assert len(page.get("image") or page.get("imgs")) >= 2
    page = press(page, "Approve")
    assert not page.exception
    assert status(studio, "i0") == "approved"
    assert "Decided by you" in words(page)


def test_sending_back_needs_a_comment_and_reaches_the_author(studio: Studio) -> None:
    """Without one it says so and nothing changes; with one the author reads it."""
    fill(studio)
    author = studio.sign_in("ANNOTATOR")
    cookies = dict(studio.cookies)
    send(studio, "i0", author.id)
    studio.sign_in("REVIEWER", name="Rev Example")
    page = press(studio.open("review", image="i0"), "Send back")
    assert "with a comment" in words(page)
    assert status(studio, "i0") == "to_review"
    page.text_area[0].input("The left edge is missing")
    press(page, "Send back")
    assert status(studio, "i0") == "sent_back"
    studio.cookies.update(cookies)
    assert "To change: The left edge is missing" in words(studio.open("review", queue="Mine"))


def test_ones_own_mask_is_not_approved(studio: Studio) -> None:
    """The sentence stays on the page, and so does the state."""
    fill(studio)
    user = studio.sign_in("REVIEWER")
    send(studio, "i0", user.id)
    page = press(studio.open("review", image="i0"), "Approve")
    assert "You drew this mask yourself" in words(page)
    assert status(studio, "i0") == "to_review"


def test_an_annotator_may_look_but_not_decide(studio: Studio) -> None:
    """No button that would be refused."""
    fill(studio)
    send(studio, "i0", "x")
    studio.sign_in("ANNOTATOR")
    page = studio.open("review", image="i0")
    assert "Revision 1" in words(page)
    assert not {"Approve", "Send back", "Ask"} & {button.label for button in page.button}


def test_an_uploader_is_told_who_may(studio: Studio) -> None:
    """The page names the roles."""
    studio.sign_in("UPLOADER")
    assert "Not for your role" in words(studio.open("review"))


def test_an_unknown_picture_is_a_sentence(open_studio: Studio) -> None:
    """A link to what is gone."""
    assert "it was removed" in words(open_studio.open("review", image="gone"))


def test_a_missing_file_is_a_sentence(open_studio: Studio) -> None:
    """The decision cannot be made blindly: the page tells which file is gone."""
    fill(open_studio)
    mask = send(open_studio, "i0", "x")
    open_studio.workbench.files.remove(mask.sha256)
    page = open_studio.open("review", image="i0")
    assert not page.exception
    assert mask.sha256[:12] in words(page)
    assert "Approve" not in {button.label for button in page.button}


def test_two_readings_are_compared_and_decided(studio: Studio) -> None:
    """Asked for on the page, blinded for the reader, compared by kappa, decided by the reviewer."""
    fill(studio)
    people: dict[str, User] = {}
    for name, role in (("first", "ANNOTATOR"), ("second", "ANNOTATOR"), ("third", "REVIEWER")):
        people[name] = studio.sign_in(role, name=f"{name.title()} Example")  # type: ignore[arg-type]
        people[f"{name} cookie"] = dict(studio.cookies)  # type: ignore[assignment]
    send(studio, "i0", people["first"].id, rows=10)
    page = studio.open("review", image="i0")
    page.selectbox(key="reader-i0").select(people["second"].id)
    page = press(page, "Ask")
    assert "A second reading was asked for" in words(page)

    studio.cookies.update(people["second cookie"])  # type: ignore[call-overload]
    assert "stays hidden" in words(studio.open("review", image="i0"))
    assert "blinded" in words(studio.open("review", queue="Mine"))
    other = str(studio.workbench.store.images.read()["i0"].details["second_reading"])
    send(studio, other, people["second"].id, rows=20)

    studio.cookies.update(people["third cookie"])  # type: ignore[call-overload]
    page = studio.open("review", image="i0")
    # 10 and 20 of 64 rows: agreed 54/64, by chance (10·20 + 54·44)/64² = 2576/4096.
    assert f"{(54 / 64 - 2576 / 4096) / (1 - 2576 / 4096):.3f}" in words(page)
    page.radio[0].set_value("second").run()
    page = press(page, "Decide")
    assert not page.exception
    assert status(studio, "i0") == "approved"
    counts = studio.workbench.store.masks.read().where(image_id="i0", state="approved")
    assert [mask.author for mask in counts] == [people["second"].id]
