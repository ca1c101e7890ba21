"""The page's text: our HTML with the settings filled in."""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from typing import Final

from engine.settings import Settings
from engine.spine.runner import KEPT_S
from ui_gradio.frame import Frame, home_of

__all__ = ["FRAME", "KEPT_MINUTES", "START", "WEB", "page_html"]

WEB: Final = Path(__file__).parent / "web"
"""Scripts and styles that the page fetches from us."""

KEPT_MINUTES: Final = round(KEPT_S / 60)
"""What the page promises: how long a CT and its result are kept after their last use."""

START: Final = """
import(new URL("./web/main.js", document.baseURI))
    .then(({ start }) => start(element.querySelector("#lightbox-spine")))
    .catch((error) => console.error("The page could not start:", error));
"""
"""What Gradio runs once our HTML is on the page."""

FRAME: Final = Frame(
    title="Vertebrae · Lightbox",
    name="Lightbox vertebrae",
    short_name="Vertebrae",
    description=(
        "Drop a CT: every vertebra found, named and measured, and the numbering checked in words."
    ),
    styles=("base.css", "spine.css"),
)
"""The head of the page."""

_NOTICE: Final = "A research demonstrator, not a medical device."


def page_html(settings: Settings, *, path: str) -> str:
    """Return the HTML of the page for an application mounted at ``path``."""
    home = home_of(path)
    config = {"max_upload_mb": settings.max_volume_mb, "plain": home}
    values = {
        "%CONFIG%": escape(json.dumps(config), quote=True),
        "%HOME%": home,
        "%MAX_UPLOAD%": _megabytes(settings.max_volume_mb),
        "%KEPT%": str(KEPT_MINUTES),
        "%NOTICE%": escape(_NOTICE),
    }
    text = (WEB / "page.html").read_text(encoding="utf-8")
    return re.sub("|".join(values), lambda found: values[found[0]], text)


def _megabytes(count: int) -> str:
    """Return a size as people say it.

    >>> _megabytes(500), _megabytes(2000)
    ('500 MB', '2 GB')
    """
    return f"{count / 1000:g} GB" if count >= 1000 else f"{count} MB"
