"""Where somebody may be sent after signing in: only ever to this server."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.own_paths import own_path

NASTY = [
    *("https://evil.example", "http:evil.example", "//evil.example", "///evil.example"),
    *("/\\evil.example", "\\\\evil.example", "/\t/evil.example", "/\n/evil.example"),
    *("\t//evil.example", " //evil.example", "/ /evil.example", "javascript:alert(1)"),
    *("data:text/html,x", "evil.example", "", "?next=x", "#x", "@evil.example", ".//evil.example"),
    *("/\r\nSet-Cookie: lightbox_session=x", "/a\x00b", "/\x0b/evil.example", "/\xa0/evil.example"),
    *("/" + "a" * 3000, "ftp://evil.example/", "HTTPS://evil.example", "//[evil"),
]


@pytest.mark.parametrize("wanted", NASTY)
def test_what_leads_elsewhere_is_replaced(wanted: str) -> None:
    """Schemes, hosts, backslashes, control characters and endless texts lead to the front page."""
    assert own_path(wanted) == "/"


@pytest.mark.parametrize(
    "wanted",
    [
        "/",
        "/studio/",
        "/studio/jobs?id=01ab&tab=log#x",
        "/eyes/?a=b%20c",
        "/a//evil.example",
        "/@x",
    ],
)
def test_own_paths_stay_as_they_are(wanted: str) -> None:
    """A path with query and fragment on this server is kept to the letter."""
    assert own_path(wanted) == wanted


def test_nothing_said_leads_to_the_front_page() -> None:
    """No wish is no error."""
    assert own_path(None) == "/"
    assert own_path(None, otherwise="/lightbox/") == "/lightbox/"


@given(st.text(max_size=60))
def test_no_text_leads_to_another_server(wanted: str) -> None:
    """Resolved as browsers do it, every answer stays on this host and is plain ASCII."""
    found = own_path(wanted)
    assert found.isascii()
    assert found.isprintable()
    # Browsers take a backslash for a slash and drop tabs and line ends.
    seen = found.replace("\\", "/").translate({9: None, 10: None, 13: None})
    assert urlsplit(urljoin("https://own.example/login", seen)).netloc == "own.example"
