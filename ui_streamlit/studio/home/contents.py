"""What is here: how much of each kind, and the newest pictures."""

from __future__ import annotations

import streamlit as st

from engine.store.records import Image
from ui_streamlit.studio.pieces import card
from ui_streamlit.studio.visits import Visit
from ui_streamlit.studio.wording import plain, size

__all__ = ["draw_contents"]

_SHOWN = 6


def draw_contents(here: Visit) -> None:
    """Draw the numbers of what is kept here, and up to six of the newest pictures."""
    store = here.workbench.store
    images = store.images.read()
    numbers = {
        "Datasets": len(store.datasets.read()),
        "Pictures": len(images),
        "Masks": len({mask.image_id for mask in store.masks.read()}),
        "Patients": len(store.patients.read()),
        "Models": len(store.models.read()),
    }
    st.subheader("What is here", anchor=False)
    with st.grid(min_column_width=160, gap="small"):
        for label, number in numbers.items():
            st.metric(label, f"{number:,}", border=True)
    if len(images):
        newest = sorted(images, key=lambda image: (image.created_at, image.id))[-_SHOWN:]
        _draw_pictures(here, newest)


def _draw_pictures(here: Visit, images: list[Image]) -> None:
    total = sum(image.size_bytes for image in here.workbench.store.images.read())
    with card("pictures"):
        with st.grid(min_column_width=125, gap="small"):
            for image in images:
                _draw_picture(here, image)
        st.caption(f"The newest {len(images)}; all pictures together take {size(total)}.")


def _draw_picture(here: Visit, image: Image) -> None:
    files = here.workbench.files
    name = image.thumbnail_sha256 or image.sha256
    if not files.exists(name):
        st.caption(f"{plain(image.name)}: its file is missing")
        return
    st.image(files.read(name), caption=plain(image.name), width="stretch", alt=image.name)
