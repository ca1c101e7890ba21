"""Headers that every answer carries, and what is put right in them on the way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Send

from api.own_paths import own_path

__all__ = ["PAGE_POLICY", "with_headers"]

PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
"""For our own plain pages: no scripts at all, and nobody may put them into a frame."""

_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_SIGNED_IN: Final = {"X-Frame-Options": "SAMEORIGIN"}


def with_headers(send: Send, request: Headers, *, asks_for_sign_in: bool) -> Send:
    """Return ``send`` that adds our headers to what an application answers.

    Where people sign in, nothing personal stays in a cache: the browser's back button must not
    show a page after signing out. An open server may be shown inside another page, as a Space is.
    """
    added: Mapping[str, str] = _ALWAYS | _SIGNED_IN if asks_for_sign_in else _ALWAYS

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            for name, value in added.items():
                headers.setdefault(name, value)
            _keep_out_of_caches(headers, asks_for_sign_in=asks_for_sign_in)
            _shorten_location(headers, request.get("host", ""))
            message = {**message, "headers": headers.raw}
        await send(message)

    return wrapped


def _keep_out_of_caches(headers: MutableHeaders, *, asks_for_sign_in: bool) -> None:
    kind = headers.get("content-type", "")
    if asks_for_sign_in and kind.startswith("text/html"):
        headers["Cache-Control"] = "no-store"
    elif kind.startswith("application/json"):
        headers.setdefault("Cache-Control", "no-store")


def _shorten_location(headers: MutableHeaders, host: str) -> None:
    """Turn an address of this server into its path, so that it holds behind any proxy."""
    location = headers.get("location", "")
    for scheme in ("http", "https"):
        start = f"{scheme}://{host}"
        if host and location.startswith(f"{start}/"):
            headers["location"] = own_path(location.removeprefix(start))
