"""What the pages share: head, files for the browser, and Gradio's frame put right."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final, final

from fastapi import APIRouter
from starlette.responses import FileResponse, JSONResponse, Response

__all__ = ["NOTHING_HERE", "Frame", "home_of", "web_router"]

_SHARED: Final = Path(__file__).parent / "web"
"""Scripts, styles and icons that every page uses."""

_KINDS: Final = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
}

NOTHING_HERE: Final = {
    "error": {"code": "not_found", "message": "There is nothing at this address."}
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a page is called, and the head that it gets instead of Gradio's.

    ``title`` stands in the browser's tab, ``name`` on a phone's home screen (``short_name`` under
    the icon); ``styles`` are files of :func:`web_router`.
    """

    title: str
    name: str
    short_name: str
    description: str
    styles: tuple[str, ...]

    def polish(self, html: str) -> str:
        """Return Gradio's page with our head and without addresses of other machines.

        Gradio links its manifest from the server's root, where a mounted page has none, and names
        pictures on its vendor's machines as previews for social networks.
        """
        html = re.sub(r'\s*<link rel="manifest"[^>]*>', "", html)
        html = re.sub(r'\s*<meta\s+(?:property|name)="(?:og|twitter):[^>]*>', "", html)
        html = html.replace("<head>", f"<head>\n<title>{escape(self.title)}</title>", 1)
        return html.replace("</head>", f"{self._head()}</head>", 1)

    def manifest(self) -> dict[str, object]:
        """Return what a phone needs to keep the page as an application."""
        icons: list[dict[str, str]] = [
            {"src": f"./web/icon-{size}.png", "sizes": f"{size}x{size}", "type": "image/png"}
            for size in (192, 512)
        ]
        return {
            "name": self.name,
            "short_name": self.short_name,
            "description": self.description,
            "start_url": "./",
            "scope": "./",
            "display": "standalone",
            "background_color": "#f6f9fa",
            "theme_color": "#0b5f7c",
            "icons": [
                *icons,
                {"src": "./web/icon.svg", "sizes": "any", "type": "image/svg+xml"},
            ],
        }

    def _head(self) -> str:
        styles = "".join(f'<link rel="stylesheet" href="./web/{name}" />\n' for name in self.styles)
        return f"""<meta name="description" content="{escape(self.description)}" />
<meta name="theme-color" content="#f6f9fa" media="(prefers-color-scheme: light)" />
<meta name="theme-color" content="#0f171b" media="(prefers-color-scheme: dark)" />
<link rel="icon" href="./web/icon.svg" type="image/svg+xml" />
<link rel="apple-touch-icon" href="./web/icon-192.png" />
<link rel="manifest" href="./manifest.json" />
{styles}<noscript><p>This page needs JavaScript. Programs can use the API without it.</p></noscript>
"""


def home_of(path: str) -> str:
    """Return the way from a page mounted at ``path`` to the landing page.

    >>> home_of("/eyes"), home_of("/")
    ('../', './')
    """
    return "../" * len([part for part in path.split("/") if part]) or "./"


def web_router(frame: Frame, folder: Path) -> APIRouter:
    """Return the routes of a page's own files, which go before Gradio's.

    A name is looked for in ``folder`` first, then among what all pages share.
    """
    router = APIRouter(include_in_schema=False)

    @router.get("/web/{name}")
    def web(name: str) -> Response:
        known = {
            file.name: file
            for place in (_SHARED, folder)
            for file in place.iterdir()
            if file.suffix in _KINDS
        }
        if name not in known:
            return JSONResponse(NOTHING_HERE, status_code=404)
        return FileResponse(
            known[name],
            media_type=_KINDS[known[name].suffix],
            headers={"Cache-Control": "no-cache"},
        )

    @router.get("/manifest.json")
    def manifest() -> Response:
        return JSONResponse(frame.manifest(), media_type="application/manifest+json")

    return router
