"""Cells over HTTP."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.imaging import pictures
from engine.people.actors import SYSTEM
from engine.store.records import Sample
from tests.api.house import House, build_house
from tests.engine.cells.smears import disc_smear, lymphocyte

OPENCV = {"backend": "opencv"}


@pytest.fixture
def lab(tmp_path: Path) -> House:
    """A house with nothing in it."""
    return build_house(tmp_path)


def smear() -> pictures.Picture:
    """One lymphocyte at (150, 120) in 400×300 pixels."""
    return disc_smear(*lymphocyte(150, 120))


def stored(house: House) -> str:
    """A picture of a sample that the uploader sent."""
    cells, user = house.workbench.cells, house.people["UPLOADER"]
    image = cells.pictures.add(SYSTEM, pictures.encode_png(smear()), "a.png")
    sample = Sample(patient_id="p", uploader_id=user.id, image_ids=(image.id,))
    with house.workbench.store.transaction("samples", "images") as records:
        records["samples"].put(sample)
        records["images"].put(replace(image, sample_id=sample.id))
    return sample.id


def test_cells_of_a_sent_picture(lab: House) -> None:
    """A data URI and a file in a form have the same answer, in pixels of the picture."""
    client, token = lab.client(), lab.token("ANNOTATOR")
    sent = {"image": pictures.to_data_uri(smear()), **OPENCV}
    told = client.post("/api/v1/cells/detect", json=sent, headers=token)
    assert told.status_code == 200, told.text
    (cell,) = told.json()["cells"]
    assert cell["label"] == "WBC-Lymphocyte"
    assert cell["x"] == pytest.approx(120, abs=3)
    assert told.json()["counts"] == {"WBC-Lymphocyte": 1}
    files = {"file": ("a.png", pictures.encode_png(smear()), "image/png")}
    form = client.post("/api/v1/cells/detect?backend=opencv", files=files, headers=token)
    assert form.json()["cells"] == told.json()["cells"]


def test_settings_change_the_answer_at_once(lab: House) -> None:
    """The sample's picture is looked at again with each setting; it is there for its uploader."""
    sample = stored(lab)
    client, token = lab.client(), lab.token("UPLOADER")

    def counts(**asked: object) -> dict[str, int]:
        told = client.get(
            "/api/v1/cells/dynamic-detect", params={"sample_id": sample, **asked}, headers=token
        )
        assert told.status_code == 200, told.text
        return told.json()["counts"]

    assert counts() == {"WBC-Lymphocyte": 1}
    assert counts(downscale=2) == {"WBC-Lymphocyte": 1}
    assert counts(smallest_px=70) == {"Platelet": 1}


def test_a_sample_of_somebody_else_is_not_there(lab: House) -> None:
    """An annotator to whom it is not assigned gets 404, as for one that does not exist."""
    sample = stored(lab)
    for name in (sample, "none"):
        told = lab.client().get(
            f"/api/v1/cells/dynamic-detect?sample_id={name}", headers=lab.token("ANNOTATOR")
        )
        assert (told.status_code, told.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({}, "image_id"),
        ({"image_id": "a", "sample_id": "b"}, "image_id"),
        ({"image": 7}, "Expected one"),
        ({"image": "http://x.example/a.png"}, "data:"),
        ({"image_id": "a", "backend": "yolo"}, "'backend'"),
        ({"image_id": "a", "backend": ["x"]}, "'backend'"),
        ({"image_id": "a", "size": 1}, "'size'"),
    ],
)
def test_a_request_that_cannot_be_used_is_refused(
    lab: House, fields: dict[str, object], word: str
) -> None:
    """422 or 404 with a sentence that names what is wrong."""
    told = lab.client().post("/api/v1/cells/detect", json=fields, headers=lab.token("ADMIN"))
    assert told.status_code in (404, 422)
    assert word in told.json()["error"]["message"] or told.status_code == 404


@pytest.mark.parametrize("query", ["threshold=x", "threshold=9", "colour=1", "backend=yolo"])
def test_a_setting_that_cannot_be_used_is_refused(lab: House, query: str) -> None:
    """422 names it."""
    sample = stored(lab)
    told = lab.client().get(
        f"/api/v1/cells/dynamic-detect?sample_id={sample}&{query}", headers=lab.token("ADMIN")
    )
    assert told.status_code == 422
    assert f"'{query.partition('=')[0]}'" in told.json()["error"]["message"]


def test_cell_types_are_listed_added_and_changed(lab: House) -> None:
    """The default ones are there from the first start; both spellings of colour are taken."""
    client, token = lab.client(), lab.token("ADMIN")
    listed = client.get("/cells/", headers=token).json()
    assert [one["name"] for one in listed] == ["RBC", "WBC-Lymphocyte", "WBC-Other", "Platelet"]
    made = client.post("/cells/", json={"name": "Blast", "color": "#112233"}, headers=token)
    assert (made.status_code, made.json()["colour"]) == (201, "#112233")
    address = f"/cells/{made.json()['id']}"
    changed = client.put(address, json={"name": "Blast cell", "retired": True}, headers=token)
    assert (changed.json()["name"], changed.json()["retired"]) == ("Blast cell", True)
    assert len(client.get("/cells", headers=token).json()) == 4
    assert len(client.get("/cells?retired=true", headers=token).json()) == 5


@pytest.mark.parametrize(
    ("sent", "status"),
    [({}, 422), ({"name": "RBC"}, 422), ({"name": "A", "x": 1}, 422), ({"name": 5}, 422)],
)
def test_a_cell_type_that_cannot_be_used_is_refused(
    lab: House, sent: dict[str, object], status: int
) -> None:
    """Nothing is added."""
    told = lab.client().post("/cells/", json=sent, headers=lab.token("ADMIN"))
    assert told.status_code == status
    assert lab.client().put("/cells/no", json={}, headers=lab.token("ADMIN")).status_code == 404


def test_roles(lab: House) -> None:
    """All see the types and may look for cells; only administrators change the types."""
    sent = {"image": pictures.to_data_uri(smear()), **OPENCV}
    for role in ("UPLOADER", "ANNOTATOR", "REVIEWER"):
        client, token = lab.client(), lab.token(role)
        assert client.get("/cells/", headers=token).status_code == 200
        assert client.post("/cells/", json={"name": "A"}, headers=token).status_code == 403
        assert client.put("/cells/x", json={}, headers=token).status_code == 403
        assert client.post("/api/v1/cells/detect", json=sent, headers=token).status_code == 200
    nobody = lab.client()
    assert nobody.get("/cells/").status_code == 401
    assert nobody.post("/api/v1/cells/detect", json=sent).status_code == 401
