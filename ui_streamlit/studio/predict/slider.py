"""Two pictures in one place, and a line between them that is moved by mouse, finger or key."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from typing import Any

import streamlit as st

__all__ = ["draw_slider"]

_HTML = """
<figure class="lb-slide">
  <div class="lb-slide-pictures">
    <img class="lb-slide-after" alt="">
    <img class="lb-slide-before" alt="">
    <span class="lb-slide-line" aria-hidden="true"></span>
    <input type="range" min="0" max="100" step="1" value="50">
  </div>
  <figcaption><span></span><span></span></figcaption>
</figure>
"""
_CSS = """
.lb-slide { margin: 0; }
.lb-slide-pictures { position: relative; line-height: 0; border-radius: 8px; overflow: hidden; touch-action: pan-y; }
.lb-slide-pictures img { width: 100%; height: auto; display: block; user-select: none; -webkit-user-drag: none; }
.lb-slide-before { position: absolute; inset: 0; clip-path: inset(0 calc(100% - var(--place, 50%)) 0 0); }
.lb-slide-line { position: absolute; top: 0; bottom: 0; left: var(--place, 50%); width: 3px; margin-left: -1.5px; background: #ffffff; box-shadow: 0 0 0 1px #000000; pointer-events: none; }
.lb-slide-line::after { content: "⇔"; position: absolute; top: 50%; left: 50%; width: 34px; height: 34px; margin: -17px 0 0 -17px; border-radius: 50%; background: #ffffff; color: #14242c; border: 1px solid #14242c; font: 600 18px/32px sans-serif; text-align: center; }
.lb-slide input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: ew-resize; touch-action: pan-y; }
.lb-slide-pictures:focus-within { outline: 3px solid light-dark(#0b5f7c, #6cc3df); outline-offset: 2px; }
.lb-slide figcaption { display: flex; justify-content: space-between; font-size: 14px; padding-top: .35rem; color: light-dark(#4b616c, #a3b6bf); }
"""  # noqa: E501 – a rule a line, as in frame.css
_JS = """
export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".lb-slide-pictures");
  const range = root.querySelector("input");
  const [left, right] = parentElement.querySelectorAll("figcaption span");
  for (const [name, text] of [["before", data.left], ["after", data.right]]) {
    const picture = root.querySelector(".lb-slide-" + name);
    if (picture.src !== data[name]) picture.src = data[name];
    picture.alt = text;
  }
  left.textContent = data.left;
  right.textContent = data.right;
  range.setAttribute("aria-label", data.label);
  const move = () => {
    root.style.setProperty("--place", range.value + "%");
    range.setAttribute("aria-valuetext", range.value + " % " + data.left);
  };
  range.addEventListener("input", move);
  move();
  return () => range.removeEventListener("input", move);
}
"""


@cache
def _component() -> Any:  # noqa: ANN401 – Streamlit's own type is not public
    return st.components.v2.component("lightbox_slider", html=_HTML, css=_CSS, js=_JS)


def draw_slider(before: bytes, after: bytes, *, left: str, right: str, key: str) -> None:
    """Draw two JPEGs of one size, ``before`` left of the line; ``left`` and ``right`` name them."""
    _component()(
        key=key,
        data={
            "before": _address(before),
            "after": _address(after),
            "left": left,
            "right": right,
            "label": f"How much of {left.lower()} is seen beside {right.lower()}",
        },
        width="stretch",
        height="content",
    )


def _address(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{b64encode(jpeg).decode('ascii')}"
