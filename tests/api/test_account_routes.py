"""Accounts for programs: the routes of the older cell-annotation service."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest

from tests.api.house import PASSWORD, House, build_house

BO = {"name": "Bo", "email": "bo@clinic.example", "password": PASSWORD}


def test_signing_in_answers_with_a_token_that_works(house: House) -> None:
    """A JWT for an hour, and who it is for; never a password or its hash."""
    sent = {"email": "uploader@clinic.example", "password": PASSWORD}
    answer = house.client().post("/api/v1/login", json=sent)
    told = answer.json()
    assert (told["token_type"], told["expires_in"]) == ("bearer", 3600)
    assert told["user"]["role"] == "UPLOADER"
    assert "hash" not in answer.text
    claims = jwt.decode(told["access_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 3600
    headers = {"Authorization": f"Bearer {told['access_token']}"}
    assert house.client().get("/api/v1/jobs", headers=headers).status_code == 200
    assert "set-cookie" not in answer.headers


def test_an_oauth2_form_signs_in_too(house: House) -> None:
    """`username` and `password` in a form, as many clients send it."""
    sent = {"username": "admin@clinic.example", "password": PASSWORD, "grant_type": "password"}
    assert house.client().post("/api/v1/login", data=sent).json()["token_type"] == "bearer"


def test_a_wrong_password_and_an_unknown_email_look_the_same(house: House) -> None:
    """401 with the same sentence: nobody learns who has an account."""
    answers = [
        house.client().post("/api/v1/login", json={"email": email, "password": "wrong"})
        for email in ("admin@clinic.example", "nobody@clinic.example")
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"{",
        b'{"email": 7, "password": "x"}',
        b'{"email": "a@b.example"}',
        b'{"email": "a@b.example", "password": null}',
        b'{"email": "\\u0000"}',
        b"[" * 5000,
    ],
)
def test_a_body_that_cannot_be_used_is_the_callers_fault(house: House, body: bytes) -> None:
    """422 with a sentence that names the field or says what a body is."""
    answer = house.client().post("/api/v1/login", content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_request")


def test_registering_asks_for_what_the_older_service_asked(tmp_path: Path) -> None:
    """Name, e-mail, password, role in either spelling, hospital, location."""
    house = build_house(tmp_path, people=False, registration="open")
    sent = {**BO, "role": "ANNONATOR", "hospital": "St. Elsewhere", "location": "Ulm"}
    told = house.client().post("/api/v1/register", json=sent)
    assert told.status_code == 201
    assert {"role": "ANNOTATOR", "hospital": "St. Elsewhere", "status": "active"}.items() <= (
        told.json().items()
    )
    assert PASSWORD not in told.text
    signed_in = house.client().post("/api/v1/login", json=BO)
    assert signed_in.status_code == 200


@pytest.mark.parametrize("role", ["ADMIN", "REVIEWER", "KING", ""])
def test_nobody_registers_as_administrator(house: House, role: str) -> None:
    """The role that one chooses oneself opens no door."""
    sent = {**BO, "email": "bo3@clinic.example", "role": role}
    assert house.client().post("/api/v1/register", json=sent).status_code in (403, 422)


def test_an_account_that_waits_does_not_open_the_door(house: House) -> None:
    """Registered is not let in."""
    sent = {**BO, "email": "bo4@clinic.example"}
    assert house.client().post("/api/v1/register", json=sent).json()["status"] == "waiting"
    assert house.client().post("/api/v1/login", json=sent).status_code == 401


def test_an_activity_is_kept_with_its_author(house: House) -> None:
    """UserActivityLog: what a client reports is kept under the id of who is signed in."""
    sent = {"activity_type": "view_sample", "description": "x", "metadata": {"sample": "s1"}}
    told = house.client().post("/api/v1/log-activity", json=sent, headers=house.token("ANNOTATOR"))
    assert told.status_code == 201
    kept = house.workbench.store.activities.read()[told.json()["id"]]
    assert kept.user_id == house.people["ANNOTATOR"].id
    assert (kept.activity_type, kept.metadata["sample"]) == ("view_sample", "s1")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"activity_type": ""},
        {"activity_type": 7},
        {"activity_type": "x" * 101},
        {"activity_type": "x", "metadata": []},
        {"activity_type": "x", "metadata": {"a": "b" * 9000}},
        {"activity_type": "x", "description": "d" * 2001},
    ],
)
def test_an_activity_that_cannot_be_used_is_refused(
    house: House, fields: dict[str, object]
) -> None:
    """422 with a sentence, and nothing kept."""
    before = len(house.workbench.store.activities.read())
    told = house.client().post("/api/v1/log-activity", json=fields, headers=house.token("ADMIN"))
    assert told.status_code == 422
    assert len(house.workbench.store.activities.read()) == before


def test_activities_do_not_grow_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest are kept; who reports forever fills no disk."""
    monkeypatch.setattr("api.account_routes._MOST_ACTIVITIES", 3)
    house = build_house(tmp_path, people=False, auth=False)
    for number in range(5):
        sent = {"activity_type": f"n{number}"}
        assert house.client().post("/api/v1/log-activity", json=sent).is_success
    kept = [activity.activity_type for activity in house.workbench.store.activities.read()]
    assert sorted(kept) == ["n2", "n3", "n4"]


def test_the_description_names_fields_and_the_token(house: House) -> None:
    """What a program must send stands in OpenAPI, and where the token goes."""
    document = house.app.openapi()
    sent = document["paths"]["/api/v1/register"]["post"]["requestBody"]["content"]
    schema = sent["application/json"]["schema"]
    assert schema["required"] == ["name", "email", "password"]
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert document["paths"]["/api/v1/jobs"]["get"]["security"] == [{"HTTPBearer": []}]
