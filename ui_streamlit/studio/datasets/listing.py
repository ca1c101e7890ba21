"""All datasets, a row each, with the first of their pictures."""

from __future__ import annotations

from typing import Final

import streamlit as st

from engine.catalogue.datasets import Overview
from engine.store.records import Image
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.datasets.words import DATASET
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import card, chip, empty
from ui_streamlit.studio.visits import Visit, live

__all__ = ["draw_list", "draw_small"]

_SHOWN: Final = 5
_PER_PAGE: Final = 8


@live("datasets.view", every_s=5)
def draw_list(here: Visit) -> None:
    """Draw the list; refreshes itself, so that what a job brings in appears."""
    found = here.workbench.datasets.list(here.actor)
    if not found:
        _draw_empty(here)
        return
    pages = -(-len(found) // _PER_PAGE)
    number = min(int(st.session_state.get("datasets-page") or 1), pages)
    for one in found[(number - 1) * _PER_PAGE : number * _PER_PAGE]:
        _draw_row(here, one)
    if pages > 1:
        st.pagination(pages, key="datasets-page", default=1)


def draw_small(here: Visit, image: Image) -> None:
    """Draw the small picture of ``image``; a sentence when its file is missing or unreadable."""
    with attempt():
        small = here.workbench.datasets.thumbnail(here.actor, image)
        st.image(small, width="stretch", alt=image.name)


def _draw_empty(here: Visit) -> None:
    may_add = here.may("datasets.add")
    empty(
        "No dataset yet",
        "Drop pictures above, or add the sample data: drawn tissue with masks."
        if may_add
        else "Uploaders and administrators bring pictures in; they appear here.",
        icon=":material/photo_library:",
    )
    if may_add and st.button("Add sample data", icon=":material/add_photo_alternate:"):
        with attempt():
            here.workbench.queue.submit("sample_data", {}, actor=here.actor)
            st.toast("The sample data is being drawn; it appears here in a moment.")


def _draw_row(here: Visit, one: Overview) -> None:
    dataset = one.dataset
    label, tone = DATASET[dataset.status]
    with card(f"dataset-{dataset.id}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.page_link(
                page("datasets"),
                label=f"**{wording.plain(dataset.name)}**",
                query_params={"dataset": dataset.id},
            )
            chip(label, tone)
            if dataset.is_sample:
                chip("Sample", "quiet")
        if dataset.description:
            st.caption(wording.plain(dataset.description))
        version = f" · version {dataset.version}" if dataset.manifest_sha256 else ""
        st.caption(
            f"{wording.count(one.pictures, 'picture')}, {one.marked:,} with a mask, "
            f"{one.approved:,} approved · {wording.size(one.bytes)}{version} · "
            f"{wording.ago(dataset.created_at)}"
        )
        if dataset.status in ("uploaded", "error") and dataset.status_text:
            st.warning(wording.plain(dataset.status_text), icon=":material/help:")
        if one.pictures:
            first = here.workbench.datasets.pictures(here.actor, dataset.id, size=_SHOWN)
            with st.grid(min_column_width=110, gap="small"):
                for image in first.images:
                    draw_small(here, image)
