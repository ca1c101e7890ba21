"""The report of a patient to take away."""

from __future__ import annotations

from functools import partial
from typing import Final, Literal

import streamlit as st

from engine.people.actors import Actor
from engine.store.records import Patient
from engine.workbench import Workbench
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_report", "made"]

_KINDS: Final[tuple[tuple[Literal["html", "pdf"], str, str], ...]] = (
    ("pdf", "Report as PDF", "application/pdf"),
    ("html", "Report as HTML", "text/html"),
)


def draw_report(here: Visit, patient: Patient, *, with_name: bool) -> None:
    """Draw the buttons; what is made is what the reader sees, ``with_name`` where it is shown."""
    with st.container(horizontal=True):
        for kind, label, media in _KINDS:
            with attempt():
                st.download_button(
                    label,
                    data=partial(made, here.workbench, here.actor, patient.id, kind, with_name),
                    file_name=f"patient-report.{kind}",
                    mime=media,
                    icon=":material/download:",
                    key=f"patient-report-{kind}",
                    on_click="ignore",
                )
    st.caption("With the name and contact that are shown above." if with_name else "Without name.")


def made(
    workbench: Workbench,
    actor: Actor,
    patient_id: str,
    kind: Literal["html", "pdf"],
    with_name: bool,
) -> bytes:
    """Return the report; who may is asked when the button is pressed."""
    now = workbench.accounts.present(actor)
    return workbench.patients.report(now, patient_id, kind=kind, with_name=with_name)
