"""One cell after the other, the least certain first: its kind with one key, a comment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from engine.catalogue.cell_marks import Edit
from engine.cells.measuring import measures_of
from engine.store.records import CellAnnotation, CellType, Image
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.cells.pixels import crop_around, pixels_of
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.visits import visit

__all__ = ["draw_review"]

_SHOWN: Final = 8
_OTHER: Final = "#808080"
_ORIGINS: Final = {
    "model": "a detector's",
    "human": "a person's",
    "edited": "confirmed or changed by a person",
    "imported": "imported",
}


@st.fragment
def draw_review(image: Image, kinds: Sequence[CellType]) -> None:
    """Draw the gallery: the cell in question large, the next ones small."""
    with attempt():
        here = visit("cells.view")
        marks = here.workbench.cells.marks
        cells = _in_order(marks.of_image(here.actor, image.id))
        skipped: set[str] = st.session_state.setdefault(f"cells-skipped-{image.id}", set())
        waiting = [one for one in cells if one.origin == "model" and one.id not in skipped]
        asked = st.session_state.get(f"cells-focus-{image.id}", "")
        focus = next((one for one in cells if one.id == asked), None)
        focus = focus or (waiting[0] if waiting else None)
        st.caption(
            f"{wording.count(len(waiting), 'cell')} of a detector wait for an answer, "
            "the least certain first."
        )
        if focus is None:
            st.success("Every cell here was set or confirmed by a person, or passed over.")
        picture = pixels_of(here, image.id, image.sha256)
        colours = {kind.name: kind.colour for kind in kinds}
        if focus is not None:
            shown = crop_around(picture, focus, colours.get(focus.cell_type, _OTHER))
            with st.container(horizontal=True):
                st.image(shown, width=260, alt=f"Cell called {focus.cell_type}")
                with st.container(width=420):
                    _draw_facts(image, focus)
                    if here.may("cells.annotate"):
                        _draw_answers(image, focus, kinds)
                        _draw_comment(image, focus)
        rest = [one for one in (waiting or cells) if focus is None or one.id != focus.id]
        with st.container(horizontal=True):
            for one in rest[:_SHOWN]:
                with st.container(width=100, gap="xsmall"):
                    st.image(
                        crop_around(picture, one, colours.get(one.cell_type, _OTHER)),
                        width=92,
                        alt=f"Cell called {one.cell_type}",
                    )
                    if st.button(
                        wording.plain(one.cell_type), key=f"cells-look-{one.id}", type="tertiary"
                    ):
                        st.session_state[f"cells-focus-{image.id}"] = one.id
                        st.rerun()


def _in_order(cells: Sequence[CellAnnotation]) -> list[CellAnnotation]:
    def certainty(cell: CellAnnotation) -> tuple[float, str]:
        return (2.0 if cell.confidence is None else cell.confidence, cell.id)

    return sorted(cells, key=certainty)


def _draw_facts(image: Image, cell: CellAnnotation) -> None:
    sure = "" if cell.confidence is None else f" · {wording.percent(cell.confidence)} certain"
    st.markdown(f"**{wording.plain(cell.cell_type)}**{sure}")
    box = cell.cell_coordinates
    found = measures_of(box.width, box.height, image.pixel_size_um)
    size = f"{found.diameter_px:.0f} px across"
    if found.diameter_um is not None and found.area_um2 is not None:
        size = f"{found.diameter_um:.1f} µm across, {found.area_um2:.0f} µm²"
    st.caption(f"{size} · {_ORIGINS[cell.origin]}")


def _draw_answers(image: Image, cell: CellAnnotation, kinds: Sequence[CellType]) -> None:
    """Draw a button with a key for each kind, one for "no cell", one to pass over."""
    with st.container(horizontal=True):
        for kind in kinds:
            if st.button(
                wording.plain(kind.name),
                key=f"cells-is-{kind.id}",
                shortcut=kind.key or None,
                type="primary" if kind.name == cell.cell_type else "secondary",
            ):
                _answer(image, Edit(id=cell.id, cell_type=kind.name))
    with st.container(horizontal=True):
        if st.button("No cell", key="cells-none", shortcut="x", icon=":material/delete:"):
            _answer(image, Edit(id=cell.id, gone=True))
        if st.button("Pass over", key="cells-pass", shortcut="n", icon=":material/skip_next:"):
            st.session_state[f"cells-skipped-{image.id}"].add(cell.id)
            st.session_state.pop(f"cells-focus-{image.id}", None)
            st.rerun()


def _draw_comment(image: Image, cell: CellAnnotation) -> None:
    text = st.text_area(
        "Comment", cell.comments, key=f"cells-comment-{cell.id}", max_chars=2000, height=80
    )
    if st.button("Save the comment", key=f"cells-note-{cell.id}", icon=":material/comment:"):
        with attempt():
            here = visit("cells.annotate")
            edit = Edit(id=cell.id, comments=text)
            here.workbench.cells.marks.edit(here.actor, image.id, [edit])
            st.session_state[f"cells-focus-{image.id}"] = cell.id
            tell("The comment was saved.")
            st.rerun()


def _answer(image: Image, edit: Edit) -> None:
    with attempt():
        here = visit("cells.annotate")
        here.workbench.cells.marks.edit(here.actor, image.id, [edit])
        st.session_state.pop(f"cells-focus-{image.id}", None)
        st.rerun()  # the counts below change too
