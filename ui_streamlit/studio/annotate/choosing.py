"""Which picture to draw on: all of them, or those of one dataset, page by page."""

from __future__ import annotations

from math import ceil
from typing import Final

import streamlit as st

from engine.catalogue.second_readings import seen_thumbnail
from engine.catalogue.visibility import visible_images
from engine.store.records import Image
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.home.steps import draw_first_steps
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import card, empty
from ui_streamlit.studio.visits import Visit
from ui_streamlit.studio.wording import plain

__all__ = ["draw_choosing"]

_PER_PAGE: Final = 24
_STATUS: Final = {
    "new": "new",
    "in_progress": "in progress",
    "to_review": "to review",
    "sent_back": "sent back",
    "approved": "approved",
}


def draw_choosing(here: Visit) -> None:
    """Draw the pictures of the datasets, each with a link to its board."""
    store = here.workbench.store
    datasets = {dataset.id: dataset.name for dataset in store.datasets.read()}
    of_datasets = (image for image in store.images.read() if image.dataset_id in datasets)
    images = visible_images(store, here.actor, of_datasets)
    if not images:
        empty("No pictures yet", "Bring a dataset in, or begin with sample data.")
        draw_first_steps()
        return
    chosen = st.selectbox(
        "Dataset",
        ["", *sorted(datasets, key=lambda name: datasets[name])],
        format_func=lambda name: datasets.get(name, "All datasets"),
        key="dataset",
        bind="query-params",
    )
    shown = sorted(
        (image for image in images if not chosen or image.dataset_id == chosen),
        key=lambda image: (image.status == "approved", image.name, image.id),
    )
    pages = max(1, ceil(len(shown) / _PER_PAGE))
    number = 1
    if pages > 1:
        number = int(st.number_input(f"Page, 1 to {pages}", 1, pages, key="annotate-page"))
    with card("choose"), st.grid(min_column_width=150, gap="small"):
        for image in shown[(number - 1) * _PER_PAGE : number * _PER_PAGE]:
            _draw_choice(here, image)


def _draw_choice(here: Visit, image: Image) -> None:
    with st.container(gap="xxsmall"):
        with attempt():
            bench = here.workbench
            small = seen_thumbnail(bench.store, bench.files, here.actor, image)
            st.image(small, width="stretch", alt=image.name)
        st.page_link(page("annotate"), label=plain(image.name), query_params={"image": image.id})
        st.caption(f"{image.width_px:,} × {image.height_px:,}, {_STATUS[image.status]}")
