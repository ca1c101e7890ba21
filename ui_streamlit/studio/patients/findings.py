"""What people concluded about a patient, and the form for one's own finding."""

from __future__ import annotations

import re

import streamlit as st

from engine.store.records import Patient, PatientAnnotation
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.jobs.people import name_of
from ui_streamlit.studio.patients.words import ADEQUACY
from ui_streamlit.studio.pieces import card, chip
from ui_streamlit.studio.visits import Visit, visit
from ui_streamlit.studio.wording import plain

__all__ = ["draw_findings"]


def draw_findings(here: Visit, patient: Patient) -> None:
    """Draw all findings, the newest first, and the form for those who may write one."""
    findings = here.workbench.patients.findings(here.actor, patient)
    st.subheader("Findings", anchor=False)
    if not findings:
        st.caption("Nobody has concluded anything yet.")
    for finding in findings:
        _draw_finding(here, finding)
    if here.may("patients.annotate"):
        own = next((one for one in findings if one.user_id == here.actor.id), None)
        _draw_form(patient, own)


def _draw_finding(here: Visit, finding: PatientAnnotation) -> None:
    word = ADEQUACY[finding.adequacy]
    with card(f"finding-{finding.id}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            chip(word.label, word.tone, icon=word.icon)
            for code in finding.diagnosis:
                chip(plain(code), "quiet")
        if finding.comments:
            st.markdown(plain(finding.comments))
        who = name_of(here, finding.user_id)
        st.caption(plain(f"{who}, {wording.moment(finding.updated_at)}"))


def _draw_form(patient: Patient, own: PatientAnnotation | None) -> None:
    key = f"finding-{patient.id}"
    words = list(ADEQUACY)
    label = "Change your finding" if own else "Write your finding"
    with st.expander(label, icon=":material/clinical_notes:"), st.form(key, border=False):
        adequacy = st.radio(
            "Was there enough to see?",
            words,
            index=words.index(own.adequacy) if own else None,
            format_func=lambda name: ADEQUACY[name].label,
            horizontal=True,
            key=f"{key}-adequacy",
        )
        codes = st.text_input(
            "Diagnosis codes, with commas between",
            value=", ".join(own.diagnosis) if own else "",
            placeholder="J84.1, D86.0",
            key=f"{key}-codes",
        )
        comments = st.text_area(
            "Comments", value=own.comments if own else "", max_chars=4000, key=f"{key}-comments"
        )
        is_sent = st.form_submit_button("Save the finding", type="primary", key=f"{key}-save")
    if is_sent:
        _save(patient, adequacy or "", codes, comments)


def _save(patient: Patient, adequacy: str, codes: str, comments: str) -> None:
    there = visit("patients.annotate")
    with attempt():
        there.workbench.patients.conclude(
            there.actor,
            patient.id,
            adequacy=adequacy,
            diagnosis=re.split(r"[,;\n]+", codes),
            comments=comments,
        )
        tell("Finding saved.")
        st.rerun()
