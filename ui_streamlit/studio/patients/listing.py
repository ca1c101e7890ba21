"""The list of patients: search, states, counts, pages; the form for a new one."""

from __future__ import annotations

from html import escape
from typing import Final

import streamlit as st

from engine.catalogue.patient_fields import PatientFields
from engine.catalogue.patient_rows import PatientRow
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.patients.forms import fields_form
from ui_streamlit.studio.patients.words import ADEQUACY, STATES, facts_of
from ui_streamlit.studio.pieces import card, chip, empty
from ui_streamlit.studio.visits import Visit, visit
from ui_streamlit.studio.wording import plain

__all__ = ["draw_add", "draw_list"]

_PER_PAGE: Final = 20


def draw_list(here: Visit) -> None:
    """Draw search, states and the patients that match."""
    catalogue = here.workbench.patients
    if not catalogue.list(here.actor, size=1).count:
        _draw_nobody(here)
        return
    words, state = _filters()
    number = int(st.session_state.get("patients-page") or 1)
    found = catalogue.list(here.actor, words=words, state=state, page=number, size=_PER_PAGE)
    if not found.rows and found.count:  # a page that has gone: fewer match than before
        number = found.pages
        found = catalogue.list(here.actor, words=words, state=state, page=number, size=_PER_PAGE)
    if not found.count:
        text = "Choose another state or fewer words. Names are searched for those who may see them."
        empty("Nobody matches", text, icon=":material/search:")
        return
    st.caption(wording.count(found.count, "patient"))
    for row in found.rows:
        _draw_row(row)
    if found.pages > 1:
        st.pagination(found.pages, key="patients-page", default=1)


def draw_add(here: Visit) -> None:
    """Draw the form that adds a patient, for those who may."""
    if not here.may("patients.manage"):
        return
    with st.expander("Add a patient", icon=":material/person_add:"):
        given = fields_form("patients-add", button="Add the patient")
    if given is not None:
        _add(given)


def _add(given: PatientFields) -> None:
    there = visit("patients.manage")
    with attempt():
        patient = there.workbench.patients.add(there.actor, given)
        tell("Patient added. Send pictures now, or later.")
        st.query_params["patient"] = patient.id
        st.rerun()


def _draw_nobody(here: Visit) -> None:
    text = "Nothing is assigned to you yet; an uploader or administrator does that."
    if here.may("patients.manage"):
        text = "Add the first one below, then send pictures of the samples."
    empty("No patient yet", text, icon=":material/personal_injury:")


def _filters() -> tuple[str, str]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            "Search",
            key="find",
            bind="query-params",
            placeholder="Number, gender, comment; name where you may see it",
            label_visibility="collapsed",
            icon=":material/search:",
        )
        labels = {word.label: state for state, word in STATES.items()}
        label = st.pills("State", list(labels), key="patients-state", label_visibility="collapsed")
    return words or "", labels.get(label or "", "")


def _draw_row(row: PatientRow) -> None:
    patient, word = row.patient, STATES[row.state]
    with card(f"patient-{patient.id}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            label = f"**{plain(patient.patient_id)}**"
            st.page_link(page("patients"), label=label, query_params={"patient": patient.id})
            chip(word.label, word.tone, icon=word.icon)
            if row.finding is not None:
                found = ADEQUACY[row.finding.adequacy]
                chip(found.label, found.tone, icon=found.icon)
        samples = wording.count(row.sample_count, "sample")
        pictures = wording.count(row.picture_count, "picture")
        last = f"last {wording.ago(row.last_sample_at)}" if row.last_sample_at else ""
        parts = [facts_of(patient), f"{samples}, {pictures}", last]
        if row.finding is not None and row.finding.diagnosis:
            parts.append(", ".join(row.finding.diagnosis))
        line = "".join(f"<span>{escape(part)}</span>" for part in parts if part)
        st.html(f'<p class="lb-line">{line}</p>')
