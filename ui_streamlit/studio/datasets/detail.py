"""One dataset: what it is, its pictures, checks and versions, and what may be done with it."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import streamlit as st

from engine.catalogue.datasets import STANDARD_CLASSES, Overview
from engine.errors import NotFoundError
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.datasets.arriving import draw_at_work, draw_question
from ui_streamlit.studio.datasets.checking import draw_checks
from ui_streamlit.studio.datasets.exporting import draw_export
from ui_streamlit.studio.datasets.gallery import draw_gallery
from ui_streamlit.studio.datasets.report import draw_report
from ui_streamlit.studio.datasets.versions import draw_versions
from ui_streamlit.studio.datasets.words import DATASET
from ui_streamlit.studio.dialogs import Question, ask, tell
from ui_streamlit.studio.jobs.people import name_of
from ui_streamlit.studio.pieces import card, chip, empty
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_dataset"]


def draw_dataset(here: Visit, dataset_id: str) -> None:
    """Draw the dataset with that id."""
    try:
        one = here.workbench.datasets.get(here.actor, dataset_id)
    except NotFoundError:
        empty(
            "This dataset is not here",
            "It was deleted, or the link is wrong. The list has all that there are.",
            icon=":material/search_off:",
        )
        return
    with card("dataset"):
        _draw_head(here, one)
    draw_question(here, one.dataset)
    draw_at_work()
    views: dict[str, Callable[[], None]] = {
        "Pictures": lambda: draw_gallery(here, dataset_id),
        "Checks": lambda: draw_checks(here, dataset_id),
        "Splits and versions": lambda: draw_versions(here, one),
        "Export": lambda: draw_export(here, one),
    }
    if one.dataset.details.get("report"):
        views["Report"] = lambda: draw_report(here, one.dataset)
    if here.may("datasets.manage"):
        views["Change"] = lambda: _draw_change(here, one)
    asked = st.pills(
        "Part",
        list(views),
        default="Pictures",
        required=True,
        key="part",
        bind="query-params",
        label_visibility="collapsed",
    )
    views[asked or "Pictures"]()


def _draw_head(here: Visit, one: Overview) -> None:
    dataset = one.dataset
    label, tone = DATASET[dataset.status]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(wording.plain(dataset.name), anchor=False, width="content")
        chip(label, tone)
        if dataset.is_sample:
            chip("Sample", "quiet")
    if dataset.description:
        st.caption(wording.plain(dataset.description))
    if dataset.status_text and dataset.status != "ready":
        st.warning(wording.plain(dataset.status_text), icon=":material/help:")
    facts = [
        ("Pictures", f"{one.pictures:,}"),
        ("With a mask", f"{one.marked:,}"),
        ("Approved", f"{one.approved:,}"),
        ("Size", wording.size(one.bytes)),
        ("Classes", ", ".join(dataset.classes or STANDARD_CLASSES)),
        ("Brought in", wording.moment(dataset.created_at)),
        ("By", name_of(here, dataset.created_by)),
    ]
    rows = "".join(f"<div><dt>{escape(n)}</dt><dd>{escape(v)}</dd></div>" for n, v in facts)
    st.html(f'<dl class="lb-facts">{rows}</dl>')


def _draw_change(here: Visit, one: Overview) -> None:
    dataset = one.dataset
    with st.form("rename"):
        name = st.text_input("Name", dataset.name, max_chars=120, key="dataset-name")
        text = st.text_area("Description", dataset.description, max_chars=2000, key="dataset-text")
        asked = st.form_submit_button("Save")
    if asked:
        with attempt():
            here.workbench.datasets.rename(here.actor, dataset.id, name=name, description=text)
            tell("Saved.")
            st.rerun()
    if st.button("Delete the dataset …", icon=":material/delete:", key="delete-dataset"):
        _ask_delete(here, one)


def _ask_delete(here: Visit, one: Overview) -> None:
    goes = here.workbench.datasets.what_goes(here.actor, one.dataset.id)
    lost = [wording.count(len(goes.images), "picture") + f", {wording.size(goes.bytes)}"]
    if goes.masks:
        lost.append(wording.count(len(goes.masks), "mask") + ", with all revisions")
    if goes.cells:
        lost.append(wording.count(len(goes.cells), "marked cell"))
    if goes.predictions:
        lost.append(wording.count(len(goes.predictions), "model's answer", "models' answers"))
    if one.dataset.manifest_sha256:
        lost.append(wording.count(one.dataset.version, "version"))
    ask(
        Question(
            title=f"Delete “{wording.plain(one.dataset.name)}”?",
            text="It can only come back from a backup. Models that learned from it stay.",
            lost=tuple(lost),
            button="Delete the dataset",
            action="datasets.manage",
            typed="DELETE" if len(goes.images) else "",
            act=lambda there: _delete(there, one.dataset.id),
        )
    )


def _delete(there: Visit, dataset_id: str) -> str:
    gone = there.workbench.datasets.delete(there.actor, dataset_id)
    return f"Deleted, with {wording.count(len(gone.images), 'picture')}."
