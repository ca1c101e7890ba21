"""What the pen is set to: tool, state, size, opacity; by button and by key."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Final, final

import streamlit as st

from engine.annotation.canvas_objects import ink
from engine.annotation.strokes import Tool
from engine.imaging.palettes import OKABE_ITO, Colour, colour_of, to_hex

__all__ = [
    "NOT_ANNOTATED",
    "Choices",
    "chosen_state",
    "colours_of",
    "draw_choices",
    "draw_view",
    "label_of",
]

NOT_ANNOTATED: Final = 255

_TOOLS: Final[tuple[tuple[Tool, str, str, str], ...]] = (
    ("brush", "Brush", "brush", "B"),
    ("eraser", "Eraser", "ink_eraser", "E"),
    ("polygon", "Polygon", "pentagon", "P"),
    ("rectangle", "Rectangle", "rectangle", "X"),
    ("lasso", "Lasso", "lasso_select", "L"),
    ("fill", "Fill", "format_color_fill", "F"),
    ("smart", "Smart brush", "auto_fix_high", "M"),
)
_MODES: Final = {
    "brush": "freedraw",
    "eraser": "freedraw",
    "lasso": "freedraw",
    "polygon": "polygon",
    "rectangle": "rect",
    "fill": "point",
    "smart": "freedraw",
}
_STANDARD: Final = {"background": "blue", "unhealthy": "vermillion", "healthy": "bluish green"}
_SIZES: Final = (1, 2, 3, 5, 8, 12, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 300, 400)
_TOOL, _STATE = "annotate-tool", "annotate-state"
_SIZE, _OPACITY, _SHOWN = "annotate-size", "annotate-opacity", "annotate-shown"
_INK: Final = 0.5
_KEYS: Final = 9
_WIDE: Final = ("brush", "eraser", "smart")
_GREY: Final = (250, 250, 250)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The pen as it is set; ``size_px`` in pixels of the picture."""

    tool: Tool
    state: int
    colour: Colour
    size_px: int
    opacity: float
    shown: bool

    @property
    def mode(self) -> str:
        """What the drawing surface calls it."""
        return _MODES[self.tool]

    @property
    def ink(self) -> str:
        """The colour to draw with."""
        state = NOT_ANNOTATED if self.tool == "eraser" else self.state
        colour = _GREY if state == NOT_ANNOTATED else self.colour
        return ink(self.tool, state, colour, opacity=_INK)

    def width(self, scale: float) -> float:
        """Return the width of a line on a surface with ``scale`` pixels of the picture each."""
        return max(0.1, self.size_px / scale) if self.tool in _WIDE else 2.0


def chosen_state() -> int:
    """Return the state that the pen is set to."""
    return int(st.session_state.get(_STATE, 1))


def colours_of(classes: tuple[str, ...]) -> dict[int, Colour]:
    """Return the colour of each class but the background, by its value."""
    return {
        value: OKABE_ITO[_STANDARD[name]] if name in _STANDARD else colour_of(name, index=value)
        for value, name in enumerate(classes)
    }


def label_of(state: int, classes: tuple[str, ...]) -> str:
    """Return a state's name as people read it."""
    if state == NOT_ANNOTATED or state >= len(classes):
        return "Not annotated"
    return classes[state].replace("_", " ").capitalize()


def draw_choices(classes: tuple[str, ...]) -> Choices:
    """Draw the buttons and return what is chosen."""
    kept = st.session_state
    kept.setdefault(_TOOL, "brush")
    kept.setdefault(_SIZE, 16)
    kept.setdefault(_OPACITY, 45)
    kept.setdefault(_SHOWN, True)
    if kept.get(_STATE, -1) not in (*range(len(classes)), NOT_ANNOTATED):
        kept[_STATE] = min(1, len(classes) - 1)
    with st.container(horizontal=True, gap="xsmall", key="lb-tools"):
        for tool, label, icon, key in _TOOLS:
            _button(_TOOL, tool, label, icon=f":material/{icon}:", key=key)
    with st.container(horizontal=True, gap="xsmall", key="lb-states"):
        for state in (*range(len(classes)), NOT_ANNOTATED):
            short = "9" if state == NOT_ANNOTATED else str(state) if state < _KEYS else None
            _button(_STATE, state, label_of(state, classes), key=short)
    state = int(kept[_STATE])
    return Choices(
        tool=kept[_TOOL],
        state=state,
        colour=colours_of(classes).get(state, _GREY),
        size_px=int(kept[_SIZE]),
        opacity=kept[_OPACITY] / 100,
        shown=bool(kept[_SHOWN]),
    )


def draw_view(classes: tuple[str, ...]) -> None:
    """Draw what changes the size of the pen and how the mask is shown."""
    shown = st.session_state[_SHOWN]
    st.button("Smaller", shortcut="S", on_click=_step, args=(-1,), key="annotate-smaller")
    st.button("Larger", shortcut="D", on_click=_step, args=(1,), key="annotate-larger")
    st.button(
        "Hide the mask" if shown else "Show the mask",
        icon=":material/visibility_off:" if shown else ":material/visibility:",
        shortcut="H",
        on_click=_set,
        args=(_SHOWN, not shown),
        key="annotate-show",
    )
    size, opacity = st.session_state[_SIZE], st.session_state[_OPACITY]
    with st.popover(f"Pen {size} px, mask {opacity} %", icon=":material/tune:"):
        st.select_slider("Width of the brush, in pixels of the picture", _SIZES, key=_SIZE)
        st.slider("Opacity of the mask, in percent", 10, 90, step=5, key=_OPACITY)
        for state, colour in colours_of(classes).items():
            st.html(
                f'<span class="lb-swatch" style="background: {to_hex(colour)}"></span> '
                f"{escape(label_of(state, classes))}"
            )


def _button(name: str, value: str | int, label: str, *, key: str | None, icon: str = "") -> None:
    is_chosen = st.session_state[name] == value
    st.button(
        label,
        icon=icon or None,
        shortcut=key,
        type="primary" if is_chosen else "secondary",
        on_click=_set,
        args=(name, value),
        key=f"{name}-{value}",
    )


def _set(name: str, value: object) -> None:
    st.session_state[name] = value


def _step(steps: int) -> None:
    place = _SIZES.index(st.session_state[_SIZE]) + steps
    st.session_state[_SIZE] = _SIZES[min(max(place, 0), len(_SIZES) - 1)]
