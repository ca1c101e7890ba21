"""The way in: files dropped here or an address, what they seem to be, and the import job."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, Final

import streamlit as st

from engine.catalogue.arriving import Arrived, receive
from engine.store import now
from engine.store.records import Dataset, Job
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.datasets.mapping import draw_mapping
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.jobs.rows import bar
from ui_streamlit.studio.jobs.words import progress_line
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import card
from ui_streamlit.studio.visits import Visit, live

__all__ = ["draw_arriving", "draw_at_work", "draw_question"]

_ARRIVED: Final = "datasets-arrived"
_ROUND: Final = "datasets-round"
_TASKS: Final = ("import_dataset", "export_dataset", "sample_data")
_ACTIVE: Final = ("pending", "processing", "stuck")


def draw_arriving(here: Visit) -> None:
    """Draw where pictures are dropped, or what was dropped and waits to be confirmed."""
    arrived = st.session_state.get(_ARRIVED)
    with card("arriving"):
        st.subheader("Bring pictures in", anchor=False)
        if isinstance(arrived, Arrived):
            _draw_arrived(here, arrived)
        else:
            _draw_ways(here)


@live("datasets.view", every_s=2)
def draw_at_work(here: Visit) -> None:
    """Draw the imports and exports under way; refreshes itself."""
    jobs = [j for j in here.workbench.queue.all() if j.task in _TASKS and j.state in _ACTIVE]
    for job in jobs:
        _draw_job(job)
    if any(job.state == "pending" for job in jobs) and not any(
        worker.is_alive for worker in here.workbench.queue.workers()
    ):
        st.warning(
            "No worker is running, so this must wait. The server starts one by itself; alone, it "
            "is `lightbox worker`.",
            icon=":material/warning:",
        )


def draw_question(here: Visit, dataset: Dataset) -> None:
    """Ask what the masks of an import mean that waits for the answer."""
    survey, upload = dataset.details.get("survey"), dataset.details.get("upload")
    if dataset.status != "uploaded" or not survey or not upload or not here.may("datasets.add"):
        return
    with card("question"):
        mapping = draw_mapping(survey, key=f"question-{dataset.id}")
        if st.button("Confirm and import", type="primary", icon=":material/check:"):
            with attempt():
                payload = {**upload, "dataset": dataset.id, "mapping": mapping}
                _submit(here, payload, title=f"Import {dataset.name}")
                st.rerun()


def _draw_ways(here: Visit) -> None:
    sent = st.file_uploader(
        "A ZIP of pictures and masks, or pictures: PNG, JPG, TIFF, BMP, DICOM, NIfTI",
        accept_multiple_files=True,
        key=f"upload-{st.session_state.get(_ROUND, 0)}",
        help="images/ and masks/ with the same names, name_mask files, nnU-Net, COCO, Pascal VOC, "
        "YOLO, QuPath GeoJSON or a mask file for each object.",
    )
    st.caption(
        "Up to 200 MB here. Larger ones come by an address below, or on the server by "
        "`lightbox dataset import FILE`."
    )
    if sent:
        with attempt(), st.spinner("Keeping and looking at what came …"):
            here.require("datasets.add")
            st.session_state[_ARRIVED] = receive(
                here.actor,
                here.workbench.files,
                [(file.name, file) for file in sent],
                temporary=here.workbench.settings.temp_folder,
            )
            _forget_upload()
            st.rerun()
    bottom = st.form("address", border=False)
    with bottom, st.container(horizontal=True, vertical_alignment="bottom"):
        address = st.text_input(
            "Or from an address",
            key="dataset-address",
            placeholder="https://example.org/slides.zip",
        )
        asked = st.form_submit_button("Fetch", icon=":material/download:")
    if asked and address.strip():
        with attempt():
            _submit(here, {"url": address.strip()}, title="Import from an address")
            st.rerun()


def _draw_arrived(here: Visit, arrived: Arrived) -> None:
    st.markdown(f"**{wording.plain(arrived.filename)}**, {wording.size(arrived.size)}")
    mapping = draw_mapping(arrived.survey, key=f"arrived-{arrived.sha256[:12]}")
    name = st.text_input(
        "Name of the dataset",
        arrived.filename.removesuffix(".zip")[:100],
        max_chars=120,
        key=f"arrived-name-{arrived.sha256[:12]}",
    )
    with st.container(horizontal=True):
        label = "Confirm and import" if mapping else "Import"
        if st.button(label, type="primary", icon=":material/check:"):
            payload: dict[str, Any] = {
                "file": arrived.sha256,
                "filename": arrived.filename,
                "name": name.strip(),
                "form": str(arrived.survey["form"]),
                "mapping": mapping,
            }
            with attempt():
                _submit(here, payload, title=f"Import {name.strip() or arrived.filename}")
                st.session_state.pop(_ARRIVED)
                st.rerun()
        if st.button("Do not import"):
            st.session_state.pop(_ARRIVED)
            st.rerun()


def _submit(here: Visit, payload: Mapping[str, Any], *, title: str) -> None:
    here.require("datasets.add")
    here.workbench.queue.submit("import_dataset", payload, actor=here.actor, title=title[:200])
    tell("The import has begun. You may close the page: it goes on.")


def _forget_upload() -> None:
    """Give the memory of the upload back: a new box takes the place of the full one."""
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1


def _draw_job(job: Job) -> None:
    with card(f"at-work-{job.id}"):
        st.page_link(
            page("jobs"),
            label=f"**{wording.plain(job.title or job.task)}**",
            query_params={"job": job.id},
        )
        line = escape(progress_line(job, now=now()))
        st.html(f'{bar(job)}<p class="lb-line"><span>{line}</span></p>')
