"""The plain pages: signing in and out, registering, passwords, the first administrator."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from engine.people.actors import SYSTEM
from engine.people.audit.filters import Filters
from engine.people.sessions import COOKIE
from tests.api.house import PASSWORD, House, build_house
from tests.api.test_own_paths import NASTY

OTHER = "eleven blue windows"


def sign_in(
    client: TestClient, *, to: str = "", password: str = PASSWORD, email: str = ""
) -> object:
    sent = {"email": email or "admin@clinic.example", "password": password}
    return client.post("/login", params={"next": to} if to else None, data=sent)


def test_signing_in_sets_the_cookie_and_leads_on(house: House) -> None:
    """The cookie is for the server alone: no script, no other site, the whole port."""
    answer = sign_in(house.client(), to="/studio/jobs?id=7")
    assert (answer.status_code, answer.headers["location"]) == (303, "/studio/jobs?id=7")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=1.")
    for mark in ("HttpOnly", "SameSite=lax", "Path=/;", "Max-Age=2592000"):
        assert mark in cookie
    assert "Secure" not in cookie


def test_the_cookie_is_secure_behind_tls(house: House) -> None:
    """Whenever a proxy or the connection speaks of https, the cookie never goes without."""
    client = house.client(headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in sign_in(client).headers["set-cookie"]
    direct = house.client(base_url="https://testserver")
    assert "Secure" in sign_in(direct).headers["set-cookie"]


@pytest.mark.parametrize(
    "wanted", [*NASTY, "/login", "/logout", "/login?next=/logout", "/register/"]
)
def test_signing_in_never_leads_elsewhere(house: House, wanted: str) -> None:
    """Whatever stands in `next`, one arrives on this server, and not at the door again."""
    browser = house.browser("ADMIN")
    answer = browser.get("/login", params={"next": wanted})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_a_wrong_password_says_so_and_keeps_the_email(house: House) -> None:
    """401, one sentence that a screen reader reads out, no password in the page, no cookie."""
    answer = sign_in(house.client(), password="wrong <b>password</b>")
    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert "do not fit together" in answer.text
    assert 'value="admin@clinic.example"' in answer.text
    assert "wrong" not in answer.text
    assert "set-cookie" not in answer.headers


def test_what_was_typed_is_never_read_as_html(house: House) -> None:
    """A name with angle brackets stays a name."""
    answer = sign_in(house.client(), email='"><script>alert(1)</script>')
    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_too_many_wrong_passwords_pause_the_account(tmp_path: Path) -> None:
    """The page says when to try again, in words and in Retry-After."""
    house = build_house(tmp_path, rate_sign_in="1000/minute")
    client = house.client()
    for _ in range(30):
        answer = sign_in(client, password="wrong")
        if answer.status_code == 429:
            break
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    assert sign_in(client).status_code == 429


def test_signing_in_again_ends_the_session_before(house: House) -> None:
    """A new sign-in is a new cookie; the one before is worth nothing."""
    browser = house.browser("REVIEWER")
    before = browser.cookies[COOKIE]
    browser.cookies.clear()
    answer = browser.post(
        "/login",
        data={"email": "reviewer@clinic.example", "password": PASSWORD},
        headers={"Cookie": f"{COOKIE}={before}"},
    )
    assert answer.status_code == 303
    assert house.workbench.sessions.actor_of(before) is None


def test_signing_out_takes_the_cookie_back(house: House) -> None:
    """Asking is a page, doing it is a button; afterwards the door is closed and says so."""
    browser = house.browser("UPLOADER")
    page = browser.get("/logout")
    assert "Ms Uploader" in page.text
    assert "<button" in page.text
    assert house.workbench.sessions.actor_of(browser.cookies[COOKIE]) is not None
    answer = browser.post("/logout")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert "You are signed out." in browser.get(answer.headers["location"]).text
    assert browser.get("/api/v1/jobs").status_code == 401


def test_signing_out_is_in_the_audit_log(house: House) -> None:
    """Who signed in and out is written down."""
    house.browser("ANNOTATOR").post("/logout")
    record = f"users/{house.people['ANNOTATOR'].id}"
    filters = Filters(action="account.sign_out", record=record)
    assert house.workbench.audit.entries(filters).total >= 1


def test_a_new_password_needs_the_present_one(tmp_path: Path) -> None:
    """A changed password keeps this browser in and puts all others out."""
    house = build_house(tmp_path)
    browser, elsewhere = house.browser("REVIEWER"), house.browser("REVIEWER")
    wrong = {"present": "wrong", "password": OTHER, "again": OTHER}
    assert browser.post("/password", data=wrong).status_code == 401
    differ = {"present": PASSWORD, "password": OTHER, "again": f"{OTHER}!"}
    assert "differ" in browser.post("/password", data=differ).text
    short = {"present": PASSWORD, "password": "short", "again": "short"}
    answer = browser.post("/password", data=short)
    assert (answer.status_code, "The password must have" in answer.text) == (422, True)
    good = {"present": PASSWORD, "password": OTHER, "again": OTHER}
    answer = browser.post("/password", data=good)
    assert answer.headers["location"] == "/password?changed=1"
    assert "Your password is changed." in browser.get("/password?changed=1").text
    assert elsewhere.get("/api/v1/jobs").status_code == 401
    email = "reviewer@clinic.example"
    assert sign_in(house.client(), email=email).status_code == 401
    assert sign_in(house.client(), email=email, password=OTHER).status_code == 303


def test_the_first_administrator_chooses_name_and_password(tmp_path: Path) -> None:
    """The printed link works once, and makes an administrator who is signed in."""
    house = build_house(tmp_path, people=False)
    token = house.workbench.accounts.ensure_first_administrator()
    client = house.client()
    assert "first administrator" in client.get(f"/first/{token}").text
    bad = {"name": "Ada", "email": "not an address", "password": OTHER, "again": OTHER}
    assert "The e-mail must be" in client.post(f"/first/{token}", data=bad).text
    good = {**bad, "email": "ada@clinic.example"}
    assert client.post(f"/first/{token}", data=good).status_code == 303
    assert client.get("/monitoring/resources").status_code == 200
    gone = house.client().get(f"/first/{token}", headers={"Accept": "text/html"})
    assert gone.status_code == 404
    assert "used already" in gone.text


def test_a_reset_link_sets_a_password(tmp_path: Path) -> None:
    """An administrator's link asks for the password alone."""
    house = build_house(tmp_path)
    token = house.workbench.accounts.reset_password(SYSTEM, house.people["REVIEWER"].id)
    page = house.client().get(f"/first/{token}").text
    assert 'name="email"' not in page
    sent = {"password": OTHER, "again": OTHER}
    assert house.client().post(f"/first/{token}", data=sent).status_code == 303
    assert house.client().post(f"/first/{token}", data=sent).status_code == 404


def test_registering_waits_for_an_administrator(house: House) -> None:
    """A known e-mail gets the same answer as a new one: nobody learns who has an account."""
    sent = {"name": "Bo", "email": "bo@clinic.example", "password": OTHER, "again": OTHER}
    new = house.client().post("/register", data=sent)
    known = house.client().post("/register", data={**sent, "email": "admin@clinic.example"})
    assert "An administrator lets you in" in new.text
    assert (new.status_code, new.text) == (known.status_code, known.text)
    assert sign_in(house.client(), email="bo@clinic.example", password=OTHER).status_code == 401


def test_a_form_that_cannot_be_used_keeps_what_was_typed(house: House) -> None:
    """Names stay, passwords do not."""
    sent = {"name": "Bo <3", "email": "bo2@clinic.example", "password": OTHER, "again": "other"}
    page = house.client().post("/register", data=sent)
    assert page.status_code == 422
    assert 'value="Bo &lt;3"' in page.text
    assert OTHER not in page.text


def test_nobody_registers_where_the_operator_does_not_want_it(tmp_path: Path) -> None:
    """LIGHTBOX_REGISTRATION=off: no link, no form, no account."""
    house = build_house(tmp_path, people=False, registration="off")
    assert "/register" not in house.client().get("/login").text
    assert "<form" not in house.client().get("/register").text
    sent = {"name": "Bo", "email": "bo@clinic.example", "password": OTHER, "again": OTHER}
    assert house.client().post("/register", data=sent).status_code == 403


@pytest.mark.parametrize("path", ["/login", "/register"])
def test_a_page_needs_nothing_but_this_server(house: House, path: str) -> None:
    """No script, no foreign host, a label for each field, a policy that allows no more."""
    answer = house.client().get(path)
    assert "<script" not in answer.text
    assert re.findall(r'(?:src|href)="(?:https?:)?//', answer.text) == []
    names = re.findall(r'<input id="(\w+)"', answer.text)
    assert names
    assert [name for name in names if f'<label for="{name}">' not in answer.text] == []
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for link in re.findall(r'href="(/(?:door|favicon)[^"]*)"', answer.text):
        if link.startswith("/door"):
            assert house.client().get(link).headers["content-type"].startswith("text/css")


@pytest.mark.parametrize("name", ["door.txt", "..%2fframe.py", "%2e%2e", ".css"])
def test_no_other_file_is_handed_out(house: House, name: str) -> None:
    """Beside the style sheet there is nothing."""
    assert house.client().get(f"/door/{name}").status_code in (401, 404)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("application/x-www-form-urlencoded", b"\xff=\xfe"),
        ("application/x-www-form-urlencoded", b"email=a@b.example"),
        ("application/x-www-form-urlencoded", b"&".join(b"a=1" for _ in range(99))),
        ("application/x-www-form-urlencoded", b"email=a%00b&password=x"),
    ],
)
def test_a_form_that_is_none_is_the_callers_fault(house: House, kind: str, body: bytes) -> None:
    """Bad input is answered 422 with a sentence."""
    answer = house.client().post("/login", content=body, headers={"Content-Type": kind})
    assert answer.status_code in (401, 422)
    assert 'role="alert"' in answer.text


def test_behind_a_proxy_every_address_begins_with_its_path(tmp_path: Path) -> None:
    """With LIGHTBOX_ROOT_PATH, links, redirects and the cookie carry it."""
    house = build_house(tmp_path)
    client = TestClient(house.app, root_path="/lightbox", follow_redirects=False)
    page = client.get("/lightbox/", headers={"Accept": "text/html"})
    assert page.headers["location"] == "/lightbox/login"
    assert 'href="/lightbox/door/door.css"' in client.get("/lightbox/login").text
    answer = sign_in_at(client, "/lightbox/login?next=/lightbox/studio/")
    assert answer.headers["location"] == "/lightbox/studio/"
    assert "Path=/lightbox;" in answer.headers["set-cookie"]


def sign_in_at(client: TestClient, address: str) -> object:
    return client.post(address, data={"email": "admin@clinic.example", "password": PASSWORD})
