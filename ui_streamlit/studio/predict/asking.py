"""One picture: dropped here and only looked at, or chosen from the datasets and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import streamlit as st

from engine.catalogue.predicting import Answered
from engine.store.records import Image, ModelRecord
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import card
from ui_streamlit.studio.predict.shown import Shown, draw_shown
from ui_streamlit.studio.predict.words import doubt
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_asking"]

_ENDINGS: Final = ["png", "jpg", "jpeg", "tif", "tiff", "bmp", "webp", "gif"]
_LOOKED: Final = "predict-looked"
_ROUND: Final = "predict-round"
_AT_ONCE_PX: Final = 24_000_000
_SINGLE: Final = ""


def draw_asking(here: Visit, model: ModelRecord) -> None:
    """Draw both ways in, and what was said of a picture that was dropped."""
    looked = st.session_state.get(_LOOKED)
    if isinstance(looked, Answered):
        _draw_looked(here, looked)
        return
    with card("predict-drop"):
        _draw_drop(here, model)
    with card("predict-choose"):
        _draw_choose(here, model)


def _draw_drop(here: Visit, model: ModelRecord) -> None:
    sent = st.file_uploader(
        "Drop a picture to look at",
        type=_ENDINGS,
        key=f"predict-upload-{st.session_state.get(_ROUND, 0)}",
        max_upload_size=here.workbench.settings.max_upload_mb,
    )
    st.caption("Only you see it, and it is not kept unless you save it into a dataset.")
    if sent is None:
        return
    with attempt():
        data, name = sent.getvalue(), sent.name
        with _progress() as told:
            looked = here.workbench.predicting.look(
                here.actor, model.id, data, name=name, tell=told
            )
        st.session_state[_LOOKED] = looked
        _forget_upload()
        st.rerun()


def _draw_choose(here: Visit, model: ModelRecord) -> None:
    if not here.may("datasets.view"):
        return
    found = here.workbench.datasets.list(here.actor)
    datasets = {one.dataset.id: one for one in found if one.pictures}
    if not datasets:
        st.markdown("**Or a picture of a dataset**")
        st.caption("There are no pictures in the datasets yet.")
        return
    asked = _asked_image(here)
    names = list(datasets)
    at = names.index(asked.dataset_id) if asked and asked.dataset_id in datasets else 0
    dataset_id = st.selectbox(
        "Or a picture of a dataset",
        names,
        index=at,
        format_func=lambda name: datasets[name].dataset.name,
        key="predict-dataset",
    )
    images = {image.id: image for image in _pictures(here, dataset_id)}
    which = list(images).index(asked.id) if asked and asked.id in images else 0
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Picture",
            list(images),
            index=which,
            format_func=lambda name: images[name].name,
            key=f"predict-image-{dataset_id}",
        )
        asks = st.button(
            "Predict", type="primary", icon=":material/auto_awesome:", key="predict-go"
        )
    image = images[chosen]
    with st.container(horizontal=True, vertical_alignment="center"):
        with attempt():
            small = here.workbench.datasets.thumbnail(here.actor, image)
            st.image(small, width=140, alt=f"Picture {image.name}")
        st.caption(f"{image.width_px:,} × {image.height_px:,} pixels")
        earlier = here.workbench.predicting.latest(here.actor, model.id, image.id)
        if earlier is not None:
            st.page_link(
                page("predict"),
                label=f"The answer of {wording.ago(earlier.created_at)}: {doubt(earlier.doubt)}",
                query_params={"answer": earlier.id},
            )
    if asks:
        _ask(here, model, image)


def _ask(here: Visit, model: ModelRecord, image: Image) -> None:
    predicting = here.workbench.predicting
    with attempt():
        if image.width_px * image.height_px > _AT_ONCE_PX:
            job = predicting.start(here.actor, model.id, image_ids=[image.id], again=True)
            tell("This picture is large: a job looks at it, and you may close the page.")
            st.switch_page(page("jobs"), query_params={"job": job.id})
        with _progress() as told:
            made = predicting.predict(here.actor, model.id, image.id, tell=told)
        st.query_params.clear()
        st.query_params["answer"] = made.id
        st.rerun()


def _draw_looked(here: Visit, looked: Answered) -> None:
    predicting = here.workbench.predicting
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Another picture", icon=":material/arrow_back:", key="predict-another"):
            _forget()
        st.caption("Not kept: it goes when you close this tab.")
    draw_shown(
        here,
        Shown(
            key="looked",
            name=looked.name,
            seen=predicting.seen_of(looked),
            measures=looked.measures,
            doubt=looked.doubt,
            seconds=looked.found.seconds,
            model=looked.found.model,
            about=looked,
            size=(looked.found.width, looked.found.height),
            pixel_size_um=looked.found.pixel_size_um,
            export=lambda form: predicting.export_of(here.actor, looked, form),
        ),
    )
    if here.may("datasets.add"):
        with card("predict-save"):
            _draw_save(here, looked)


def _draw_save(here: Visit, looked: Answered) -> None:
    st.markdown("**Keep it in a dataset**")
    names = {
        one.dataset.id: one.dataset.name
        for one in here.workbench.datasets.list(here.actor)
        if one.dataset.status != "importing"
    }
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Dataset",
            [*names, _SINGLE],
            format_func=lambda name: names.get(name, "A dataset of its own for single pictures"),
            key="predict-save-dataset",
        )
        saves = st.button("Save the picture and the answer", icon=":material/save:")
    if saves:
        with attempt():
            sent = [(looked.name, looked.data)]
            (image,) = here.workbench.images.add(here.actor, sent, dataset_id=chosen)
            made = here.workbench.predicting.save(here.actor, looked, image)
            tell("The picture is in the dataset, with the answer.")
            st.session_state.pop(_LOOKED, None)
            st.query_params["answer"] = made.id
            st.rerun()


@contextmanager
def _progress() -> Iterator[Callable[[float, str], None]]:
    """Show how far it is; Stop runs the page anew, which ends the work at its next tile."""
    place = st.empty()
    with place.container():
        bar = st.progress(0.0, text="Reading the picture")
        st.button("Stop", icon=":material/stop:", key="predict-stop", on_click=_forget_upload)

        def told(done: float, text: str) -> None:
            bar.progress(min(1.0, max(0.0, done)), text=text)

        yield told
    place.empty()


def _pictures(here: Visit, dataset_id: str) -> tuple[Image, ...]:
    found = here.workbench.images.list(here.actor, dataset_id=dataset_id)
    return tuple(sorted(found, key=lambda image: (image.name, image.id)))


def _asked_image(here: Visit) -> Image | None:
    """Return the picture that a link of another page named, if it is there."""
    name = str(st.query_params.get("image", ""))
    return here.workbench.store.images.read().get(name) if name else None


def _forget() -> None:
    st.session_state.pop(_LOOKED, None)
    st.rerun()


def _forget_upload() -> None:
    """Give the memory of the upload back: a new box takes the place of the full one."""
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
