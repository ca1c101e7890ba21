"""The paper on the board: which part of the picture is seen, and how large on the screen.

A new sheet empties the surface. What was drawn on the one before is taken in first: the browser
says when no pen is down and all was sent.
"""

from __future__ import annotations

from secrets import token_hex
from typing import Final

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from engine.annotation.canvas_objects import Sheet
from engine.annotation.raster import Box
from engine.store.records import Image
from ui_streamlit.studio.annotate.resting import rests

__all__ = ["WORDS", "again", "change", "draw_zoom", "settle", "sheet_for"]

_SHEET, _WANTED = "annotate-sheet", "annotate-wanted"
_HIGHEST: Final = 640
_WIDEST: Final = 1100
_SMALLEST_BOX: Final = 32
_ZOOM: Final = 2.0

WORDS: Final = {"in": "Zoom in", "out": "Zoom out", "whole": "Whole picture"}
_ARROWS: Final = {"left": "←", "right": "→", "up": "↑", "down": "↓"}
_MOVES: Final = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


def sheet_for(image: Image, page_width: int) -> Sheet:
    """Return the sheet of this tab; a new one for another picture or another page width."""
    found = st.session_state.get(_SHEET)
    if isinstance(found, Sheet) and found.image == image.id:
        if _size(found.box, page_width) != (found.width, found.height):
            st.session_state.setdefault(_WANTED, (token_hex(8), found.box))
        return found
    whole = Box(left=0, top=0, right=image.width_px, bottom=image.height_px)
    return _lay(image.id, whole, page_width)


def change(box: Box | None = None) -> None:
    """Ask for a new sheet, of ``box`` or of the same part, as soon as all strokes are in."""
    found = st.session_state.get(_SHEET)
    if isinstance(found, Sheet):
        st.session_state[_WANTED] = (token_hex(8), box or found.box)


def settle(image: Image, page_width: int) -> None:
    """Lay the new sheet if one was asked for, and draw the board again; call it last."""
    name, box = st.session_state.get(_WANTED, ("", None))
    # The answer runs this part of the page anew, after every stroke that was sent before it.
    if rests(name) and box is not None:
        _lay(image.id, box, page_width)
        again()


def again() -> None:
    """Draw the board again: alone where it is being drawn alone, else with the page around it."""
    context = get_script_run_ctx()
    is_alone = context is not None and bool(context.fragment_ids_this_run)
    st.rerun(scope="fragment" if is_alone else "app")


def draw_zoom(image: Image, sheet: Sheet) -> None:
    """Draw the buttons that choose the part of the picture."""
    is_whole = sheet.box.width >= image.width_px and sheet.box.height >= image.height_px
    with st.container(horizontal=True, gap="xsmall", key="lb-zoom"):
        _zoom_button("in", "zoom_in", _zoomed(image, sheet, 1 / _ZOOM), off=_is_small(sheet))
        _zoom_button("out", "zoom_out", _zoomed(image, sheet, _ZOOM), off=is_whole)
        whole = Box(left=0, top=0, right=image.width_px, bottom=image.height_px)
        _zoom_button("whole", "fit_screen", whole, off=is_whole)
        for name, (x, y) in _MOVES.items():
            there = _moved(image, sheet.box, x, y)
            st.button(
                _ARROWS[name],
                help=f"Move {name}",
                disabled=there == sheet.box,
                on_click=change,
                args=(there,),
                key=f"annotate-move-{name}",
            )


def _zoom_button(name: str, icon: str, box: Box, *, off: bool) -> None:
    st.button(
        WORDS[name],
        icon=f":material/{icon}:",
        shortcut={"in": "I", "out": "O", "whole": "W"}[name],
        disabled=off,
        on_click=change,
        args=(box,),
        key=f"annotate-zoom-{name}",
    )


def _lay(image: str, box: Box, page_width: int) -> Sheet:
    width, height = _size(box, page_width)
    sheet = Sheet(image=image, box=box, width=width, height=height, name=token_hex(8))
    st.session_state[_SHEET] = sheet
    st.session_state.pop(_WANTED, None)
    return sheet


def _size(box: Box, page_width: int) -> tuple[int, int]:
    """Return width and height on the screen that show all of ``box`` undistorted."""
    width = float(min(page_width, _WIDEST))
    height = width * box.height / box.width
    if height > _HIGHEST:
        width, height = _HIGHEST * box.width / box.height, float(_HIGHEST)
    return max(1, round(width)), max(1, round(height))


def _is_small(sheet: Sheet) -> bool:
    return min(sheet.box.width, sheet.box.height) <= _SMALLEST_BOX


def _zoomed(image: Image, sheet: Sheet, factor: float) -> Box:
    """Return a box around the same middle, ``factor`` as large, inside of the picture."""
    box = sheet.box
    width = min(image.width_px, max(_SMALLEST_BOX, round(box.width * factor)))
    height = min(image.height_px, max(_SMALLEST_BOX, round(box.height * factor)))
    left = box.left + (box.width - width) // 2
    top = box.top + (box.height - height) // 2
    return _inside(image, left, top, width, height)


def _moved(image: Image, box: Box, x: int, y: int) -> Box:
    left, top = box.left + x * box.width // 2, box.top + y * box.height // 2
    return _inside(image, left, top, box.width, box.height)


def _inside(image: Image, left: int, top: int, width: int, height: int) -> Box:
    left = min(max(left, 0), image.width_px - width)
    top = min(max(top, 0), image.height_px - height)
    return Box(left=left, top=top, right=left + width, bottom=top + height)
