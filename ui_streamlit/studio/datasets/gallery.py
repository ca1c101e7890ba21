"""The pictures of a dataset, a page at a time, and one picture with its mask."""

from __future__ import annotations

from html import escape
from typing import Final

import streamlit as st

from engine.errors import NotFoundError
from engine.store.records import Image
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.datasets.listing import draw_small
from ui_streamlit.studio.datasets.words import PICTURE, SPLITS
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import card, empty
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_gallery", "draw_picture"]

_MARKED: Final = {"All": None, "With a mask": True, "Without": False}


def draw_gallery(here: Visit, dataset_id: str) -> None:
    """Draw search, choice and one page of small pictures."""
    words = st.text_input(
        "Search",
        key="find",
        bind="query-params",
        placeholder="Name or group",
        label_visibility="collapsed",
        icon=":material/search:",
    )
    marked = st.pills(
        "Masks", list(_MARKED), default="All", key="marked", label_visibility="collapsed"
    )
    found = here.workbench.datasets.pictures(
        here.actor,
        dataset_id,
        page=int(st.session_state.get("pictures-page") or 1),
        words=words or "",
        marked=_MARKED[marked or "All"],
    )
    if not found.count:
        empty(
            "No picture here",
            "Choose other words." if words or marked not in (None, "All") else "Nothing came in.",
            icon=":material/image_search:",
        )
        return
    with st.grid(min_column_width=150, gap="small", key="lb-gallery"):
        for image in found.images:
            _draw_cell(here, image)
    if found.pages > 1:
        st.pagination(found.pages, key="pictures-page", default=1)
    st.caption(f"{wording.count(found.count, 'picture')}, page {found.page} of {found.pages}")


def draw_picture(here: Visit, image_id: str) -> None:
    """Draw one picture at the size of the page, with its mask and what is known of it."""
    datasets = here.workbench.datasets
    try:
        image = datasets.picture(here.actor, image_id)
    except NotFoundError:
        empty(
            "This picture is not here",
            "It was removed, or the link is wrong.",
            icon=":material/search_off:",
        )
        return
    mask = None
    with attempt():  # a blinded second reader does not see the first mask yet
        mask = datasets.mask_of(here.actor, image.id)
    with card("picture"):
        st.subheader(wording.plain(image.name), anchor=False)
        shows = mask is not None and st.toggle("Show the mask", value=True, key="show-mask")
        with attempt():
            st.image(
                datasets.view(here.actor, image, with_mask=shows), width="stretch", alt=image.name
            )
        if mask is not None and shows:
            _draw_legend(datasets.colours(here.actor, image))
        if here.may("models.predict"):
            st.page_link(
                page("predict"),
                label="Ask a model about it",
                icon=":material/auto_awesome:",
                query_params={"image": image.id},
            )
        facts = [
            ("Size", f"{image.width_px:,} × {image.height_px:,} px"),
            ("File", wording.size(image.size_bytes)),
            ("Pixel", f"{image.pixel_size_um:g} µm" if image.pixel_size_um else "unknown"),
            ("Group", image.group or "–"),
            ("Split", SPLITS[image.split]),
            ("State", PICTURE[image.status]),
            ("Mask", f"revision {mask.revision}, {mask.origin}" if mask else "none yet"),
        ]
        rows = "".join(f"<div><dt>{escape(n)}</dt><dd>{escape(v)}</dd></div>" for n, v in facts)
        st.html(f'<dl class="lb-facts">{rows}</dl>')


def _draw_cell(here: Visit, image: Image) -> None:
    with st.container(gap="xsmall", key=f"lb-picture-{image.id}"):
        draw_small(here, image)
        st.page_link(
            page("datasets"),
            label=wording.plain(image.name),
            query_params={"dataset": image.dataset_id or "", "image": image.id},
        )
        split = f" · {SPLITS[image.split]}" if image.split else ""
        st.caption(f"{PICTURE[image.status]}{split}")


def _draw_legend(colours: dict[str, str]) -> None:
    parts = "".join(
        f'<span style="margin-right:1rem;white-space:nowrap"><span style="display:inline-block;'
        f"width:.8em;height:.8em;border-radius:2px;margin-right:.35rem;background:{colour}"
        f'"></span>{escape(name)}</span>'
        for name, colour in colours.items()
    )
    st.html(f'<p class="lb-line" style="justify-content:flex-start">{parts}</p>')
