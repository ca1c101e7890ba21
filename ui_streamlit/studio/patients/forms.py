"""The form of what is known about a patient."""

from __future__ import annotations

import streamlit as st

from engine.catalogue.patient_fields import PatientFields
from engine.store.records import Patient

__all__ = ["fields_form"]


def fields_form(key: str, *, button: str, patient: Patient | None = None) -> PatientFields | None:
    """Draw the form, filled with ``patient``; return what was sent with ``button``."""
    with st.form(key, border=False):
        number = st.text_input(
            "Patient number of the clinic",
            value=patient.patient_id if patient else "",
            max_chars=64,
            key=f"{key}-number",
        )
        name = st.text_input(
            "Name (optional, hidden)",
            value=patient.name if patient else "",
            max_chars=200,
            key=f"{key}-name",
        )
        contact = st.text_input(
            "Contact (optional, hidden)",
            value=patient.contact if patient else "",
            max_chars=300,
            key=f"{key}-contact",
        )
        age = st.number_input(
            "Age in years (optional)",
            min_value=0,
            max_value=130,
            value=patient.age if patient else None,
            step=1,
            key=f"{key}-age",
        )
        gender = st.text_input(
            "Gender (optional)",
            value=patient.gender if patient else "",
            max_chars=40,
            key=f"{key}-gender",
        )
        comments = st.text_area(
            "Comments (optional; everybody who sees the patient reads them)",
            value=patient.comments if patient else "",
            max_chars=4000,
            key=f"{key}-comments",
        )
        if not st.form_submit_button(button, type="primary", key=f"{key}-submit"):
            return None
    return PatientFields(
        patient_id=number,
        name=name,
        age=None if age is None else int(age),
        gender=gender,
        contact=contact,
        comments=comments,
    )
