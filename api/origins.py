"""Whether a browser sends a request from one of our own pages, or from a stranger's.

A stranger's page can make a browser send requests with the visitor's cookie. Browsers say where a
request comes from in ``Sec-Fetch-Site`` and ``Origin``, which no page can write itself.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers

__all__ = ["is_from_own_page"]


def is_from_own_page(headers: Headers, *, allowed: Collection[str], must_say: bool = False) -> bool:
    """Return whether a page of this server, or of ``allowed`` origins, sends the request.

    Programs that are no browsers say nothing and count as own unless ``must_say``.
    ``X-Forwarded-Host`` may name us too: no page of a stranger can add it without asking first.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None and origin in allowed:
        return True
    if site is not None:
        return site in ("same-origin", "none")
    if origin is None:
        return not must_say
    host = urlsplit(origin).netloc.lower()
    own = {headers.get("host", "").lower(), headers.get("x-forwarded-host", "").lower()}
    return bool(host) and host in own
