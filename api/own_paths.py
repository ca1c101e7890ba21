"""Addresses that stay on this server: where somebody may be sent after signing in."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, urlsplit

__all__ = ["own_path"]

_LONGEST: Final = 2000
# What browsers drop or turn into a slash: with them "/\evil.example" leads to another server.
_TRICKS: Final = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
# Printable ASCII that may stand in an address as it is; everything else is percent-coded.
_KEPT: Final = "/?#[]@!$&'()*+,;=:%~-._"


def own_path(wanted: str | None, *, otherwise: str = "/") -> str:
    """Return ``wanted`` when it is a path on this server, else ``otherwise``.

    It must begin with exactly one slash, and have no control character, space or backslash.

    >>> own_path("/studio/jobs?id=1"), own_path("//evil.example"), own_path("https://evil.example")
    ('/studio/jobs?id=1', '/', '/')
    """
    if not wanted or len(wanted) > _LONGEST or _TRICKS.search(wanted):
        return otherwise
    if not wanted.startswith("/") or wanted.startswith("//"):
        return otherwise
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return otherwise
    if parts.scheme or parts.netloc:
        return otherwise
    return quote(wanted, safe=_KEPT)
