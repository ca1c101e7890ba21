"""Before a training: on what, how, with reasons and a forecast, and the button."""

from __future__ import annotations

from html import escape
from typing import Any, Final

import streamlit as st

from engine.catalogue.trainings import Suggestion
from engine.store.records import Dataset
from engine.training.architectures import ARCHITECTURES
from engine.training.augmentation import STRENGTHS
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.jobs.people import name_of
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import card, empty
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_beginning", "wishes_from"]

_AUTOMATIC: Final = "Choose for me"
_MINUTES: Final = {
    "1 min": 1.0,
    "5 min": 5.0,
    "15 min": 15.0,
    "30 min": 30.0,
    "1 h": 60.0,
    "3 h": 180.0,
}


def draw_beginning(here: Visit) -> None:
    """Draw the choice of a dataset and what a training on it would be like."""
    ready = _ready(here)
    if not ready:
        _draw_nothing(here)
        return
    with card("train"):
        st.subheader("New training", anchor=False)
        names = {one.id: one.name for one, _ in ready}
        counts = {one.id: marked for one, marked in ready}
        chosen = st.selectbox(
            "Learn from",
            list(names),
            format_func=lambda key: f"{names[key]} ({counts[key]:,} with a mask)",
            key="train-dataset",
        )
        name = st.text_input(
            "Name of the model",
            key="train-name",
            placeholder=names[chosen],
            max_chars=120,
            help="Empty: the dataset's name. A name that is known gets a new version.",
        )
        length = st.segmented_control(
            "Time",
            list(_MINUTES),
            default="15 min",
            required=True,
            key="train-minutes",
            help="All of it: preparing the pictures, learning, and measuring.",
        )
        wishes = {"minutes": _MINUTES[length or "15 min"], **_draw_advanced()}
        if "epochs" in wishes:
            del wishes["minutes"]
        suggestion = _suggested(here, chosen, counts[chosen], wishes)
        if suggestion is not None:
            _draw_forecast(suggestion)
        _draw_buttons(here, chosen, wishes, name)
        if suggestion is not None:
            _draw_reasons(suggestion)


def wishes_from(state: Any) -> dict[str, Any]:  # noqa: ANN401 – Streamlit's session state
    """Return the wishes that the page shows at this moment."""
    length = state.get("train-minutes") or "15 min"
    wishes = {"minutes": _MINUTES[length], **_advanced(state)}
    if "epochs" in wishes:
        del wishes["minutes"]
    return wishes


def _ready(here: Visit) -> list[tuple[Dataset, int]]:
    found = here.workbench.datasets.list(here.actor)
    return [
        (one.dataset, one.marked) for one in found if one.dataset.status == "ready" and one.marked
    ]


def _draw_nothing(here: Visit) -> None:
    empty(
        "Nothing to learn from yet",
        "A training needs a dataset whose pictures have masks: add the sample data on the first "
        "page, bring masks in, or draw some.",
        icon=":material/model_training:",
    )
    with st.container(horizontal=True, horizontal_alignment="center"):
        st.page_link(page("home"), label="Add sample data", icon=":material/add_photo_alternate:")
        if here.may("datasets.view"):
            st.page_link(page("datasets"), label="Datasets", icon=":material/photo_library:")
        if here.may("masks.draw"):
            st.page_link(page("annotate"), label="Annotate", icon=":material/draw:")


def _draw_advanced() -> dict[str, Any]:
    with st.expander("Choose more yourself"):
        titles = {name: one.title for name, one in ARCHITECTURES.items()}
        left, right = st.columns(2)
        with left:
            variant = st.selectbox(
                "Network",
                ["", *titles],
                format_func=lambda key: titles.get(key, _AUTOMATIC),
                key="train-variant",
            )
            if variant:
                st.caption(ARCHITECTURES[variant].description)
            st.number_input("Epochs instead of time (0: by time)", 0, 10_000, 0, key="train-epochs")
            st.number_input("Patches in a batch (0: choose for me)", 0, 64, 0, key="train-batch")
        with right:
            st.number_input(
                "Learning rate (0: choose for me)",
                0.0,
                1.0,
                0.0,
                step=0.0005,
                format="%.4f",
                key="train-rate",
            )
            st.number_input(
                "Side of a patch in px (0: choose for me)", 0, 1024, 0, step=32, key="train-patch"
            )
            st.selectbox(
                "Augmentation",
                ["", *STRENGTHS],
                format_func=lambda key: key or _AUTOMATIC,
                key="train-augmentation",
            )
            st.number_input("Seed", 0, 1_000_000, 0, key="train-seed")
    return _advanced(st.session_state)


def _advanced(state: Any) -> dict[str, Any]:  # noqa: ANN401 – Streamlit's session state
    found: dict[str, Any] = {}
    for key, wish, kind in (
        ("train-variant", "variant", str), ("train-epochs", "epochs", int),
        ("train-batch", "batch_size", int), ("train-rate", "learning_rate", float),
        ("train-patch", "patch_px", int), ("train-augmentation", "augmentation", str),
        ("train-seed", "seed", int),
    ):  # fmt: skip
        if state.get(key):
            found[wish] = kind(state[key])
    if 0 < found.get("patch_px", 32) < 32:
        found["patch_px"] = 32
    return found


def _suggested(
    here: Visit, dataset_id: str, marked: int, wishes: dict[str, Any]
) -> Suggestion | None:
    """Return how it would go; looked at once for each choice, since pictures have to be read."""
    key = f"{dataset_id} {marked} {sorted(wishes.items())}"
    kept: tuple[str, Suggestion] | None = st.session_state.get("train-suggested")
    if kept is not None and kept[0] == key:
        return kept[1]
    with attempt(), st.spinner("Looking at some of the pictures …"):
        found = here.workbench.trainings.suggest(here.actor, dataset_id, wishes)
        st.session_state["train-suggested"] = (key, found)
        return found
    return None  # the reason stands on the page


def _draw_forecast(suggestion: Suggestion) -> None:
    _draw_fingerprint(suggestion)
    plan = suggestion.plan
    st.markdown(
        f"**About {wording.duration(plan.seconds)}, {wording.megabytes(plan.memory_mb)} of memory "
        "at most.**"
    )


def _draw_reasons(suggestion: Suggestion) -> None:
    reasons = suggestion.plan.reasons
    st.markdown(f"**{wording.count(len(reasons), 'choice')} were made for these pictures**")
    rows = "".join(
        f"<div><dt>{escape(one.about)}</dt><dd><b>{escape(one.chosen)}</b> – "
        f"{escape(one.because)}</dd></div>"
        for one in reasons
    )
    st.html(f'<dl class="lb-facts lb-reasons">{rows}</dl>')


def _draw_fingerprint(suggestion: Suggestion) -> None:
    found = suggestion.fingerprint
    shares = ", ".join(f"{100 * share:.0f} % {name}" for name, share in found.shares.items())
    sizes = ", ".join(
        f"{name} about {size:.0f} px wide" for name, size in found.object_px.items() if size
    )
    st.caption(
        f"{wording.count(suggestion.pictures, 'picture')} with masks of "
        f"{wording.count(found.groups, 'group')}, typically {found.median_width_px}×"
        f"{found.median_height_px} px; {100 * found.annotated_share:.0f} % of the pixels are "
        f"annotated: {wording.plain(shares)}. Objects: {wording.plain(sizes) or 'none measured'}."
    )


def _draw_buttons(here: Visit, dataset_id: str, wishes: dict[str, Any], name: str) -> None:
    running = here.workbench.trainings.running(here.actor)
    if running is not None:
        st.info(
            f"“{wording.plain(running.title)}” is at work for "
            f"{wording.plain(name_of(here, running.created_by))}. One training runs at a time: "
            "yours will wait for it.",
            icon=":material/hourglass_top:",
        )
    if st.button("Train", type="primary", icon=":material/model_training:", key="train-go"):
        with attempt():
            job = here.workbench.trainings.start(here.actor, dataset_id, wishes, name=name)
            tell("The training has begun.")
            st.query_params["training"] = job.id
            st.rerun()
