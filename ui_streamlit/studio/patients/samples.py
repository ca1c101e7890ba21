"""The samples of a patient as they come and are processed, and one of them with its boxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from html import escape
from typing import Final

import streamlit as st

from engine.imaging.palettes import Colour
from engine.store.records import Image, Sample
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.jobs.people import name_of
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.patients.asking import ask_delete_sample
from ui_streamlit.studio.patients.words import STATES
from ui_streamlit.studio.pieces import card, chip, empty
from ui_streamlit.studio.visits import Visit, live, visit
from ui_streamlit.studio.wording import plain

__all__ = ["draw_samples", "legend"]

_PER_PAGE: Final = 10
_NOBODY: Final = ""


@live("samples.view", every_s=4)
def draw_samples(here: Visit, patient_id: str) -> None:
    """Draw the samples, the newest first; refreshes itself while they are processed."""
    catalogue = here.workbench.patients
    number = int(st.session_state.get("samples-page") or 1)
    found = catalogue.samples(here.actor, patient=patient_id, page=number, size=_PER_PAGE)
    if not found.count:
        empty("No sample yet", "Send pictures above.", icon=":material/image:")
        return
    for sample in found.rows:
        _draw_sample(here, sample)
    if found.pages > 1:
        st.pagination(found.pages, key="samples-page", default=1)


def _draw_sample(here: Visit, sample: Sample) -> None:
    catalogue = here.workbench.patients
    with card(f"sample-{sample.id}"), st.container(horizontal=True, vertical_alignment="top"):
        small = catalogue.small(here.actor, sample)
        if small is not None:
            st.image(small, width=150, alt=sample.original_filename)
        with st.container(width="stretch", gap="xsmall"):
            _draw_words(here, sample)
            _draw_buttons(here, sample)
            if st.session_state.get("samples-open") == sample.id:
                _draw_pictures(here, sample)


def _draw_words(here: Visit, sample: Sample) -> None:
    word = STATES[sample.inference_status]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{plain(sample.original_filename)}**", width="content")
        chip(word.label, word.tone, icon=word.icon)
    if sample.inference_status == "failed" and sample.status_text:
        st.caption(plain(sample.status_text))
    counts = Counter(cell.cell_type for cell in here.workbench.patients.cells(here.actor, sample))
    parts = [
        wording.count(len(sample.image_ids), "picture"),
        ", ".join(f"{name} {number}" for name, number in counts.most_common()) or "no cells yet",
        wording.ago(sample.created_at),
        f"for {name_of(here, sample.assigned_to)}" if sample.assigned_to else "not assigned",
    ]
    line = "".join(f"<span>{escape(part)}</span>" for part in parts)
    st.html(f'<p class="lb-line">{line}</p>')


def _draw_buttons(here: Visit, sample: Sample) -> None:
    is_open = st.session_state.get("samples-open") == sample.id
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Close" if is_open else "Look",
            icon=":material/image_search:",
            key=f"sample-look-{sample.id}",
            on_click=_open,
            args=("" if is_open else sample.id,),
        )
        if sample.job_id and here.may("jobs.view"):
            st.page_link(page("jobs"), label="Job", query_params={"job": sample.job_id})
        if not here.may("samples.add"):
            return
        is_idle = not here.workbench.patients.is_busy(sample)
        if is_idle and st.button(
            "Process again", icon=":material/replay:", key=f"sample-again-{sample.id}"
        ):
            _again(sample)
        if st.button("Delete", icon=":material/delete:", key=f"sample-delete-{sample.id}"):
            with attempt():
                ask_delete_sample(visit("samples.add"), sample)
    _draw_assigning(here, sample)


def _draw_assigning(here: Visit, sample: Sample) -> None:
    people = here.workbench.patients.annotators(here.actor)
    if not people:
        return
    names = {_NOBODY: "Nobody", **{user.id: user.name for user in people}}
    chosen = st.selectbox(
        "Assigned to",
        list(names),
        index=list(names).index(sample.assigned_to) if sample.assigned_to in names else 0,
        format_func=lambda name: names[name],
        key=f"sample-for-{sample.id}-{sample.assigned_to}",
    )
    if chosen != (sample.assigned_to or _NOBODY):
        there = visit("samples.add")
        with attempt():
            there.workbench.patients.assign(there.actor, [sample.id], chosen or None)
            tell(f"Assigned to {names[chosen]}.")
            st.rerun()


def _open(sample_id: str) -> None:
    st.session_state["samples-open"] = sample_id


def _again(sample: Sample) -> None:
    there = visit("samples.add")
    with attempt():
        there.workbench.patients.process(there.actor, [sample.id])
        tell("The sample waits for the queue again.")
        st.rerun()


def _draw_pictures(here: Visit, sample: Sample) -> None:
    catalogue = here.workbench.patients
    cells = catalogue.cells(here.actor, sample)
    st.html(legend(catalogue.colours(cells), Counter(cell.cell_type for cell in cells)))
    for image in catalogue.pictures(here.actor, sample):
        with attempt():
            shown = catalogue.view(here.actor, sample, image)
            st.image(shown, caption=plain(_caption(image)), width="stretch", alt=image.name)
            st.page_link(
                page("cells"),
                label="Mark and correct cells" if here.may("cells.annotate") else "All cells",
                query_params={"picture": image.id},
            )


def legend(colours: Mapping[str, Colour], counts: Mapping[str, int]) -> str:
    """Return HTML that names the colours of the boxes, the most frequent kind first.

    >>> legend({"RBC": (0, 0, 255)}, {"RBC": 2})[-20:]
    '</i>RBC 2</span></p>'
    """
    style = "display:inline-block;width:.8em;height:.8em;margin-right:.4em;border:1px solid #0006"
    parts = [
        f'<span><i style="{style};background:rgb{colours[name]}"></i>{escape(name)} {number}</span>'
        for name, number in sorted(counts.items(), key=lambda one: -one[1])
    ]
    return f'<p class="lb-line" style="justify-content:start">{"".join(parts)}</p>'


def _caption(image: Image) -> str:
    size = f"{image.name}, {image.width_px}×{image.height_px} px"
    removed = ", ".join(image.details.get("removed", ()))
    return f"{size}; left out of the file: {removed}" if removed else size
