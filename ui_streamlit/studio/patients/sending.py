"""Many pictures at once: each a sample, or all of them one; what was left out of them."""

from __future__ import annotations

from typing import Final

import streamlit as st

from engine.catalogue.sample_pictures import SentPicture, Taken
from engine.store.records import Patient
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.visits import Visit, visit
from ui_streamlit.studio.wording import plain

__all__ = ["draw_sending"]

_KINDS: Final = ["png", "jpg", "jpeg", "tif", "tiff", "bmp", "webp", "gif", "dcm"]
_OUTCOME: Final = "patients-sent"
_ROUND: Final = "patients-round"


def draw_sending(here: Visit, patient: Patient) -> None:
    """Draw the drop area, and what became of the pictures sent last."""
    with st.expander("Send pictures", icon=":material/add_photo_alternate:"):
        # A new key empties the drop area after its files were taken.
        key = f"patients-files-{patient.id}-{st.session_state.get(_ROUND, 0)}"
        files = st.file_uploader(
            "Pictures of samples",
            type=_KINDS,
            accept_multiple_files=True,
            key=key,
            max_upload_size=here.workbench.settings.max_upload_mb,
        )
        together = st.checkbox("All pictures are of one sample", key="patients-together")
        st.caption(
            "Names, places and dates inside the files (EXIF, DICOM) are left out and listed. What "
            "is written in the picture itself stays."
        )
        label = wording.count(len(files), "picture")
        if files and st.button(f"Send {label}", type="primary", key="patients-send"):
            _send(patient, [SentPicture(name=f.name, data=f.getvalue()) for f in files], together)
        _draw_outcome(patient)


def _send(patient: Patient, sent: list[SentPicture], together: bool) -> None:
    there = visit("samples.add")
    with attempt():
        with st.spinner("Reading the pictures …"):
            taken = there.workbench.patients.send(there.actor, patient.id, sent, together=together)
        st.session_state[_OUTCOME] = (patient.id, taken)
        st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
        st.rerun()


def _draw_outcome(patient: Patient) -> None:
    patient_id, taken = st.session_state.get(_OUTCOME, ("", None))
    if patient_id != patient.id or not isinstance(taken, Taken):
        return
    done = wording.count(len(taken.samples), "sample")
    st.success(f"{done} taken; the queue looks for cells.", icon=":material/check_circle:")
    for one in taken.refused:
        st.error(f"{plain(one.name)}: {plain(one.why)}", icon=":material/error:")
    if taken.removed:
        lines = [f"- {plain(name)}: {plain(', '.join(fields))}" for name, fields in taken.removed]
        st.markdown("**Left out of the files**\n\n" + "\n".join(lines))
