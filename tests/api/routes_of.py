"""All routes of the real application, those of Gradio and Streamlit included."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest.mock import MagicMock

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Mount, WebSocketRoute
from streamlit.starlette import App
from streamlit.web.server.starlette.starlette_app import create_streamlit_routes

import app
from api.rules import WEBSOCKET
from engine.settings import Settings

__all__ = ["real_routes", "sample_of"]

_ROOT = Path(__file__).parents[2]


def real_routes(home: Path) -> list[tuple[str, str]]:
    """Return (method, path with its placeholders) of everything that the one port answers.

    In a process of its own: Gradio leaves loops and sockets open in the one that builds its pages.
    """
    command = [sys.executable, "-W", "ignore", "-m", __name__, str(home)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=_ROOT)
    return [(method, path) for method, path in json.loads(ran.stdout)]


def _main(home: str) -> None:
    application = app.create_app(Settings(home=Path(home), auth=True))
    sys.stdout.write(json.dumps(sorted({*_walk(application.routes, "")})))


def sample_of(path: str) -> str:
    """``/files/{sha256}`` -> ``/files/x1``: an address that the route would answer."""
    return re.sub(r"\{[^}]+\}", "x1", path)


def _walk(routes: Sequence[BaseRoute], prefix: str) -> Iterator[tuple[str, str]]:
    for context in iter_route_contexts(routes):
        route = getattr(context, "original_route", context)
        if isinstance(route, Mount):
            yield from _mounted(route, prefix + route.path)
            continue
        path = getattr(context, "path", None) or route.path
        if isinstance(route, WebSocketRoute):
            yield WEBSOCKET, prefix + path
        for method in getattr(context, "methods", None) or getattr(route, "methods", None) or ():
            yield method, prefix + path


def _mounted(mount: Mount, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(mount.app, App):
        # Its routes are made when it runs; a runtime that does nothing is enough to list them.
        yield from _walk(create_streamlit_routes(MagicMock()), path)
    elif getattr(mount.app, "routes", None):
        yield from _walk(mount.app.routes, path)
    else:
        yield "GET", f"{path}/{{path}}"


if __name__ == "__main__":
    _main(sys.argv[1])
