"""Boxes on the picture: draw, move, resize, relabel and delete with the mouse or a finger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st
from streamlit_drawable_canvas import boxes_to_drawing, st_canvas

from engine.catalogue.cell_marks import Edit
from engine.store.records import CellAnnotation, Image
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.cells.matching import Known, edits_between
from ui_streamlit.studio.cells.pixels import scale_for, shown_jpeg
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_canvas"]

_OTHER: Final = "#808080"
_MANY: Final = 3


def draw_canvas(
    here: Visit, image: Image, cells: Sequence[CellAnnotation], colours: Mapping[str, str]
) -> bool:
    """Draw the picture with its cells; keep what was changed, and return whether anything was."""
    scale = scale_for(image.width_px)
    may_mark = here.may("cells.annotate")
    names = list(colours)
    label = names[0] if names else ""
    if may_mark and names:
        label = (
            st.pills("New boxes are", names, default=names[0], key=f"cells-kind-{image.id}")
            or names[0]
        )
    base = _base(image, cells, colours, scale)
    found = st_canvas(
        fill_color="rgba(0, 0, 0, 0)",
        stroke_width=2,
        stroke_color=colours.get(label, _OTHER),
        background_image=shown_jpeg(here, image.id, image.sha256, scale),
        width=round(image.width_px * scale),
        height=round(image.height_px * scale),
        drawing_mode="labeled_rect",
        label=label,
        font_size=11,
        initial_drawing=base["drawing"],
        max_display_height=640,
        disabled=not may_mark,
        key=f"cells-canvas-{image.id}-{base['number']}",
    )
    if may_mark:
        st.caption(
            "Drag to draw a box. Press the pencil (Edit) above the picture's right corner to move, "
            "resize, delete or rename boxes: click a chosen box again for its name."
        )
    if not may_mark or found.json_data is None:
        return False
    return _keep(here, image, base, found.boxes, names, scale)


def _base(
    image: Image, cells: Sequence[CellAnnotation], colours: Mapping[str, str], scale: float
) -> dict[str, Any]:
    """Return what was put on the canvas, and what lies there by now.

    While only the canvas itself makes changes it keeps its own drawing, with its undo; as soon as
    something else did (the detector, the review, somebody else), it is drawn anew.
    """
    place = f"cells-base-{image.id}"
    held: dict[str, Any] | None = st.session_state.get(place)
    now = {one.id: _known(one, scale) for one in cells}
    if held is not None and {one.id: one for one in held["known"]} == now:
        return held
    drawing: list[dict[str, Any]] = []
    for one in now.values():
        box = {"label": one.label, **dict(zip(_SIDES, one.box, strict=True))}
        made = boxes_to_drawing([box], stroke_color=colours.get(one.label, _OTHER), stroke_width=2)
        drawing += made["objects"]
    fresh = {
        "drawing": {"objects": drawing},
        "known": list(now.values()),
        "number": (held["number"] + 1) if held else 0,
    }
    st.session_state[place] = fresh
    return fresh


_SIDES: Final = ("left", "top", "width", "height")


def _known(cell: CellAnnotation, scale: float) -> Known:
    box = cell.cell_coordinates
    sides = (box.x * scale, box.y * scale, box.width * scale, box.height * scale)
    left, top, width, height = (round(side, 3) for side in sides)
    return Known(id=cell.id, box=(left, top, width, height), label=cell.cell_type)


def _keep(
    here: Visit,
    image: Image,
    base: dict[str, Any],
    boxes: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    scale: float,
) -> bool:
    """Write what was changed on the canvas since the last run."""
    by_name = {name.casefold(): name for name in names}
    limits = image.width_px * scale, image.height_px * scale
    seen = [_seen(box, limits, by_name, names[0] if names else "") for box in boxes]
    edits = edits_between(base["known"], seen, scale=scale)
    if not edits or not _agreed(image, base, edits):
        return False
    unknown = {edit.cell_type for edit in edits if edit.cell_type} - set(names)
    if unknown:
        st.warning(f"“{wording.plain(min(unknown))}” is no cell type; it is kept as you wrote it.")
    with attempt():
        here.workbench.cells.marks.edit(here.actor, image.id, edits)
        cells = here.workbench.cells.marks.of_image(here.actor, image.id)
        base["known"] = [_known(one, scale) for one in cells]
    return True


def _seen(
    box: Mapping[str, Any],
    limits: tuple[float, float],
    by_name: Mapping[str, str],
    otherwise: str,
) -> Known:
    """Return a box of the canvas, cut at the picture's border."""
    left, top = max(0.0, float(box["left"])), max(0.0, float(box["top"]))
    right = min(limits[0], float(box["left"]) + float(box["width"]))
    bottom = min(limits[1], float(box["top"]) + float(box["height"]))
    text = str(box["label"]).strip()[:60]
    return Known(
        box=(left, top, max(0.0, right - left), max(0.0, bottom - top)),
        label=by_name.get(text.casefold(), text or otherwise),
    )


def _agreed(image: Image, base: Mapping[str, Any], edits: Sequence[Edit]) -> bool:
    """Return whether the changes may be made: emptying the whole canvas is asked about."""
    gone = sum(1 for edit in edits if edit.gone)
    if gone < _MANY or gone < len(base["known"]):
        return True
    st.warning(f"All {gone} boxes are gone from the canvas. They are still kept.")
    with st.container(horizontal=True):
        if st.button("Put them back", key=f"cells-back-{image.id}", icon=":material/undo:"):
            base_place = f"cells-base-{image.id}"
            st.session_state[base_place] = {**base, "known": []}  # so that it is drawn anew
            st.rerun()
        return st.button(f"Delete all {gone} cells", key=f"cells-all-{image.id}")
