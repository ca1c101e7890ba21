"""The frame of a plain page: head, name, card, disclaimer."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response

from api.headers import PAGE_POLICY

__all__ = ["page", "web_router"]

_WEB: Final = Path(__file__).parent / "web"

_DOCUMENT: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<meta name="theme-color" content="#f6f9fa" media="(prefers-color-scheme: light)">
<meta name="theme-color" content="#0f171b" media="(prefers-color-scheme: dark)">
<title>{title} · Lightbox</title>
<link rel="icon" href="{root}/favicon.ico" type="image/svg+xml">
<link rel="stylesheet" href="{root}/door/door.css">
{head}</head>
<body>
<header>
<a href="{root}/"><img src="{root}/favicon.ico" alt="" width="40" height="40">Lightbox</a>
</header>
<main>
<h1>{title}</h1>
{body}
</main>
<footer>A research demonstrator, not a medical device.</footer>
</body>
</html>
"""


def page(
    title: str, body: str, *, root: str, status: int = 200, head: str = "", policy: str = ""
) -> HTMLResponse:
    """Return a page; ``body`` and ``head`` are HTML, ``title`` is text.

    ``root`` is the path under which a reverse proxy shows the server; ``policy`` replaces the
    usual content security policy.
    """
    html = _DOCUMENT.format(title=escape(title), body=body, root=escape(root), head=head)
    headers = {"Content-Security-Policy": policy or PAGE_POLICY, "Cache-Control": "no-store"}
    return HTMLResponse(html, status_code=status, headers=headers)


def web_router() -> APIRouter:
    """Return the route of the pages' own files."""
    router = APIRouter(include_in_schema=False)

    @router.get("/door/{name}")
    def file(name: str) -> Response:
        known = {path.name: path for path in _WEB.iterdir() if path.suffix == ".css"}
        if name not in known:
            missing = {"code": "not_found", "message": "There is nothing at this address."}
            return JSONResponse({"error": missing}, status_code=404)
        headers = {"Cache-Control": "no-cache"}
        return FileResponse(known[name], media_type="text/css", headers=headers)

    return router
