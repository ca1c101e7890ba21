"""Many pictures: a job asks about each, and the most doubtful answers are looked at first."""

from __future__ import annotations

from html import escape
from typing import Final
from urllib.parse import quote

import streamlit as st

from engine.catalogue.datasets import Overview
from engine.catalogue.predicting import FORMS
from engine.store import now
from engine.store.records import Job, ModelRecord, Prediction
from ui_streamlit.studio import addresses, wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.jobs.choosing import ACTIVE
from ui_streamlit.studio.jobs.rows import bar
from ui_streamlit.studio.jobs.words import progress_line, state_word
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import card, chip, empty
from ui_streamlit.studio.predict.words import doubt, sum_up
from ui_streamlit.studio.visits import Visit, live

__all__ = ["draw_many"]

_PER_PAGE: Final = 12
_TASKS: Final = ("predict_pictures", "export_predictions")
_SEEN: Final = "predict-jobs-at-work"


def draw_many(here: Visit, model: ModelRecord) -> None:
    """Draw the choice of dataset, the job, and a gallery of what it found."""
    if not here.may("datasets.view"):
        empty("Not for your role", "Many pictures are chosen by their dataset.")
        return
    found = here.workbench.datasets.list(here.actor)
    datasets = {one.dataset.id: one for one in found if one.pictures}
    if not datasets:
        empty(
            "No pictures yet",
            "Bring a dataset in, then all of its pictures can be predicted at once.",
            icon=":material/photo_library:",
        )
        st.page_link(page("datasets"), label="Datasets", icon=":material/photo_library:")
        return
    with card("predict-many"):
        chosen = st.selectbox(
            "Dataset",
            list(datasets),
            format_func=lambda name: datasets[name].dataset.name,
            key="predict-many-dataset",
        )
        _draw_start(here, model, datasets[chosen])
        _draw_jobs(model.id, chosen)
    _draw_gallery(here, model, datasets[chosen])


def _draw_start(here: Visit, model: ModelRecord, one: Overview) -> None:
    predicting, dataset_id = here.workbench.predicting, one.dataset.id
    listed = here.workbench.images.list(here.actor, dataset_id=dataset_id)
    images = {image.id: image.name for image in sorted(listed, key=lambda image: image.name)}
    left = predicting.pending(here.actor, model.id, images)
    st.caption(
        f"{len(images) - len(left):,} of {wording.count(len(images), 'picture')} have an answer of "
        "this model."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        some = st.toggle("Only some pictures", key="predict-some")
        answered = len(left) < len(images)
        again = answered and st.toggle("Ask about answered ones again", key="predict-again")
    chosen = list(images)
    if some:
        chosen = st.multiselect(
            "Pictures",
            list(images),
            format_func=lambda name: images[name],
            key=f"predict-chosen-{dataset_id}",
            placeholder="Choose pictures",
        )
    asked = chosen if again else [name for name in chosen if name in set(left)]
    if asked and st.button(
        f"Predict {wording.count(len(asked), 'picture')}",
        type="primary",
        icon=":material/auto_awesome:",
        key="predict-many-go",
    ):
        with attempt():
            which = {"image_ids": asked} if some else {"dataset_id": dataset_id}
            predicting.start(here.actor, model.id, again=again, **which)
            tell("The job has begun. You may close the page: it goes on.")
            st.rerun()


@live("models.predict", every_s=2)
def _draw_jobs(here: Visit, model_id: str, dataset_id: str) -> None:
    """Draw the jobs at work; turn the page when one has ended, or has answered some more."""
    jobs = [job for job in here.workbench.queue.all() if _is_about(here, job, model_id, dataset_id)]
    at_work = {job.id: _answers(here, job) for job in jobs if job.state in ACTIVE}
    before = st.session_state.get(_SEEN, {})
    st.session_state[_SEEN] = at_work
    if set(before) - set(at_work) or any(
        at_work.get(name, 0) > number for name, number in before.items()
    ):
        st.rerun()
    for job in jobs:
        if job.id in at_work:
            _draw_job(job)
    _draw_last(here, jobs)


def _is_about(here: Visit, job: Job, model_id: str, dataset_id: str) -> bool:
    """Say whether a job asks this model about pictures of this dataset."""
    if job.task not in _TASKS or job.payload.get("model") != model_id:
        return False
    if job.payload.get("dataset"):
        return bool(job.payload["dataset"] == dataset_id)
    images = here.workbench.store.images.read()
    first = images.get(next(iter(job.payload.get("images", ())), ""))
    return first is not None and first.dataset_id == dataset_id


def _answers(here: Visit, job: Job) -> int:
    return here.workbench.predicting.results(here.actor, job_id=job.id, size=1).count


def _draw_job(job: Job) -> None:
    st.page_link(
        page("jobs"),
        label=f"**{wording.plain(job.title or job.task)}**",
        query_params={"job": job.id},
    )
    line = escape(progress_line(job, now=now()))
    st.html(f'{bar(job)}<p class="lb-line"><span>{line}</span></p>')


def _draw_last(here: Visit, jobs: list[Job]) -> None:
    """Draw how the last job of each kind ended."""
    root = here.workbench.settings.root_path
    for task in _TASKS:
        done = [job for job in jobs if job.task == task and job.state not in ACTIVE]
        last = max(done, key=lambda job: (job.created_at, job.id), default=None)
        if last is None:
            continue
        if last.state == "completed":
            for result in last.results:
                if result.kind == "file":
                    address = f"{root}/files/{result.ref}?name={quote(result.title)}"
                    st.html(addresses.link(f"Download {result.title}", address))
            st.caption(f"{wording.plain(last.message)} ({wording.ago(last.finished_at)})")
        else:
            word = state_word(last)
            chip(word.label, word.tone, icon=word.icon)
            st.caption(wording.plain(last.error or last.message))


def _draw_gallery(here: Visit, model: ModelRecord, one: Overview) -> None:
    place = f"predict-page-{one.dataset.id}"
    found = here.workbench.predicting.results(
        here.actor,
        model_id=model.id,
        dataset_id=one.dataset.id,
        page=int(st.session_state.get(place) or 1),
        size=_PER_PAGE,
    )
    if not found.count:
        empty(
            "No answers yet",
            "Start the prediction above; the pictures appear here, the most doubtful first.",
            icon=":material/auto_awesome:",
        )
        return
    st.subheader("The most doubtful first", anchor=False)
    with st.grid(min_column_width=170, gap="small", key="lb-answers"):
        for prediction in found.rows:
            _draw_cell(here, prediction)
    if found.pages > 1:
        st.pagination(found.pages, key=place, default=1)
    st.caption(f"{wording.count(found.count, 'answer')}, page {found.page} of {found.pages}")
    with card("predict-export"):
        _draw_export(here, model, one)


def _draw_cell(here: Visit, prediction: Prediction) -> None:
    image = here.workbench.predicting.image(here.actor, prediction.image_id)
    with st.container(gap="xsmall", key=f"lb-answer-{prediction.id}"):
        with attempt():
            st.image(
                _small(here, prediction.id, prediction),
                width="stretch",
                alt=f"{image.name} with what the model found",
            )
        st.page_link(
            page("predict"),
            label=wording.plain(image.name),
            query_params={"answer": prediction.id},
        )
        if prediction.status == "failed":
            st.caption(f":material/error: {wording.plain(prediction.error)}")
            return
        st.caption(f"{wording.plain(sum_up(prediction.measures))} · {doubt(prediction.doubt)}")
        if here.may("masks.view"):
            st.page_link(
                page("annotate"), label="Open in Annotate", query_params={"image": image.id}
            )


def _draw_export(here: Visit, model: ModelRecord, one: Overview) -> None:
    st.markdown("**Take all answers with you**")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        forms = st.multiselect(
            "As",
            list(FORMS),
            default=["mask", "classes", "geojson"],
            format_func=lambda form: FORMS[form],
            key="predict-forms",
        )
        asks = st.button("Make a ZIP", icon=":material/archive:", disabled=not forms)
    if asks:
        with attempt():
            here.workbench.predicting.start_export(
                here.actor, model.id, dataset_id=one.dataset.id, forms=forms
            )
            tell("The archive is being written; its download appears above.")
            st.rerun()


@st.cache_data(max_entries=400, ttl=1800, show_spinner=False)
def _small(_here: Visit, prediction_id: str, _prediction: Prediction) -> bytes:  # noqa: ARG001 – part of the key
    return _here.workbench.predicting.thumbnail(_here.actor, _prediction)
