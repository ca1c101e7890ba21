"""reCAPTCHA on registration, against a stand-in server."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.house import PASSWORD, House, build_house
from tests.api.stand_in_recaptcha import SECRET, Recaptcha, recaptcha

BO = {"name": "Bo", "email": "bo@clinic.example", "password": PASSWORD}


@pytest.fixture
def service() -> Iterator[Recaptcha]:
    """The stand-in."""
    with recaptcha() as running:
        yield running


def guarded(home: Path, service: Recaptcha, **changes: object) -> House:
    given = {"recaptcha_secret": SECRET, "recaptcha_url": service.url, **changes}
    return build_house(home, people=False, **given)


def test_a_person_is_registered_and_a_used_answer_is_not(
    tmp_path: Path, service: Recaptcha
) -> None:
    """The service is asked with secret, answer and address; each answer counts once."""
    house = guarded(tmp_path, service)
    sent = {**BO, "recaptcha_token": "a person"}
    assert house.client().post("/api/v1/register", json=sent).status_code == 201
    asked = {"secret": SECRET, "response": "a person", "remoteip": "testclient"}
    assert service.asked == [asked]
    again = house.client().post("/api/v1/register", json={**sent, "email": "b2@clinic.example"})
    assert (again.status_code, len(house.workbench.accounts.all())) == (400, 1)


@pytest.mark.parametrize("answer", [None, "", "a robot", "x" * 30_000, 7])
def test_nobody_is_registered_without_a_good_answer(
    tmp_path: Path, service: Recaptcha, answer: object
) -> None:
    """Missing, wrong, endless, no text: 400, and no account."""
    house = guarded(tmp_path, service)
    sent = {**BO} if answer is None else {**BO, "recaptcha_token": answer}
    told = house.client().post("/api/v1/register", json=sent)
    assert (told.status_code, "reCAPTCHA" in told.json()["error"]["message"]) == (400, True)
    assert house.workbench.accounts.all() == ()


@pytest.mark.parametrize("mood", ["broken", "html", "list", "redirect"])
def test_nobody_is_registered_when_the_service_fails(
    tmp_path: Path, service: Recaptcha, mood: str
) -> None:
    """A service that cannot be asked opens no door: 502. The secret follows no redirect."""
    service.mood = mood
    house = guarded(tmp_path, service)
    told = house.client().post("/api/v1/register", json={**BO, "recaptcha_token": "a person"})
    assert (told.status_code, len(service.asked)) == (502, 1)
    assert house.workbench.accounts.all() == ()


def test_a_silent_service_is_our_trouble(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody listens: 502, and the secret stands in no log."""
    with recaptcha() as gone:
        house = guarded(tmp_path, gone)
    with caplog.at_level(logging.DEBUG):
        told = house.client().post("/api/v1/register", json={**BO, "recaptcha_token": "a person"})
    assert told.status_code == 502
    assert SECRET not in caplog.text
    assert PASSWORD not in caplog.text


def test_the_page_shows_the_widget_with_the_site_key(tmp_path: Path, service: Recaptcha) -> None:
    """With a site key the page loads Google's widget and its policy allows just that."""
    house = guarded(tmp_path, service, recaptcha_site_key="site-key")
    page = house.client().get("/register")
    assert 'data-sitekey="site-key"' in page.text
    policy = page.headers["content-security-policy"]
    assert "script-src https://www.google.com/recaptcha/" in policy
    form = {**BO, "again": PASSWORD}
    assert house.client().post("/register", data=form).status_code == 400
    form["g-recaptcha-response"] = "a person"
    assert "Thank you" in house.client().post("/register", data=form).text


def test_without_a_site_key_people_register_by_the_api_only(
    tmp_path: Path, service: Recaptcha
) -> None:
    """The page says so instead of showing a form that cannot work."""
    page = guarded(tmp_path, service).client().get("/register")
    assert "by the API only" in page.text
    assert "<form" not in page.text


def test_without_a_secret_nobody_is_asked(tmp_path: Path, service: Recaptcha) -> None:
    """The setting is empty by default."""
    house = guarded(tmp_path, service, recaptcha_secret="")
    assert house.client().post("/api/v1/register", json=BO).status_code == 201
    assert service.asked == []
