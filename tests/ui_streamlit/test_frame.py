"""The frame of every page: menu by role, signed-out and forbidden states, errors as sentences."""

from __future__ import annotations

import logging
import tomllib
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine.errors import PictureError
from engine.people.actors import ROLES
from engine.people.permissions import ACTIONS
from tests.ui_streamlit.studio import APP, Studio, words
from ui_streamlit.studio import navigation
from ui_streamlit.studio.navigation import PAGES

CSS = APP.parents[1] / "ui_gradio" / "web" / "base.css"


def test_every_page_is_a_file_and_every_file_a_page() -> None:
    """No page lacks its line in the table, and no line its page."""
    files = {path.stem for path in navigation.folder().glob("*.py")}
    assert files == {page.name for page in PAGES}


@pytest.mark.parametrize("page", [page.name for page in PAGES])
def test_every_page_asks_first(page: str) -> None:
    """The first thing that a page does is to name its action, the one of the table."""
    source = (navigation.folder() / f"{page}.py").read_text(encoding="utf-8")
    known = next(one for one in PAGES if one.name == page)
    assert known.action in ACTIONS
    assert f'visit("{known.action}")' in source


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("page", [page.name for page in PAGES])
def test_a_page_opens_for_the_roles_of_its_action_alone(
    studio: Studio, page: str, role: str
) -> None:
    """Whoever has the role sees the page; anybody else is told whose it is, by the address too."""
    studio.sign_in(role)
    known = next(one for one in PAGES if one.name == page)
    shown = studio.open(page)
    seen = words(shown)
    assert ("Not for your role" in seen) == (role not in ACTIONS[known.action].roles)
    assert "Something went wrong" not in seen
    assert not shown.exception
    if role not in ACTIONS[known.action].roles:
        assert not shown.button
        assert not shown.dataframe


@pytest.mark.parametrize("page", [page.name for page in PAGES])
def test_nobody_sees_anything_without_signing_in(studio: Studio, page: str) -> None:
    """Without a session each page shows the way to the sign-in and nothing else."""
    seen = studio.open(page)
    assert "You are signed out" in words(seen)
    assert "/login?next=" in words(seen)
    assert not seen.title
    assert not seen.button


@pytest.mark.parametrize("page", [page.name for page in PAGES])
def test_an_open_studio_shows_every_page_and_says_that_it_is_open(
    open_studio: Studio, page: str
) -> None:
    """Without sign-in everything is there on an empty home, under a notice."""
    seen = open_studio.open(page)
    assert not seen.exception
    assert "Sign-in is off" in words(seen)
    assert "Something went wrong" not in words(seen)
    assert seen.title


def test_a_forged_cookie_is_nobody(studio: Studio) -> None:
    """A session with one changed letter is no session."""
    studio.sign_in("ADMIN")
    token = studio.cookies["lightbox_session"]
    studio.cookies["lightbox_session"] = token[:-1] + ("0" if token[-1] != "0" else "1")
    assert "You are signed out" in words(studio.open("users"))


def test_a_closed_session_sees_no_more(studio: Studio) -> None:
    """A page that was open shows nothing any more once its session was closed elsewhere."""
    studio.sign_in("ADMIN")
    page = studio.open("jobs")
    assert page.title[0].value == "Jobs"
    studio.workbench.sessions.close(studio.cookies["lightbox_session"])
    page.run()
    assert "You are signed out" in words(page)
    assert not page.title


def test_who_is_signed_in_stands_beside_the_menu(studio: Studio) -> None:
    """Name, role and the way out; markup in a name stays text."""
    studio.sign_in("REVIEWER", name="<b>Ann</b>")
    seen = words(studio.open())
    assert "&lt;b&gt;Ann&lt;/b&gt;" in seen
    assert "Reviewer" in seen
    assert "/logout" in seen


def failing_script(kind: str) -> str:
    return (
        "from engine.errors import PictureError\nfrom ui_streamlit.studio import attempt\n"
        "import streamlit as st\nwith attempt():\n    raise "
        + ("PictureError('Expected a *picture*, but got `text`.')" if kind == "ours" else "1 / 0")
        + "\nst.write('after')"
    )


def test_an_error_of_ours_is_shown_as_it_reads() -> None:
    """The sentence is shown, signs that would be markup included; the page goes on."""
    page = AppTest.from_string(failing_script("ours")).run()
    assert page.error[0].value == r"Expected a \*picture\*, but got \`text\`."
    assert page.markdown[0].value == "after"
    assert PictureError.code == "bad_picture"


def test_any_other_error_is_a_sentence_with_a_reference(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing of the trace is shown; the log has it under the reference that is shown."""
    with caplog.at_level(logging.ERROR):
        page = AppTest.from_string(failing_script("bug")).run()
    shown = page.error[0].value
    assert "division" not in shown
    assert "Traceback" not in shown
    reference = shown.rstrip(".").rsplit(" ", 1)[1]
    assert reference in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert not page.exception
    assert page.markdown[0].value == "after"


def test_the_theme_has_the_colours_of_the_other_pages() -> None:
    """Ground, sheet, ink and accent are those of the Gradio pages, in light and in dark."""
    config = APP.parent / ".streamlit" / "config.toml"
    theme = tomllib.loads(config.read_text(encoding="utf-8"))["theme"]
    light, dark = CSS.read_text(encoding="utf-8").split("body.dark", 1)
    for mode, rules in (("light", light), ("dark", dark.split("}", 1)[0])):
        for ours, theirs in (
            ("backgroundColor", "ground"),
            ("textColor", "ink"),
            ("primaryColor", "accent"),
            ("borderColor", "line"),
            ("redTextColor", "red"),
            ("greenTextColor", "good"),
        ):
            assert f"--lb-{theirs}: {theme[mode][ours]};" in rules


def test_nothing_is_asked_of_the_vendor() -> None:
    """Telemetry, error details and the developer's menu are off."""
    config = APP.parent / ".streamlit" / "config.toml"
    options = tomllib.loads(config.read_text(encoding="utf-8"))
    assert options["browser"]["gatherUsageStats"] is False
    assert options["client"]["showErrorDetails"] == "none"
    assert options["client"]["toolbarMode"] == "minimal"


def test_a_refresh_does_not_collect_all_garbage_of_the_server() -> None:
    """Streamlit's full collection after each run is off: it holds up sixteen people at once."""
    config = APP.parent / ".streamlit" / "config.toml"
    options = tomllib.loads(config.read_text(encoding="utf-8"))
    assert options["runner"]["postScriptGC"] is False


def test_the_styles_name_no_foreign_host() -> None:
    """Fonts, pictures and styles of the frame come from this server."""
    folder = APP.parent / "studio"
    for path in (*folder.glob("*.css"), *folder.glob("*.svg")):
        text = Path(path).read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text
