"""Pictures and masks over HTTP, through the real door, with people of every role."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.imaging import pictures
from engine.imaging.drawn_tissue import draw_tissue
from tests.api.house import House, build_house

TISSUE = draw_tissue(1, side_px=96)
PICTURE = pictures.encode_png(TISSUE.picture)


def png(array: np.ndarray) -> bytes:
    _, data = cv2.imencode(".png", array)
    return bytes(data)


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A server with sign-in and people."""
    return build_house(tmp_path / "home")


def send(house: House, role: str, path: str, data: bytes, **texts: str):
    files = {"file": ("a.png", data, "image/png")}
    return house.client().post(path, files=files, data=texts, headers=house.token(role))


def test_a_picture_is_sent_listed_and_fetched(house: House) -> None:
    """The record of the answer is in the list, and its file has the pixels that were sent."""
    made = send(house, "UPLOADER", "/images/", PICTURE)
    assert made.status_code == 201
    told = made.json()
    assert (told["width"], told["height"], told["name"]) == (96, 96, "a.png")
    headers = house.token("ANNOTATOR")
    listed = house.client().get("/images/", headers=headers).json()
    assert [image["id"] for image in listed["images"]] == [told["id"]]
    assert (listed["count"], listed["page"], listed["pages"]) == (1, 1, 1)
    data = house.client().get(told["file"], headers=headers).content
    np.testing.assert_array_equal(pictures.decode(data), TISSUE.picture)
    again = send(house, "UPLOADER", "/images/", PICTURE, dataset_id=told["dataset_id"])
    assert again.json()["dataset_id"] == told["dataset_id"]


def test_masks_are_revisions(house: House) -> None:
    """Two masks: two revisions, the second made from the first, newest first, counted."""
    image = send(house, "UPLOADER", "/images/", PICTURE).json()["id"]
    first = send(house, "ANNOTATOR", f"/images/{image}/masks", png(TISSUE.mask)).json()
    second = send(
        house, "ANNOTATOR", f"/images/{image}/masks", png(TISSUE.mask * 0), comment="none"
    ).json()
    assert (first["revision"], second["revision"]) == (1, 2)
    assert second["parent"] == first["id"]
    assert second["counts"]["background"] == 96 * 96
    path = f"/images/{image}/masks"
    listed = house.client().get(path, headers=house.token("UPLOADER")).json()["masks"]
    assert [mask["comment"] for mask in listed] == ["none", ""]
    data = house.client().get(first["file"], headers=house.token("UPLOADER")).content
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(stored, TISSUE.mask)


def test_a_mask_that_does_not_fit_is_refused(house: House) -> None:
    """Another size, strange values, no picture: 422 with a sentence, and nothing is stored."""
    image = send(house, "UPLOADER", "/images/", PICTURE).json()["id"]
    for mask, sentence in (
        (png(np.zeros((5, 7), np.uint8)), "Mask is 7×5 but its picture is 96×96"),
        (png(np.full((96, 96), 77, np.uint8)), "77"),
        (b"no picture", ""),
    ):
        answer = send(house, "ADMIN", f"/images/{image}/masks", mask)
        assert 400 <= answer.status_code < 500
        assert sentence in answer.json()["error"]["message"]
    path = f"/images/{image}/masks"
    assert house.client().get(path, headers=house.token("ADMIN")).json() == {"masks": []}


def test_what_is_no_picture_is_refused(house: House) -> None:
    """Text, nothing, a dataset that is not there, a picture that is not there."""
    assert 400 <= send(house, "ADMIN", "/images/", b"text").status_code < 500
    assert send(house, "ADMIN", "/images/", PICTURE, dataset_id="gone").status_code == 404
    answer = house.client().get("/images/gone/masks", headers=house.token("ADMIN"))
    assert answer.status_code == 404
    assert "no picture 'gone'" in answer.json()["error"]["message"]
    empty = house.client().post("/images/", headers=house.token("ADMIN"))
    assert 400 <= empty.status_code < 500


def test_each_role_may_its_own(house: House) -> None:
    """Annotators send no pictures, uploaders no masks; nobody without a token anything."""
    assert send(house, "ANNOTATOR", "/images/", PICTURE).status_code == 403
    image = send(house, "UPLOADER", "/images/", PICTURE).json()["id"]
    masks = f"/images/{image}/masks"
    assert send(house, "UPLOADER", masks, png(TISSUE.mask)).status_code == 403
    assert house.client().get("/images/").status_code == 401
    assert house.client().get(masks).status_code == 401
