"""The door itself: who passes, what everybody else is told, and what no answer ever shows."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from starlette.websockets import WebSocketDisconnect

from engine.people.actors import SYSTEM
from engine.people.sessions import COOKIE
from tests.api.house import ORIGIN, House, build_house

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_a_visitor_of_a_page_is_sent_to_sign_in_and_back(house: House) -> None:
    """Not signed in: a page leads to /login and remembers where one wanted to go."""
    answer = house.client().get("/studio/jobs?id=7", headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/login?next=/studio/jobs%3Fid%3D7",
    )


def test_a_program_is_told_401_and_how_to_sign_in(house: House) -> None:
    """Not signed in: a program gets a problem document and the scheme."""
    answer = house.client().get("/api/v1/jobs")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "not_signed_in")
    assert answer.headers["www-authenticate"] == 'Bearer realm="Lightbox"'


def test_a_cookie_and_a_token_open_the_door(house: House) -> None:
    """A browser's session and a program's token are as good as each other."""
    assert house.browser("REVIEWER").get("/api/v1/jobs").status_code == 200
    assert house.client().get("/api/v1/jobs", headers=house.token("REVIEWER")).status_code == 200


def test_a_role_without_the_action_is_told_who_may(house: House) -> None:
    """403 names the roles, as JSON for programs and as a page for people."""
    browser = house.browser("ANNOTATOR")
    answer = browser.get("/monitoring/status")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_allowed")
    page = browser.get("/monitoring/status", headers=BROWSER)
    assert page.status_code == 403
    assert "takes the role ADMIN" in page.text


@pytest.mark.parametrize("position", [0, 2, 10, 40, -1])
def test_a_cookie_changed_in_one_letter_is_worth_nothing(house: House, position: int) -> None:
    """Version, session, secret, signature: each of them is checked."""
    good = house.cookie("ADMIN")
    changed = list(good)
    changed[position] = "0" if changed[position] != "0" else "1"
    client = house.client()
    client.cookies.set(COOKIE, "".join(changed))
    assert client.get("/api/v1/jobs").status_code == 401
    client.cookies.set(COOKIE, good)
    assert client.get("/api/v1/jobs").status_code == 200


@pytest.mark.parametrize("value", ["", "x", "1...", "ä", "a" * 5000, "1.2.3.4"])
def test_a_cookie_that_is_none_of_ours_is_no_error(house: House, value: str) -> None:
    """Rubbish in the cookie is nobody, not a failure."""
    headers = [(b"cookie", f"{COOKIE}={value}".encode())]
    assert house.client().get("/api/v1/jobs", headers=headers).status_code == 401


def test_a_cookie_is_worth_nothing_after_signing_out(house: House) -> None:
    """A copy of the cookie that somebody kept does not bring the session back."""
    browser = house.browser("UPLOADER")
    kept = browser.cookies[COOKIE]
    assert browser.post("/logout").headers["location"] == "/login?left=1"
    replayed = house.client()
    replayed.cookies.set(COOKIE, kept)
    assert replayed.get("/api/v1/jobs").status_code == 401


def test_a_cookie_ends_with_its_account(tmp_path: Path) -> None:
    """Who is disabled is out at once, in every browser and with every token."""
    house = build_house(tmp_path)
    browser, token = house.browser("UPLOADER"), house.token("UPLOADER")
    house.workbench.accounts.disable(SYSTEM, house.people["UPLOADER"].id)
    assert browser.get("/api/v1/jobs").status_code == 401
    assert house.client().get("/api/v1/jobs", headers=token).status_code == 401


@pytest.mark.parametrize(
    "header",
    ["Bearer x", "Bearer ", "bearer a.b.c", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."],
)
def test_a_bad_token_is_refused_even_with_a_good_cookie(house: House, header: str) -> None:
    """A caller who shows a token is judged by it alone."""
    answer = house.browser("ADMIN").get("/api/v1/jobs", headers={"Authorization": header})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "null"},
    ],
)
def test_a_strangers_page_cannot_use_the_cookie(house: House, headers: dict[str, str]) -> None:
    """Unsafe methods that a foreign page makes a browser send are refused, signing out included."""
    browser = house.browser("ADMIN")
    sent = {"activity_type": "x"}
    answer = browser.post("/api/v1/log-activity", json=sent, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_allowed")
    assert browser.post("/logout", headers=headers).status_code == 403
    assert browser.get("/api/v1/jobs", headers=headers).status_code == 200


def test_a_strangers_page_cannot_sign_somebody_in(house: House) -> None:
    """Nobody is made to work in another's account."""
    sent = {"email": "admin@clinic.example", "password": "seven green apples"}
    answer = house.client().post("/login", data=sent, headers={"Origin": "https://evil.example"})
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


def test_a_token_needs_no_origin(house: House) -> None:
    """No browser sends a token by itself, so pages that were given one may use it."""
    headers = {**house.token("ADMIN"), "Origin": "https://partner.example"}
    sent = {"activity_type": "x"}
    assert house.client().post("/api/v1/log-activity", json=sent, headers=headers).is_success


def test_an_open_server_keeps_strangers_pages_from_its_studio(open_house: House) -> None:
    """Without sign-in too, a foreign page cannot start or stop anything on somebody's machine."""
    client = open_house.client()
    assert client.get("/api/v1/jobs").status_code == 200
    headers = {"Origin": "https://evil.example"}
    assert client.post("/api/v1/jobs", json={"task": "x"}, headers=headers).status_code == 403
    assert client.post("/admin/cleanup-stuck-samples", headers=headers).status_code == 403


def test_a_bug_shows_one_sentence_and_no_trace(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """The words of an unexpected error stay in the log, for programs and people."""
    browser = house.browser("ADMIN")
    with caplog.at_level(logging.CRITICAL, logger="api.problems"):
        answers = [browser.get("/eyes/broken"), browser.get("/eyes/broken", headers=BROWSER)]
    for answer in answers:
        assert answer.status_code == 500
        assert "secret path" not in answer.text
        assert "Traceback" not in answer.text
        assert "ZeroDivision" not in answer.text


def test_a_body_above_the_limit_is_refused_early(house: House) -> None:
    """413 by the declared length, and by the bytes when the length was a lie."""
    browser = house.browser("ADMIN")
    large = b"x" * 65_000
    assert browser.post("/api/v1/log-activity", content=large).status_code == 413
    pieces = (large[i : i + 5000] for i in range(0, len(large), 5000))
    assert browser.post("/api/v1/log-activity", content=pieces).status_code == 413


def test_a_wrong_method_is_told_the_right_ones(house: House) -> None:
    """405 with Allow."""
    answer = house.browser("ADMIN").delete("/api/v1/jobs")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


def test_health_tells_strangers_the_status_alone(house: House) -> None:
    """Anybody may ask whether the server lives; versions are for those who may see more."""
    assert house.client().get("/api/v1/health").json() == {"status": "ok"}
    assert "version" in house.browser("ADMIN").get("/api/v1/health").json()


def test_every_answer_carries_the_security_headers(house: House) -> None:
    """Good and bad answers alike; pages stay out of caches, so that going back shows nothing."""
    browser = house.browser("ADMIN")
    for path in ("/", "/login", "/nothing", "/api/v1/jobs", "/eyes/broken"):
        answer = browser.get(path, headers=BROWSER)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "SAMEORIGIN"
        assert "referrer-policy" in answer.headers
        assert answer.is_redirect or answer.headers["cache-control"] == "no-store"


def test_an_open_server_may_be_shown_inside_another_page(open_house: House) -> None:
    """As a Hugging Face Space is."""
    assert "x-frame-options" not in open_house.client().get("/").headers


def test_too_many_requests_of_one_person_wait(tmp_path: Path) -> None:
    """429 with Retry-After; another person is not concerned."""
    house = build_house(tmp_path, rate_api="3/minute")
    first, second = house.browser("ADMIN"), house.browser("REVIEWER")
    codes = [first.get("/api/v1/jobs").status_code for _ in range(4)]
    assert codes == [200, 200, 200, 429]
    answer = first.get("/api/v1/jobs")
    assert answer.json()["error"]["code"] == "rate_limited"
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert second.get("/api/v1/jobs").status_code == 200


def test_too_many_passwords_from_one_address_wait(tmp_path: Path) -> None:
    """Guessing is limited by address whatever e-mails are tried; other addresses are not."""
    house = build_house(tmp_path, rate_sign_in="3/minute", trusted_proxies=1)

    def try_one(number: int, address: str) -> int:
        sent = {"email": f"a{number}@clinic.example", "password": "wrong"}
        headers = {"X-Forwarded-For": address}
        return house.client().post("/api/v1/login", json=sent, headers=headers).status_code

    assert [try_one(n, "203.0.113.9") for n in range(4)] == [401, 401, 401, 429]
    assert try_one(9, "203.0.113.10") == 401


def test_a_made_up_address_is_no_way_around_the_limit(tmp_path: Path) -> None:
    """Without a trusted proxy, X-Forwarded-For counts for nothing."""
    house = build_house(tmp_path, people=False, rate_sign_in="3/minute")
    codes = []
    for number in range(4):
        headers = {"X-Forwarded-For": f"203.0.113.{number}"}
        sent = {"email": "a@clinic.example", "password": "wrong"}
        answer = house.client().post("/api/v1/login", json=sent, headers=headers)
        codes.append(answer.json()["error"]["code"])
    assert codes[-1] == "rate_limited"


def test_pages_of_the_setting_may_call_from_a_browser(tmp_path: Path) -> None:
    """CORS answers the browser's question for them alone, refusals included."""
    house = build_house(tmp_path, people=False, allowed_origins=("https://clinic.example",))
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    client = house.client()
    good = client.options("/api/v1/jobs", headers={"Origin": "https://clinic.example", **asked})
    assert good.headers["access-control-allow-origin"] == "https://clinic.example"
    bad = client.options("/api/v1/jobs", headers={"Origin": "https://evil.example", **asked})
    assert "access-control-allow-origin" not in bad.headers
    refused = client.get("/api/v1/jobs", headers={"Origin": "https://clinic.example"})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://clinic.example"


def test_a_websocket_opens_for_a_session_on_an_own_page(house: House) -> None:
    """The studio's line is open to who has signed in."""
    browser = house.browser("REVIEWER")
    with browser.websocket_connect("/studio/_stcore/stream", headers={"Origin": ORIGIN}) as line:
        line.send_text("hello")
        assert line.receive_text() == "hello"


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}])
def test_a_websocket_of_a_strangers_page_is_closed(house: House, headers: dict[str, str]) -> None:
    """A cookie alone opens no line: browsers always say which page asks."""
    browser = house.browser("REVIEWER")
    line = browser.websocket_connect("/studio/_stcore/stream", headers=headers)
    with pytest.raises(WebSocketDisconnect, match=r"^$") as closed, line:
        pass
    assert closed.value.code == 4401


def test_a_websocket_without_a_session_is_closed(house: House) -> None:
    """Nobody gets a line, from whatever page."""
    line = house.client().websocket_connect("/studio/_stcore/stream", headers={"Origin": ORIGIN})
    with pytest.raises(WebSocketDisconnect, match=r"^$"), line:
        pass


def test_a_websocket_ends_with_its_session(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signing out elsewhere closes the line at its next message."""
    monkeypatch.setattr("api.door._ASK_AGAIN_S", 0.0)
    browser = house.browser("ANNOTATOR")
    kept = browser.cookies[COOKIE]
    with browser.websocket_connect("/studio/_stcore/stream", headers={"Origin": ORIGIN}) as line:
        line.send_text("hello")
        assert line.receive_text() == "hello"
        house.workbench.sessions.close(kept)
        line.send_text("still there?")
        with pytest.raises(WebSocketDisconnect, match=r"^$"):
            line.receive_text()


def test_figures_alone_open_to_the_token_for_figures(tmp_path: Path) -> None:
    """Prometheus reads /metrics with a token of the settings, and nothing else."""
    house = build_house(tmp_path, people=False, metrics_token="0123456789abcdef")
    headers = {"Authorization": "Bearer 0123456789abcdef"}
    assert house.client().get("/metrics", headers=headers).status_code == 200
    assert house.client().get("/monitoring/status", headers=headers).status_code == 401
    wrong = {"Authorization": "Bearer 0123456789abcdeX"}
    assert house.client().get("/metrics", headers=wrong).status_code == 401


def test_an_open_server_knows_a_visitor_who_may_everything(open_house: House) -> None:
    """LIGHTBOX_AUTH=off: nobody is asked, and the sign-in pages lead on."""
    client = open_house.client()
    assert client.get("/monitoring/resources").status_code == 200
    assert client.get("/login?next=/studio/").headers["location"] == "/studio/"
    assert client.get("/password").headers["location"] == "/"
