"""Patients and samples over HTTP: the older service's routes, and the same permissions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.api.house import House, build_house
from tests.engine.catalogue.clinic import picture

BOX = {"x": 2, "y": 3, "width": 10, "height": 12}


@pytest.fixture
def clinic(tmp_path: Path) -> House:
    """A house with people; no worker takes the jobs."""
    return build_house(tmp_path)


def send(house: House, role: str = "UPLOADER", files: int = 1, **fields: str) -> dict[str, object]:
    """Send small pictures and return the answer."""
    parts = [
        ("file", (f"s{n}.jpg", picture(exif=True, value=n), "image/jpeg")) for n in range(files)
    ]
    data = {"patient_id": "P-1", "name": "Jane Roe", "contact": "+43 1", "age": "54", **fields}
    told = house.client().post(
        "/api/v1/upload_img", data=data, files=parts, headers=house.token(role)
    )
    assert told.status_code == 201, told.text
    return told.json()


def get(house: House, path: str, role: str = "UPLOADER", **asked: object) -> tuple[int, dict]:
    told = house.client().get(f"/api/v1{path}", params=asked, headers=house.token(role))
    return told.status_code, told.json()


def post(house: House, path: str, role: str, **fields: object) -> tuple[int, dict]:
    told = house.client().post(f"/api/v1{path}", json=fields, headers=house.token(role))
    return told.status_code, told.json()


def test_a_picture_becomes_a_sample_of_a_new_patient(clinic: House) -> None:
    """The answer has the contract's fields; identity is gone and named; a job waits for it."""
    told = send(clinic)
    assert {"job_id", "patient_id", "uploader_id", "original_filename", "s3_key"} <= set(told)
    assert (told["patient_id"], told["inference_status"]) == ("P-1", "pending")
    assert told["uploader_id"] == clinic.people["UPLOADER"].id
    assert {"Artist", "GPSLatitude", "comment"} <= set(told["removed"]["s0.jpg"])
    job = clinic.workbench.queue.get(told["job_id"])
    assert (job.task, job.created_by) == ("detect_cells", told["uploader_id"])
    status, by_job = get(clinic, f"/samples/{told['job_id']}")
    assert (status, by_job["id"]) == (200, told["id"])
    assert "Jane" not in json.dumps(by_job)
    stored = clinic.client().get(by_job["images"][0]["url"], headers=clinic.token("UPLOADER"))
    assert stored.status_code == 200
    assert b"Jane" not in stored.content


def test_several_pictures_are_several_samples_or_one(clinic: House) -> None:
    """By default one each; with one_sample all in one; a patient is added once."""
    assert len(send(clinic, files=3)["samples"]) == 3
    one = send(clinic, files=2, one_sample="true")
    assert [image["name"] for image in one["images"]] == ["s0.jpg", "s1.jpg"]
    assert get(clinic, "/patients")[1]["patients"][0]["sample_count"] == 4
    _, listed = get(clinic, "/samples", size=2, page=2, status="pending")
    assert (len(listed["samples"]), listed["count"], listed["pages"]) == (2, 4, 2)
    assert get(clinic, "/samples", status="failed")[1]["count"] == 0


def test_patients_are_listed_with_counts_and_without_names(clinic: House) -> None:
    """Name and contact are null until their uploader asks for them."""
    send(clinic)
    _, listed = get(clinic, "/patients")
    (patient,) = listed["patients"]
    assert (patient["patient_id"], patient["age"], patient["sample_count"]) == ("P-1", 54, 1)
    assert (patient["name"], patient["contact"]) == (None, None)
    assert patient["samples_by_status"] == {"pending": 1}
    _, shown = get(clinic, "/patients", reveal="true")
    assert shown["patients"][0]["name"] == "Jane Roe"
    assert get(clinic, "/patients", search="p-2")[1]["count"] == 0
    _, own = get(clinic, "/patient/P-1/samples")
    assert (own["count"], own["patient"]["name"]) == (1, None)


def test_each_role_sees_what_is_theirs(clinic: House) -> None:
    """An annotator nothing until it is assigned, then that sample; an administrator everything."""
    told = send(clinic)
    admins = send(clinic, "ADMIN", patient_id="P-2")
    assert get(clinic, "/samples")[1]["count"] == 1
    assert get(clinic, "/samples", "ADMIN")[1]["count"] == 2
    assert get(clinic, f"/samples/{admins['id']}")[0] == 404
    assert get(clinic, "/patient/P-2/samples")[0] == 404
    for role in ("ANNOTATOR", "REVIEWER"):
        assert get(clinic, "/patients", role)[1]["count"] == 0
        assert get(clinic, f"/samples/{told['id']}", role)[0] == 404
    patients, boss = clinic.workbench.patients, clinic.people["ADMIN"]
    actor = clinic.workbench.tokens.actor_of(clinic.workbench.tokens.issue(boss)[0])
    assert actor is not None
    patients.assign(actor, [told["id"]], clinic.people["ANNOTATOR"].id)
    assert get(clinic, "/samples", "ANNOTATOR")[1]["count"] == 1
    _, listed = get(clinic, "/patients", "ANNOTATOR", reveal="true")
    assert [one["name"] for one in listed["patients"]] == [None]


def test_cells_are_marked_one_or_many(clinic: House) -> None:
    """One as the older clients send it, several in a list, all or none; shown with the sample."""
    name = send(clinic)["id"]
    mark = {"cell_coordinates": BOX, "cell_type": "WBC-Lymphocyte", "comments": "large"}
    status, cell = post(clinic, "/annotate", "ADMIN", sample_id=name, **mark)
    assert (status, cell["cell_coordinates"], cell["origin"]) == (201, BOX, "human")
    assert cell["user_id"] == clinic.people["ADMIN"].id
    status, _ = post(clinic, "/annotate", "ADMIN", sample_id=name, annotations=[mark, mark])
    assert status == 201
    bad = {**mark, "cell_coordinates": {**BOX, "x": 1000}}
    status, told = post(clinic, "/annotate", "ADMIN", sample_id=name, annotations=[mark, bad])
    assert (status, "40×30" in told["error"]["message"]) == (422, True)
    assert len(get(clinic, f"/samples/{name}")[1]["annotations"]) == 3


def test_a_finding_is_written(clinic: House) -> None:
    """Adequacy, codes, comments; it stands with the patient."""
    send(clinic)
    status, told = post(
        clinic, "/annotate/patient", "ADMIN",
        patient_id="P-1", adequacy="adequate", diagnosis=["j84.1"], comments="see slide 2",
    )  # fmt: skip
    assert (status, told["adequacy"], told["diagnosis"]) == (201, "adequate", ["J84.1"])
    assert get(clinic, "/patients")[1]["patients"][0]["annotation"]["comments"] == "see slide 2"
    assert len(get(clinic, "/patient/P-1/samples")[1]["annotations"]) == 1


def test_a_patient_is_added_by_json(clinic: House) -> None:
    """The answer hides what was sent."""
    status, told = post(clinic, "/patients", "UPLOADER", patient_id="P-9", name="Jane", age=7)
    assert (status, told["patient_id"], told["age"], told["name"]) == (201, "P-9", 7, None)
    assert post(clinic, "/patients", "UPLOADER", patient_id="P-9")[0] == 422


def test_a_report_is_downloaded(clinic: House) -> None:
    """HTML and PDF; without the name unless its uploader asks; another format is refused."""
    send(clinic)
    client, token = clinic.client(), clinic.token("UPLOADER")
    path = "/api/v1/patient/P-1/report"
    told = client.get(path, headers=token)
    assert "Patient P-1" in told.text
    assert "Jane" not in told.text
    assert "attachment" in told.headers["content-disposition"]
    assert "Jane Roe" in client.get(f"{path}?reveal=true", headers=token).text
    printed = client.get(f"{path}?format=pdf", headers=token)
    assert printed.headers["content-type"] == "application/pdf"
    assert printed.content.startswith(b"%PDF-")
    assert client.get(f"{path}?format=doc", headers=token).status_code == 422
    assert client.get(path, headers=clinic.token("ANNOTATOR")).status_code == 404


@pytest.mark.parametrize(
    ("path", "role", "status"),
    [
        ("/annotate", "UPLOADER", 403),
        ("/annotate/patient", "UPLOADER", 403),
        ("/patients", "ANNOTATOR", 403),
        ("/annotate", "ANNOTATOR", 422),
        ("/annotate/patient", "REVIEWER", 422),
    ],
)
def test_a_role_without_the_action_is_refused(
    house: House, path: str, role: str, status: int
) -> None:
    """The role first, then what was sent."""
    assert post(house, path, role)[0] == status


@pytest.mark.parametrize(
    ("path", "fields", "word"),
    [
        ("/annotate", {"sample_id": "x"}, "cell_coordinates"),
        ("/annotate", {"sample_id": "x", "annotations": []}, "annotations"),
        ("/annotate", {"sample_id": "x", "annotations": [7]}, "annotations"),
        ("/annotate", {"sample_id": "x", "cell_coordinates": {**BOX, "x": "1"}}, "'x'"),
        ("/annotate", {"sample_id": "x", "cell_coordinates": {**BOX, "x": True}}, "'x'"),
        ("/annotate", {"sample_id": 7, "cell_coordinates": BOX}, "sample_id"),
        ("/annotate/patient", {"patient_id": "x"}, "adequacy"),
        (
            "/annotate/patient",
            {"patient_id": "x", "adequacy": "adequate", "diagnosis": "A"},
            "list",
        ),
        ("/patients", {"patient_id": "1", "age": "old"}, "age"),
        ("/patients", {"patient_id": "1", "age": 1.5}, "age"),
        ("/patients", {}, "patient_id"),
    ],
)
def test_a_body_that_cannot_be_used_is_refused(
    house: House, path: str, fields: dict[str, object], word: str
) -> None:
    """422 names the field."""
    status, told = post(house, path, "ADMIN", **fields)
    assert status == 422
    assert word in told["error"]["message"]


def test_an_upload_that_cannot_be_used_leaves_no_patient(clinic: House) -> None:
    """No form, no picture, no number, a torn form, a role without it: nothing is there after."""
    client, token = clinic.client(), clinic.token("UPLOADER")
    text = {"file": ("a.png", b"text", "image/png")}
    tries: list[tuple[dict[str, object], int]] = [
        ({"json": {"patient_id": "1"}}, 422),
        ({"data": {"patient_id": "P-1"}, "files": text}, 422),
        ({"data": {}, "files": text}, 422),
        ({"data": {"patient_id": "P-1", "age": "x"}, "files": text}, 422),
        ({"content": b"--x", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 422),
    ]
    for sent, status in tries:
        headers = {**token, **sent.pop("headers", {})}
        told = client.post("/api/v1/upload_img", **sent, headers=headers)
        assert told.status_code == status, told.text
    assert get(clinic, "/patients")[1]["count"] == 0
    assert len(clinic.workbench.store.images.read()) == 0
    refused = client.post("/api/v1/upload_img", headers=clinic.token("REVIEWER"))
    assert refused.status_code == 403


def test_a_picture_above_the_limit_is_refused(tmp_path: Path) -> None:
    """413 while it arrives; the limit is the one of the settings."""
    house = build_house(tmp_path, max_upload_mb=1)
    large = {"file": ("a.png", b"\x89PNG" + bytes(1_000_001), "image/png")}
    client: TestClient = house.client()
    told = client.post(
        "/api/v1/upload_img", data={"patient_id": "1"}, files=large, headers=house.token("ADMIN")
    )
    assert told.status_code == 413
    assert told.json()["error"]["code"] == "too_large"
