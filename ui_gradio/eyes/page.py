"""The page's text: our HTML with the settings filled in."""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from typing import Final

from engine.eyes.figures import accuracy_sentences
from engine.eyes.wording import NOTICE
from engine.inference import cards
from engine.settings import Settings
from engine.shipped import shipped
from ui_gradio.eyes.examples import EXAMPLES
from ui_gradio.frame import Frame, home_of

__all__ = ["FRAME", "START", "WEB", "page_html"]

WEB: Final = Path(__file__).parent / "web"
"""Scripts and styles that the page fetches from us."""

START: Final = """
import(new URL("./web/main.js", document.baseURI))
    .then(({ start }) => start(element.querySelector("#lightbox-eyes")))
    .catch((error) => console.error("The page could not start:", error));
"""
"""What Gradio runs once our HTML is on the page."""

FRAME: Final = Frame(
    title="Eye check · Lightbox",
    name="Lightbox eye check",
    short_name="Eye check",
    description=(
        "Look into a camera or choose a photo: a calibrated, explained answer for each eye."
    ),
    styles=("base.css", "eyes.css"),
)
"""The head of the page."""


def page_html(settings: Settings, *, path: str) -> str:
    """Return the HTML of the page for an application mounted at ``path``."""
    home = home_of(path)
    config = {"max_upload_mb": settings.max_upload_mb, "plain": home, "notice": NOTICE}
    values = {
        "%CONFIG%": escape(json.dumps(config), quote=True),
        "%HOME%": home,
        "%MAX_UPLOAD%": str(settings.max_upload_mb),
        "%NOTICE%": escape(NOTICE),
        "%FIGURES%": "".join(f"<li>{escape(sentence)}</li>" for sentence in _figures(settings)),
        "%EXAMPLES%": "".join(
            f'<li><button type="button" data-example="{example.name}">'
            f'<img src="./examples/{example.name}" alt="" loading="lazy">'
            f"<span>{escape(example.title)}</span></button></li>"
            for example in EXAMPLES
        ),
    }
    text = (WEB / "page.html").read_text(encoding="utf-8")
    return re.sub("|".join(values), lambda found: values[found[0]], text)


def _figures(settings: Settings) -> tuple[str, ...]:
    card = cards.load(settings.eye_model or shipped("models", "eyes"))
    return accuracy_sentences(card)
