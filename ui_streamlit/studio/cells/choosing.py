"""The list of pictures, and the way in for a new one."""

from __future__ import annotations

from typing import Final

import streamlit as st

from engine.store.records import Image
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import empty
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_pictures"]

_PER_PAGE: Final = 12
_ENDINGS: Final = ["png", "jpg", "jpeg", "tif", "tiff", "bmp", "webp", "gif"]


def draw_pictures(here: Visit) -> None:
    """Draw upload, search and thumbnails."""
    if here.may("datasets.add"):
        _draw_upload(here)
    word = st.text_input("Search by name", key="cells-word", placeholder="Part of a name").strip()
    found = here.workbench.cells.marks.images(here.actor, word=word)
    if not found:
        _draw_none(here, word)
        return
    pages = -(-len(found) // _PER_PAGE)
    number = 1
    if pages > 1:
        number = st.number_input(f"Page (of {pages})", 1, pages, 1, key="cells-page")
    counts = _counts(here)
    with st.container(horizontal=True):
        for image in found[(number - 1) * _PER_PAGE : number * _PER_PAGE]:
            _draw_one(here, image, counts.get(image.id, 0))


def _draw_upload(here: Visit) -> None:
    limit_mb = here.workbench.settings.max_upload_mb
    sent = st.file_uploader(
        "Bring in a picture of a smear",
        type=_ENDINGS,
        key=f"cells-upload-{st.session_state.get('cells-uploads', 0)}",
        max_upload_size=limit_mb,
        help="Stored as its pixels alone: what the file tells about people, places and dates goes.",
    )
    if sent is None:
        return
    with attempt():
        image = here.workbench.cells.pictures.add(here.actor, sent.getvalue(), sent.name)
        st.session_state["cells-uploads"] = st.session_state.get("cells-uploads", 0) + 1
        st.query_params["picture"] = image.id
        tell("The picture was brought in.")
        st.rerun()


def _draw_none(here: Visit, word: str) -> None:
    if word:
        empty("No picture with this name", "Clear the search to see all of them.")
    elif here.may("datasets.add"):
        empty("No picture yet", "Drop a picture of a blood smear above to find and count cells.")
    else:
        empty("No picture yet", "Pictures that are assigned to you will be here.")


def _draw_one(here: Visit, image: Image, count: int) -> None:
    with st.container(border=True, width=220, key=f"lb-card-cells-{image.id}", gap="xsmall"):
        if image.thumbnail_sha256 and here.workbench.files.exists(image.thumbnail_sha256):
            st.image(
                here.workbench.files.read(image.thumbnail_sha256),
                width="stretch",
                alt=f"Picture {image.name}",
            )
        st.page_link(
            page("cells"),
            label=wording.plain(image.name),
            query_params={"picture": image.id},
        )
        st.caption(f"{wording.count(count, 'cell')} · {wording.ago(image.created_at)}")


def _counts(here: Visit) -> dict[str, int]:
    counts: dict[str, int] = {}
    for cell in here.workbench.store.cell_annotations.read():
        if cell.image_id:
            counts[cell.image_id] = counts.get(cell.image_id, 0) + 1
    return counts
