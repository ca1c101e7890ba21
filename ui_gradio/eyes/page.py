"""The page's text: our HTML with the settings filled in, and Gradio's frame put right."""

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

__all__ = ["START", "TITLE", "WEB", "manifest", "page_html", "polish"]

TITLE: Final = "Eye check · Lightbox"
WEB: Final = Path(__file__).parent / "web"
"""Scripts and styles that the page fetches from us."""

START: Final = """
import(new URL("./web/main.js", document.baseURI))
    .then(({ start }) => start(element.querySelector("#lightbox-eyes")))
    .catch((error) => console.error("The page could not start:", error));
"""
"""What Gradio runs once our HTML is on the page."""

_DESCRIPTION = "Look into a camera or choose a photo: a calibrated, explained answer for each eye."
_HEAD = f"""<meta name="description" content="{_DESCRIPTION}" />
<meta name="theme-color" content="#f6f9fa" media="(prefers-color-scheme: light)" />
<meta name="theme-color" content="#0f171b" media="(prefers-color-scheme: dark)" />
<link rel="icon" href="./web/icon.svg" type="image/svg+xml" />
<link rel="apple-touch-icon" href="./web/icon-192.png" />
<link rel="manifest" href="./manifest.json" />
<link rel="stylesheet" href="./web/eyes.css" />
<noscript><p>The eye check needs JavaScript. Programs can use the API without it.</p></noscript>
"""


def page_html(settings: Settings, *, path: str) -> str:
    """Return the HTML of the page for an application mounted at ``path``."""
    depth = len([part for part in path.split("/") if part])
    home = "../" * depth or "./"
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


def polish(html: str) -> str:
    """Return Gradio's page with our head and without addresses of other machines.

    Gradio links its manifest from the server's root, where a mounted page has none, and names
    pictures on its vendor's machines as previews for social networks.
    """
    html = re.sub(r'\s*<link rel="manifest"[^>]*>', "", html)
    html = re.sub(r'\s*<meta\s+(?:property|name)="(?:og|twitter):[^>]*>', "", html)
    html = html.replace("<head>", f"<head>\n<title>{TITLE}</title>", 1)
    return html.replace("</head>", f"{_HEAD}</head>", 1)


def _figures(settings: Settings) -> tuple[str, ...]:
    card = cards.load(settings.eye_model or shipped("models", "eyes"))
    return accuracy_sentences(card)


def manifest() -> dict[str, object]:
    """Return what a phone needs to keep the page as an application."""
    icons: list[dict[str, str]] = [
        {"src": f"./web/icon-{size}.png", "sizes": f"{size}x{size}", "type": "image/png"}
        for size in (192, 512)
    ]
    return {
        "name": "Lightbox eye check",
        "short_name": "Eye check",
        "description": _DESCRIPTION,
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
