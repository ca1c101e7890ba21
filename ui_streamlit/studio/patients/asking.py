"""What is asked before a patient or a sample is deleted: the list of what goes."""

from __future__ import annotations

import streamlit as st

from engine.catalogue.deletion import Deletion
from engine.store.records import Patient, Sample
from ui_streamlit.studio.dialogs import Question, ask
from ui_streamlit.studio.visits import Visit
from ui_streamlit.studio.wording import plain

__all__ = ["ask_delete", "ask_delete_sample"]


def ask_delete(here: Visit, patient: Patient) -> None:
    """Ask with everything that goes with the patient; the number must be typed."""
    goes = here.workbench.patients.what_goes(here.actor, patient.id)
    ask(
        Question(
            title=f"Delete patient {plain(patient.patient_id)}?",
            text="It cannot be taken back; only a backup made before still has it.",
            lost=goes.lines(),
            button="Delete all of it",
            action="patients.manage",
            typed=patient.patient_id,
            act=lambda there: _delete(there, patient, goes),
        )
    )


def ask_delete_sample(here: Visit, sample: Sample) -> None:
    """Ask with everything that goes with the sample."""
    goes = here.workbench.patients.what_goes_with_sample(here.actor, sample.id)
    ask(
        Question(
            title=f"Delete sample {plain(sample.original_filename)}?",
            text="The patient stays, and what was concluded too.",
            lost=goes.lines(),
            button="Delete the sample",
            action="samples.add",
            act=lambda there: _delete_sample(there, sample, goes),
        )
    )


def _delete(there: Visit, patient: Patient, goes: Deletion) -> str:
    there.workbench.patients.delete(there.actor, patient.id, goes)
    st.query_params.clear()
    return f"Deleted: {', '.join(goes.lines())}."


def _delete_sample(there: Visit, sample: Sample, goes: Deletion) -> str:
    there.workbench.patients.delete_sample(there.actor, sample.id, goes)
    return f"Deleted: {', '.join(goes.lines())}."
