"""One patient: who, as far as it is shown; findings; samples; what may be done."""

from __future__ import annotations

from html import escape

import streamlit as st

from engine.errors import NotFoundError
from engine.store.records import Patient
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.jobs.people import name_of
from ui_streamlit.studio.patients.asking import ask_delete
from ui_streamlit.studio.patients.findings import draw_findings
from ui_streamlit.studio.patients.forms import fields_form
from ui_streamlit.studio.patients.reports import draw_report
from ui_streamlit.studio.patients.samples import draw_samples
from ui_streamlit.studio.patients.sending import draw_sending
from ui_streamlit.studio.patients.words import facts_of
from ui_streamlit.studio.pieces import card, empty
from ui_streamlit.studio.visits import Visit, visit
from ui_streamlit.studio.wording import plain

__all__ = ["draw_patient"]

_SHOWN = "patients-shown"


def draw_patient(here: Visit, patient_id: str) -> None:
    """Draw the patient with that id."""
    try:
        patient = here.workbench.patients.get(here.actor, patient_id)
    except NotFoundError as error:
        empty("This patient is not here", plain(str(error)), icon=":material/search_off:")
        return
    shown = _shown(patient)
    with card("patient"):
        _draw_head(here, patient, shown)
        _draw_buttons(here, patient, shown)
        draw_report(here, patient, with_name=shown is not None)
    if shown is not None:
        _draw_change(shown)
    if here.may("samples.add"):
        draw_sending(here, patient)
    st.subheader("Samples", anchor=False)
    draw_samples(patient.id)
    draw_findings(here, patient)


def _shown(patient: Patient) -> Patient | None:
    """Return the record with its name while somebody who may has it open on this page."""
    shown = st.session_state.get(_SHOWN)
    if not isinstance(shown, Patient) or shown.id != patient.id:
        st.session_state.pop(_SHOWN, None)
        return None
    return shown


def _draw_head(here: Visit, patient: Patient, shown: Patient | None) -> None:
    st.subheader(plain(patient.patient_id), anchor=False)
    facts = [
        ("Age and gender", facts_of(patient) or "–"),
        ("Name", (shown.name or "none given") if shown else "hidden"),
        ("Contact", (shown.contact or "none given") if shown else "hidden"),
        ("Brought in by", name_of(here, patient.uploader_id)),
        ("Since", wording.moment(patient.created_at)),
    ]
    if patient.comments:
        facts.append(("Comments", patient.comments))
    rows = "".join(f"<div><dt>{escape(n)}</dt><dd>{escape(v)}</dd></div>" for n, v in facts)
    st.html(f'<dl class="lb-facts">{rows}</dl>')


def _draw_buttons(here: Visit, patient: Patient, shown: Patient | None) -> None:
    if not here.workbench.patients.may_reveal(here.actor, patient):
        return
    with st.container(horizontal=True):
        if shown is None and st.button(
            "Show name and contact", icon=":material/visibility:", key="patient-reveal"
        ):
            _reveal(patient)
        if shown is not None and st.button(
            "Hide name and contact", icon=":material/visibility_off:", key="patient-hide"
        ):
            st.session_state.pop(_SHOWN, None)
            st.rerun()
        if st.button("Delete the patient", icon=":material/delete:", key="patient-delete"):
            with attempt():
                ask_delete(visit("patients.manage"), patient)
    if shown is None:
        st.caption("Who looks at name and contact is written into the audit log.")


def _reveal(patient: Patient) -> None:
    there = visit("patients.manage")
    with attempt():
        st.session_state[_SHOWN] = there.workbench.patients.reveal(there.actor, patient.id)
        st.rerun()


def _draw_change(shown: Patient) -> None:
    with st.expander("Change what is known", icon=":material/edit:"):
        given = fields_form(f"patient-change-{shown.id}", button="Save", patient=shown)
    if given is None:
        return
    there = visit("patients.manage")
    with attempt():
        there.workbench.patients.change(there.actor, shown.id, given)
        st.session_state.pop(_SHOWN, None)
        tell("Saved; name and contact are hidden again.")
        st.rerun()
