"""The way out: a form is chosen, a job writes the ZIP, and its download appears here."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import streamlit as st

from engine.catalogue.datasets import Overview
from engine.datasets.forms import FORMS
from engine.store.records import Job
from ui_streamlit.studio import addresses, wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.pieces import card
from ui_streamlit.studio.visits import Visit, live

__all__ = ["draw_export"]

_SHOWN: Final = 8


def draw_export(here: Visit, one: Overview) -> None:
    """Draw the choice of form, and the archives that are ready."""
    titles = {form.name: form.title for form in FORMS}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        form = st.selectbox(
            "Form", list(titles), format_func=lambda name: titles[name], key="export-form"
        )
        labels = _draw_labels(here, one, form)
        asked = st.button("Export", icon=":material/archive:", disabled=not one.pictures)
    st.caption("Groups, splits and pixel sizes travel beside every form, in lightbox.json.")
    if asked and form:
        with attempt():
            here.require("datasets.view")
            here.workbench.queue.submit(
                "export_dataset",
                {"dataset": one.dataset.id, "form": form, "labels": labels},
                actor=here.actor,
                title=f"Export {one.dataset.name}"[:200],
            )
            tell("The export has begun; its download appears here.")
            st.rerun()
    _draw_ready(one.dataset.id)


def _draw_labels(here: Visit, one: Overview, form: str | None) -> str:
    """Ask which of both goes out where a form of objects could carry masks or cells."""
    objects = {known.name for known in FORMS if known.shows == "objects"}
    cells = here.workbench.datasets.what_goes(here.actor, one.dataset.id).cells
    if form not in objects or not cells or not one.marked:
        return ""
    chosen = st.segmented_control(
        "Labels", ("Cells", "Masks"), default="Cells", required=True, key="export-labels"
    )
    return (chosen or "Cells").lower()


@live("datasets.view", every_s=2)
def _draw_ready(here: Visit, dataset_id: str) -> None:
    done = [
        job
        for job in here.workbench.queue.all()
        if job.task == "export_dataset" and job.payload.get("dataset") == dataset_id
    ]
    for job in done[:_SHOWN]:
        if job.state == "failed":
            st.error(wording.plain(job.error), icon=":material/error:")
        elif job.state == "completed":
            _draw_one(here, job)


def _draw_one(here: Visit, job: Job) -> None:
    root = here.workbench.settings.root_path
    for result in job.results:
        if result.kind == "file":
            with card(f"export-{job.id}"):
                address = f"{root}/files/{result.ref}?name={quote(result.title)}"
                st.html(addresses.link(f"Download {result.title}", address))
                st.caption(f"{wording.plain(job.message)} {wording.ago(job.finished_at)}")
