"""Signing in as a person does: one session for all, wrong password, sign out, back, keyboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import Server, start_server, stop_server

EMAIL, PASSWORD = "ada@clinic.example", "seven green apples"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that asks for sign-in."""
    running = start_server(
        tmp_path_factory.mktemp("guarded") / "home",
        LIGHTBOX_AUTH="on",
        ADMIN_EMAIL=EMAIL,
        ADMIN_PASSWORD=PASSWORD,
        LIGHTBOX_WORKER="off",
        LIGHTBOX_RATE_SIGN_IN="1000/minute",
    )
    yield running
    stop_server(running)
    assert "Traceback" not in running.log.read_text()


Arrive = Callable[..., Page]


@pytest.fixture
def arrive(browser: Browser, guarded: Server) -> Iterator[Arrive]:
    """Come to an address in a new browser context; every request must stay on this server."""
    pages: list[Page] = []
    hosts: set[str] = set()

    def open_page(path: str, **options: object) -> Page:
        page = browser.new_context(base_url=guarded.url, **options).new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda asked: hosts.add(asked.url.split("/")[2].partition(":")[0]))
        page.goto(path)
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.context.close()
    assert hosts <= {"127.0.0.1", ""}


def sign_in(page: Page, password: str = PASSWORD) -> None:
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def studio_is_there(page: Page) -> None:
    page.get_by_test_id("stSidebarNav").or_(page.get_by_test_id("stHeading")).first.wait_for()


def test_one_sign_in_opens_eyes_spine_and_studio(arrive: Arrive, guarded: Server) -> None:
    """Sent to sign in from a page of the studio, one arrives there; the other apps are open too."""
    page = arrive("/studio/audit?entry=7")
    assert page.url == f"{guarded.url}/login?next=/studio/audit%3Fentry%3D7"
    sign_in(page)
    studio_is_there(page)
    assert page.url == f"{guarded.url}/studio/audit?entry=7"
    for path in ("/eyes/", "/spine/"):
        page.goto(path)
        page.wait_for_selector(".lb[data-started]")
    page.goto("/")
    expect(page.get_by_role("heading", name="Lightbox")).to_be_visible()


def test_a_wrong_password_says_so_where_one_types(arrive: Arrive) -> None:
    """The sentence is an alert, the e-mail stays, the cursor is in the password."""
    page = arrive("/login")
    sign_in(page, "wrong")
    expect(page.get_by_role("alert")).to_contain_text("do not fit together")
    expect(page.get_by_label("E-mail")).to_have_value(EMAIL)
    expect(page.get_by_label("Password")).to_be_focused()
    expect(page.get_by_label("Password")).to_have_value("")
    sign_in(page)
    expect(page.get_by_role("heading", name="Lightbox")).to_be_visible()


def test_after_signing_out_going_back_shows_nothing(arrive: Arrive, guarded: Server) -> None:
    """The back button leads to the sign-in page, not to what was there."""
    page = arrive("/login?next=/password")
    sign_in(page)
    expect(page.get_by_role("heading", name="Change your password")).to_be_visible()
    page.goto("/")
    page.get_by_role("link", name="Sign out").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status")).to_have_text("You are signed out.")
    page.go_back()  # the question whether to sign out: gone
    page.go_back()  # the front page
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto("/eyes/")
    assert page.url == f"{guarded.url}/login?next=/eyes/"


def test_signing_out_in_one_tab_ends_the_studio_in_another(arrive: Arrive) -> None:
    """The other tab shows nothing more at its next click."""
    page = arrive("/login?next=/studio/")
    sign_in(page)
    studio_is_there(page)
    other = page.context.new_page()
    other.goto("/logout")
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_tampered_cookie_is_nobody(arrive: Arrive) -> None:
    """One changed letter, and one is asked to sign in; no script can read the cookie."""
    page = arrive("/login")
    sign_in(page)
    expect(page.get_by_role("heading", name="Lightbox")).to_be_visible()
    assert page.evaluate("document.cookie") == ""
    (cookie,) = [one for one in page.context.cookies() if one["name"] == "lightbox_session"]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    changed = cookie["value"][:-1] + ("0" if cookie["value"][-1] != "0" else "1")
    page.context.add_cookies([{**cookie, "value": changed}])
    page.goto("/studio/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_keyboard_is_enough(arrive: Arrive) -> None:
    """Type, tab, type, enter."""
    page = arrive("/login")
    expect(page.get_by_label("E-mail")).to_be_focused()
    page.keyboard.type(EMAIL)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Lightbox")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/login", "/register"])
def test_pages_fit_a_phone_in_light_and_dark(arrive: Arrive, path: str, scheme: str) -> None:
    """Nothing is cut at 360 pixels; text stands out from its ground (WCAG: 4.5 to 1)."""
    page = arrive(path, viewport={"width": 360, "height": 640}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for name in ("label", "button", "h1", ".links", "footer"):
        assert contrast(page, name) >= 4.5, name
    heights = page.locator("input, button").evaluate_all("all => all.map(one => one.offsetHeight)")
    assert min(heights) >= 44


def test_a_password_is_changed_by_its_owner(arrive: Arrive) -> None:
    """The rules stand beside the field; what breaks one is said before anything changes."""
    page = arrive("/login?next=/password")
    sign_in(page)
    page.get_by_label("Present password").fill(PASSWORD)
    page.get_by_label("New password").fill("aaaaaaaaaaaaaa")
    page.get_by_label("The same once more").fill("aaaaaaaaaaaaaa")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.evaluate("document.querySelectorAll('[aria-invalid]').length") >= 1


def contrast(page: Page, selector: str) -> float:
    """Return WCAG's contrast between the text of an element and the ground that it stands on."""
    return page.locator(selector).first.evaluate(
        """element => {
          const part = text => text.match(/[\\d.]+/g).map(Number)
          const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
            .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0)
          let ground = element
          while (ground && part(getComputedStyle(ground).backgroundColor)[3] === 0)
            ground = ground.parentElement
          const [a, b] = [getComputedStyle(element).color,
            getComputedStyle(ground).backgroundColor].map(part).map(light)
          return (Math.max(a, b) + .05) / (Math.min(a, b) + .05)
        }"""
    )
