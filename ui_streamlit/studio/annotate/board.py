"""The board: the picture with its mask, the drawing surface on it, and the buttons around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from engine.annotation.canvas_objects import Sheet, from_canvas, sheet_drawing
from engine.catalogue.annotation import Pen, Standing
from engine.store.records import Image
from ui_streamlit.studio import wording
from ui_streamlit.studio.annotate.choices import Choices, colours_of, draw_choices, draw_view
from ui_streamlit.studio.annotate.sheets import again, change, draw_zoom, settle, sheet_for
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import Question, ask
from ui_streamlit.studio.visits import Visit, live, visit

__all__ = ["draw_board", "draw_reading", "note_pen", "pen_of", "tab", "watch_pen"]

_KEY: Final = "annotate-canvas"
_KNOWN: Final = "annotate-known"
_PEN: Final = "annotate-pen"
_MANY: Final = 40
_HAD: Final = "annotate-had-pen"


def tab() -> str:
    """Return the id of this browser tab as the server knows it."""
    context = get_script_run_ctx()
    return context.session_id if context else ""


def is_open(name: str) -> bool:
    """Say whether a tab of this server is still connected."""
    return name == tab() or (runtime.exists() and runtime.get_instance().is_active_session(name))


def pen_of(here: Visit, image_id: str, *, by_force: bool = False) -> Pen:
    """Ask for the pen of a picture for this tab."""
    return here.workbench.annotation.take(
        image_id, here.actor, tab(), is_open=is_open, by_force=by_force
    )


@st.fragment
def draw_board(image: Image, width: int) -> None:
    """Draw the board of a picture for the tab that has the pen."""
    with attempt():
        here = visit("masks.draw")
        _take_in(here, _arrived())
        classes = here.workbench.annotation.classes(image)
        choices = draw_choices(classes)
        sheet = sheet_for(image, width)
        standing = here.workbench.annotation.standing(image.id, here.actor)
        with st.container(horizontal=True, gap="xsmall", key="lb-history"):
            _draw_history(image, standing)
            draw_view(classes)
        with st.container(key="lb-canvas"):
            result = _canvas(here, image, sheet, choices, classes)
        if _take_in(here, result):
            again()
        _renew(choices, result)
        draw_zoom(image, sheet)
        _draw_count(here, image)
        settle(image, width)


def note_pen(pen: Pen) -> None:
    """Remember for :func:`watch_pen` what the page was drawn for."""
    st.session_state[_HAD] = pen.is_mine


@live("masks.view", every_s=4)
def watch_pen(here: Visit, image: Image) -> None:
    """Turn the page when the pen has gone to another tab, or has come to this one."""
    had = st.session_state.get(_HAD)
    if pen_of(here, image.id).is_mine != had and had is not None:
        st.rerun()


def draw_reading(image: Image, width: int, pen: Pen) -> None:
    """Draw a picture for a tab that may only look, and say why."""
    if pen.may_draw:
        st.warning(
            f"{wording.plain(pen.name)} draws on this picture in another tab, so this one is "
            "read-only. It shows each stroke as it comes.",
            icon=":material/lock:",
        )
        if st.button("Draw here instead", icon=":material/edit:", key="annotate-take"):
            _ask_for_pen(image, pen)
    else:
        st.info("Your role may look at masks, not draw them.", icon=":material/visibility:")
    _show(image, width)


@live("masks.view", every_s=2)
def _show(here: Visit, image: Image, width: int) -> None:
    sheet = sheet_for(image, width)
    classes = here.workbench.annotation.classes(image)
    seen = here.workbench.annotation.view(
        image.id,
        here.actor,
        sheet.box,
        width=sheet.width,
        height=sheet.height,
        colours=colours_of(classes),
        opacity=0.45,
    )
    st.image(seen, width=sheet.width, alt=f"{image.name} with its mask")
    _draw_count(here, image)


def _ask_for_pen(image: Image, pen: Pen) -> None:
    def take(there: Visit) -> str:
        pen_of(there, image.id, by_force=True)
        return "You have the pen now."

    ask(
        Question(
            title="Draw here instead?",
            text=f"The tab of {wording.plain(pen.name)} becomes read-only. Every stroke that was "
            "finished there is kept.",
            button="Draw here",
            action="masks.draw",
            act=take,
        )
    )


# --- strokes -----------------------------------------------------------------------------------


def _arrived() -> Mapping[str, Any] | None:
    """Return the drawing that the surface sent last, before it is drawn again."""
    state = st.session_state.get(_KEY)
    drawing = state.get("drawing") if isinstance(state, Mapping) else None
    raw = drawing.get("raw") if isinstance(drawing, Mapping) else None
    return raw if isinstance(raw, Mapping) else None


def _take_in(here: Visit, drawing: Mapping[str, Any] | None) -> int:
    """Keep what is new of a drawing and return how much that was."""
    known: set[str] = st.session_state.setdefault(_KNOWN, set())
    drawn = from_canvas(drawing, known=known) if drawing else None
    if drawn is None or not drawn.marks:
        return 0
    annotation = here.workbench.annotation
    new = annotation.draw(drawn.sheet.image, here.actor, drawn.marks, tab=tab())
    known.update(mark.mark for mark in drawn.marks)
    return new


def _renew(choices: Choices, drawing: Mapping[str, Any] | None) -> None:
    """Empty a surface on which much lies, when the pen is changed: nobody draws just then."""
    pen = (choices.tool, choices.state)
    if st.session_state.get(_PEN, pen) != pen and len((drawing or {}).get("objects", ())) > _MANY:
        change()
    st.session_state[_PEN] = pen


def _canvas(
    here: Visit, image: Image, sheet: Sheet, choices: Choices, classes: tuple[str, ...]
) -> Mapping[str, Any] | None:
    # It registers itself with a running server when imported, and fails without one.
    from streamlit_drawable_canvas import CanvasResult, st_canvas

    background = here.workbench.annotation.view(
        image.id,
        here.actor,
        sheet.box,
        width=sheet.width,
        height=sheet.height,
        colours=colours_of(classes) if choices.shown else {},
        opacity=choices.opacity,
    )
    result: CanvasResult = st_canvas(
        fill_color=choices.ink,
        stroke_width=choices.width(sheet.scale),  # parts of a pixel too
        stroke_color=choices.ink,
        background_image=background,
        height=sheet.height,
        width=sheet.width,
        drawing_mode=choices.mode,
        initial_drawing=sheet_drawing(sheet),
        point_display_radius=2,
        key=_KEY,
    )
    drawing: Mapping[str, Any] | None = result.json_data
    return drawing


# --- around it ---------------------------------------------------------------------------------


def _draw_history(image: Image, standing: Standing) -> None:
    for which, key, can in (
        ("undo", "Ctrl+Z", standing.can_undo),
        ("redo", "Ctrl+Y", standing.can_redo),
    ):
        st.button(
            which.capitalize(),
            icon=f":material/{which}:",
            shortcut=key,
            disabled=not can,
            on_click=_step,
            args=(image.id, which),
            key=f"annotate-{which}",
        )


def _step(image_id: str, which: str) -> None:
    with attempt():
        here = visit("masks.draw")
        annotation = here.workbench.annotation
        (annotation.undo if which == "undo" else annotation.redo)(image_id, here.actor, tab=tab())
        change()


def _draw_count(here: Visit, image: Image) -> None:
    standing = here.workbench.annotation.standing(image.id, here.actor)
    strokes = wording.count(standing.strokes, "stroke")
    unsaved = f"{standing.unsaved} since the last revision" if standing.unsaved else "no changes"
    st.caption(f"{strokes}, every one kept as it ended; {unsaved}.")
    if standing.damaged:
        st.warning(
            f"{wording.count(standing.damaged, 'line')} of this picture's journal could not be "
            "read and are left out; tell the administrator.",
            icon=":material/warning:",
        )
