"""One picture on the desk: its board for whoever has the pen, its revisions for everybody."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui_streamlit.studio.annotate.board import (
    draw_board,
    draw_reading,
    note_pen,
    pen_of,
    watch_pen,
)
from ui_streamlit.studio.annotate.proposals import draw_proposals
from ui_streamlit.studio.annotate.revisions import draw_revisions, draw_saving
from ui_streamlit.studio.annotate.width import page_width
from ui_streamlit.studio.pieces import heading
from ui_streamlit.studio.visits import Visit
from ui_streamlit.studio.wording import plain

__all__ = ["draw_desk"]

_STYLE = Path(__file__).with_name("annotate.css")


def draw_desk(here: Visit, image_id: str) -> None:
    """Draw the picture that the address names."""
    image = here.workbench.annotation.image(image_id, here.actor)
    st.html(_STYLE)
    heading(plain(image.name), f"{image.width_px:,} × {image.height_px:,} pixels")
    width = page_width()
    if width is None:
        return  # the browser tells it at once, and the page runs anew
    pen = pen_of(here, image.id)
    note_pen(pen)
    if pen.is_mine:
        draw_board(image, width)
        draw_proposals(here, image, width)
        draw_saving(here, image)
    else:
        draw_reading(image, width, pen)
    watch_pen(image)
    draw_revisions(here, image, may_draw=pen.is_mine)
