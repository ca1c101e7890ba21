"""A picture that tells where it was tapped or clicked; the regions can be chosen by button too."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

import streamlit as st

__all__ = ["tapped"]

_HTML = '<img class="lb-tapped" alt="" />'
_CSS = """
.lb-tapped { display: block; max-width: 100%; height: auto; cursor: crosshair; border-radius: 6px; }
"""
_JS = """
export default function ({ parentElement, data, setTriggerValue }) {
  const image = parentElement.querySelector(".lb-tapped");
  if (image.src !== data.src) image.src = data.src;
  image.alt = data.alt;
  image.width = data.width;
  image.onclick = (event) => {
    const box = image.getBoundingClientRect();
    setTriggerValue("place", {
      x: (event.clientX - box.left) / box.width,
      y: (event.clientY - box.top) / box.height,
    });
  };
}
"""


@cache
def _component() -> Any:  # noqa: ANN401 – Streamlit's own type is not public
    return st.components.v2.component("lightbox_tapped_picture", html=_HTML, css=_CSS, js=_JS)


def tapped(jpeg: bytes, *, width: int, alt: str, key: str) -> tuple[float, float] | None:
    """Draw a JPEG; return where it was tapped just now, in parts of its size, or ``None``."""
    found = _component()(
        data={
            "src": f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}",
            "alt": alt,
            "width": width,
        },
        key=key,
        on_place_change=lambda: None,
        height="content",
    )
    place = found.get("place")
    try:
        x, y = float(place["x"]), float(place["y"])
    except (TypeError, KeyError, ValueError):
        return None
    return (x, y) if 0 <= x < 1 and 0 <= y < 1 else None
