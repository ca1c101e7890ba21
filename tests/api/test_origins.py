"""Whether one of our own pages sends a request."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from api.origins import is_from_own_page

ALLOWED = ("https://clinic.example",)


@pytest.mark.parametrize(
    ("headers", "is_own"),
    [
        ({}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, True),
        ({"origin": "http://own.example:7860"}, True),
        ({"origin": "http://OWN.example:7860"}, True),
        ({"origin": "http://own.example"}, False),
        ({"origin": "http://own.example.evil.example:7860"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"origin": "https://clinic.example"}, True),
        ({"origin": "https://clinic.example", "sec-fetch-site": "cross-site"}, True),
        ({"origin": "https://shown.example", "x-forwarded-host": "shown.example"}, True),
    ],
)
def test_the_browser_says_where_it_comes_from(headers: dict[str, str], is_own: bool) -> None:
    """What the browser says of itself counts first, then the origin against the host."""
    told = Headers({"host": "own.example:7860", **headers})
    assert is_from_own_page(told, allowed=ALLOWED) is is_own


def test_a_program_counts_as_own_unless_it_must_say() -> None:
    """A websocket that a cookie opens must say which page opens it."""
    told = Headers({"host": "own.example"})
    assert is_from_own_page(told, allowed=())
    assert not is_from_own_page(told, allowed=(), must_say=True)
