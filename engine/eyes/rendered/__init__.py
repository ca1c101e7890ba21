"""Eyes that we draw ourselves, with everything known about them.

Pictures of the outside of an eye (:func:`render_eye`), of things that are no eye
(:func:`render_not_an_eye`) and of whole faces (:func:`render_face`), each made from a random
generator alone: a seed is the picture. They train the anatomy reader, pre-train the classifier
and give tests a truth that follows from the construction. They are drawings: no figure measured on
them says how good a model is on photographs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.eyes.rendered.drawing import draw_eye, render_eye
    from engine.eyes.rendered.face import render_face
    from engine.eyes.rendered.others import KINDS, render_not_an_eye
    from engine.eyes.rendered.traits import Traits, sample_traits
    from engine.eyes.rendered.truth import Condition, Framing, RenderedEye, RenderedFace

__all__ = [
    "KINDS",
    "Condition",
    "Framing",
    "RenderedEye",
    "RenderedFace",
    "Traits",
    "draw_eye",
    "render_eye",
    "render_face",
    "render_not_an_eye",
    "sample_traits",
]

_HOMES = {
    "KINDS": "others",
    "Condition": "truth",
    "Framing": "truth",
    "RenderedEye": "truth",
    "RenderedFace": "truth",
    "Traits": "traits",
    "draw_eye": "drawing",
    "render_eye": "drawing",
    "render_face": "face",
    "render_not_an_eye": "others",
    "sample_traits": "traits",
}


def __getattr__(name: str) -> object:
    """Load the module of a public name on first use, so that importing the package is light."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
