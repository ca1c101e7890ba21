"""How wide the page is: a drawing surface is made of pixels, and a phone has few."""

from __future__ import annotations

from functools import cache
from typing import Any

import streamlit as st

__all__ = ["page_width"]

_HTML = '<div class="lb-width" aria-hidden="true"></div>'
_CSS = ".lb-width { height: 0; width: 100%; }"
_JS = """
export default function ({ parentElement, setStateValue }) {
  const line = parentElement.querySelector(".lb-width");
  let told = 0;
  const tell = () => {
    const width = Math.floor(line.getBoundingClientRect().width);
    if (width > 100 && Math.abs(width - told) > 24) {
      told = width;
      setStateValue("width", width);
    }
  };
  const watch = new ResizeObserver(tell);
  watch.observe(line);
  tell();
  return () => watch.disconnect();
}
"""


@cache
def _component() -> Any:  # noqa: ANN401 – Streamlit's own type is not public
    return st.components.v2.component("lightbox_page_width", html=_HTML, css=_CSS, js=_JS)


def page_width() -> int | None:
    """Return the width of the place where this is called, in CSS pixels; ``None`` at first."""
    found = _component()(
        key="annotate-width", on_width_change=lambda: None, width="stretch", height="content"
    )
    width = found.get("width")
    return int(width) if width else None
