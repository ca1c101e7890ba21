"""Asks the browser for a moment in which no pen is down: only then may the surface be emptied.

A stroke that was begun before is finished and sent first. From the answer until the new sheet is
there, which is a moment, the surface takes no new stroke, and the pointer says so.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import streamlit as st

__all__ = ["rests"]

_HTML = '<div class="lb-resting" aria-hidden="true"></div>'
_CSS = ".lb-resting { height: 0; }"
_JS = """
const SENT_MS = 350;  // the surface sends a stroke a fifth of a second after the pen was lifted
const SHOWN_MS = 300;  // the picture of this run is fetched before the next one replaces it
const LONGEST_MS = 5000;

function surfaceOf(event) {
  return event.composedPath().find(
    (node) => node.classList && node.classList.contains("upper-canvas"));
}

function watch() {
  const pen = { isDown: false, liftedAt: -1e9, closedAt: 0, surface: null };
  pen.isClosed = () => pen.closedAt > 0 && performance.now() - pen.closedAt < LONGEST_MS;
  pen.open = () => {
    pen.closedAt = 0;
    if (pen.surface) pen.surface.style.cursor = "";
  };
  const down = (event) => {
    const surface = surfaceOf(event);
    if (!surface) return;
    pen.surface = surface;
    if (pen.isClosed()) {
      surface.style.cursor = "progress";
      event.stopImmediatePropagation();
      event.preventDefault();
      return;
    }
    pen.isDown = true;
  };
  const up = () => {
    if (!pen.isDown) return;
    pen.isDown = false;
    pen.liftedAt = performance.now();
  };
  for (const name of ["pointerdown", "mousedown", "touchstart"])
    window.addEventListener(name, down, { capture: true, passive: false });
  for (const name of ["pointerup", "mouseup", "touchend", "touchcancel", "blur"])
    window.addEventListener(name, up, { capture: true });
  return pen;
}

export default function ({ data, setStateValue }) {
  const pen = (window.lightboxPen ??= watch());
  pen.wanted = data.wanted;
  if (!data.wanted) {
    pen.open();
    return () => {};
  }
  const tell = () => {
    if (pen.wanted !== data.wanted || pen.told === data.wanted) return;
    if (pen.isDown || performance.now() - pen.liftedAt < SENT_MS) {
      setTimeout(tell, 50);
      return;
    }
    pen.told = data.wanted;
    pen.closedAt = performance.now();
    setStateValue("rests", data.wanted);
  };
  setTimeout(tell, SHOWN_MS);
  return () => {};
}
"""


@cache
def _component() -> Any:  # noqa: ANN401 – Streamlit's own type is not public
    return st.components.v2.component("lightbox_resting_pen", html=_HTML, css=_CSS, js=_JS)


def rests(wanted: str) -> bool:
    """Ask with a name of its own, and say whether the answer to it has come; "" asks nothing."""
    found = _component()(
        data={"wanted": wanted},
        key="annotate-resting",
        on_rests_change=lambda: None,
        width="stretch",
        height="content",
    )
    return bool(wanted) and found.get("rests") == wanted
