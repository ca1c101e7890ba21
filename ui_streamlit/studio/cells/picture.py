"""One picture: boxes, detector, review, counts, downloads."""

from __future__ import annotations

import streamlit as st

from engine.errors import NotFoundError
from ui_streamlit.studio import wording
from ui_streamlit.studio.cells.canvas import draw_canvas
from ui_streamlit.studio.cells.counting import draw_counts, draw_downloads, draw_sizes
from ui_streamlit.studio.cells.finding import draw_detector
from ui_streamlit.studio.cells.reviewing import draw_review
from ui_streamlit.studio.pieces import card, empty
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_picture"]

_STEPS = ("Boxes", "Detector", "Review")


def draw_picture(here: Visit, image_id: str) -> None:
    """Draw the picture with that id."""
    cells = here.workbench.cells
    try:
        image = cells.marks.image(here.actor, image_id)
    except NotFoundError:
        empty(
            "This picture is not here",
            "It was removed, it belongs to somebody else, or the link is wrong.",
            icon=":material/search_off:",
        )
        return
    st.subheader(wording.plain(image.name), anchor=False)
    kinds = cells.types.all(here.actor, retired=True)
    offered = [one for one in kinds if not one.retired]
    colours = {one.name: one.colour for one in offered}
    found = cells.marks.of_image(here.actor, image.id)
    start = "Boxes" if found else "Detector"
    step = st.segmented_control(
        "Step",
        _STEPS,
        default=start,
        required=True,
        label_visibility="collapsed",
        key=f"cells-step-{image.id}",
    )
    if step == "Boxes":
        if draw_canvas(here, image, found, colours):
            found = cells.marks.of_image(here.actor, image.id)
    elif step == "Detector":
        draw_detector(image, colours)
    else:
        draw_review(image, offered)
    with card("cells-counts"):
        st.markdown("**Counts**")
        draw_counts(found)
    with card("cells-sizes"):
        st.markdown("**Sizes**")
        draw_sizes(here, image, found)
    with card("cells-files"):
        st.markdown("**Take it with you**")
        draw_downloads(here, image)
