"""Whether somebody looks at a page, or a program asks for data."""

from __future__ import annotations

from starlette.datastructures import Headers

__all__ = ["wants_page"]


def wants_page(headers: Headers, method: str, *, is_page: bool) -> bool:
    """Return whether the answer is for a person's browser.

    A browser that goes to an address says that it would like HTML; a program that asks for a page
    without saying what it takes is treated as a browser, so that a link checker sees the redirect.
    """
    accepts = headers.get("accept", "*/*")
    if headers.get("sec-fetch-mode") == "navigate":
        return True
    if method not in ("GET", "HEAD", "POST"):
        return False
    if "text/html" in accepts:
        return headers.get("sec-fetch-dest", "document") in ("document", "iframe")
    return is_page and method != "POST" and "*/*" in accepts
