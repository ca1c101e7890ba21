"""The server's own requests to itself: Gradio's tools for agents call the pages' endpoints by HTTP.

Each carries a word that only this process knows, and only reading is allowed by it: what an agent
asks to be done is sent with the agent's own token.
"""

from __future__ import annotations

import hmac
import secrets

from starlette.datastructures import Headers

__all__ = ["inside_headers", "is_from_inside"]

_HEADER = "x-lightbox-inside"
_WORD = secrets.token_urlsafe(32)


def inside_headers() -> dict[str, str]:
    """Return what a request of ours to ourselves carries."""
    return {_HEADER: _WORD}


def is_from_inside(headers: Headers) -> bool:
    """Return whether this process itself sends the request."""
    return hmac.compare_digest(headers.get(_HEADER, "").encode(), _WORD.encode())
