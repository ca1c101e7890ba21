"""The studio as one application to mount: Streamlit's, with a first page of our own making.

Streamlit's ``index.html`` guesses from the address where its server is and asks in two places; a
link to a page of the studio would begin with two requests that fail. Ours says where it is. It
also carries our name, our icon and the colour that the page will have.
"""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send
    from streamlit.starlette import App

__all__ = ["first_page", "open_studio"]

_SCRIPT: Final = Path(__file__).parents[1] / "app.py"
_PAGE = re.compile(r"/?[a-z_]*/?")


def open_studio(*, path: str) -> App:
    """Return the application; ``path`` is where visitors see it, such as ``/studio``.

    The caller enters its ``lifespan()`` and mounts it.
    """
    from starlette.middleware import Middleware
    from streamlit.starlette import App

    from ui_streamlit.studio.attempts import show_uncaught

    page = first_page(path).encode()
    return App(
        _SCRIPT, middleware=[Middleware(_OwnFirstPage, page=page)], on_script_error=show_uncaught
    )


def first_page(path: str) -> str:
    """Return the HTML that each address of the studio begins with."""
    spec = find_spec("streamlit")
    if spec is None or spec.origin is None:  # pragma: no cover – the studio depends on it
        raise ImportError("streamlit is not installed")
    html = (Path(spec.origin).parent / "static" / "index.html").read_text(encoding="utf-8")
    html = re.sub(r"<!--.*?-->", "", html, flags=re.DOTALL)
    html = re.sub(r'<link[^>]*rel="(?:preload|service-desc|shortcut icon)"[^>]*>', "", html)
    html = html.replace("./static/", f"{path}/static/")
    html = re.sub(r"<title>.*?</title>", "<title>Lightbox studio</title>", html)
    return html.replace("<head>", "<head>" + _head(path), 1)


def _head(path: str) -> str:
    here = json.dumps(path)
    icon = path.rpartition("/")[0] + "/favicon.ico"
    return (
        '<meta name="color-scheme" content="light dark">'
        "<style>html{background:#f6f9fa}"
        "@media (prefers-color-scheme:dark){html{background:#0f171b}}</style>"
        f'<link rel="icon" href="{icon}" type="image/svg+xml">'
        "<script>{const here=location.origin+" + here + ";"
        "window.__streamlit={BACKEND_BASE_URL:here,MAIN_PAGE_BASE_URL:here}}</script>"
    )


class _OwnFirstPage:
    """Answers the addresses of pages with ``page`` and hands on all else."""

    def __init__(self, app: ASGIApp, *, page: bytes) -> None:
        self._app = app
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.responses import HTMLResponse

        if not _asks_for_a_page(scope):
            await self._app(scope, receive, send)
            return
        answer = HTMLResponse(self._page, headers={"Cache-Control": "no-cache"})
        await answer(scope, receive, send)


def _asks_for_a_page(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return False
    below = str(scope["path"]).removeprefix(str(scope.get("root_path", "")))
    return _PAGE.fullmatch(below) is not None
