"""One model: its figures, card and story, and what may be done with it."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Final
from urllib.parse import quote

import streamlit as st

from engine.catalogue.models import BUNDLE_FORMS
from engine.catalogue.models.shipping_with_us import is_shipped
from engine.errors import NotFoundError
from engine.store.records import ModelRecord
from ui_streamlit.studio import addresses, wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import Question, ask, tell
from ui_streamlit.studio.jobs.people import name_of
from ui_streamlit.studio.models.figures import draw_figures, headline
from ui_streamlit.studio.models.measured import draw_measured
from ui_streamlit.studio.models.words import STAGES, title_of
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import card, chip, empty
from ui_streamlit.studio.visits import Visit, live

__all__ = ["draw_model"]

_FORMS: Final = {
    "bundle": "Bundle: the whole folder, for lightbox predict and other Lightboxes",
    "openvino": "OpenVINO: the two files of the runtime, with the card",
    "onnx": "ONNX: one file for other programs",
    "safetensors": "Safetensors: weights and what they are",
}


def draw_model(here: Visit, model_id: str) -> None:
    """Draw the model with that id."""
    try:
        model = here.workbench.models.get(here.actor, model_id)
    except NotFoundError:
        empty(
            "This model is not here",
            "It was deleted, or the link is wrong. The list has all that there are.",
            icon=":material/search_off:",
        )
        return
    with card("model"):
        _draw_head(here, model)
    parts: dict[str, Callable[[], None]] = {
        "Figures": lambda: _draw_figures(here, model),
        "Card": lambda: _draw_card(model),
        "Story": lambda: _draw_story(here, model),
        "Take along": lambda: _draw_export(here, model),
    }
    if here.may("models.manage"):
        parts["Change"] = lambda: _draw_change(here, model)
    asked = st.pills(
        "Part", list(parts), default="Figures", required=True, key="model-part",
        label_visibility="collapsed",
    )  # fmt: skip
    with attempt():
        parts[asked or "Figures"]()


def _draw_head(here: Visit, model: ModelRecord) -> None:
    label, tone, icon = STAGES[model.stage]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(wording.plain(title_of(model)), anchor=False, width="content")
        chip(label, tone, icon=icon)
        if is_shipped(model.id):
            chip("Comes with Lightbox", "quiet")
    st.markdown(headline(model.metrics))
    if model.stage_reason:
        st.caption(wording.plain(model.stage_reason))
    facts = [
        ("Finds", ", ".join(model.card.get("classes", ())[1:])),
        ("Network", str(model.card.get("architecture", ""))),
        ("Trained", wording.moment(model.trained_at)),
        ("By", "Lightbox" if is_shipped(model.id) else name_of(here, model.created_by)),
        ("Version of the dataset", (model.dataset_manifest_sha256 or "–")[:12]),
        ("Size", wording.size(sum(file.size_bytes for file in model.files) or None)),
        ("Made with", f"Lightbox {model.code_version}" if model.code_version else "–"),
    ]
    rows = "".join(f"<div><dt>{escape(n)}</dt><dd>{escape(v)}</dd></div>" for n, v in facts)
    st.html(f'<dl class="lb-facts">{rows}</dl>')
    with st.container(horizontal=True):
        if here.may("models.predict") and model.status == "completed":
            st.page_link(page("predict"), label="Try it", icon=":material/image_search:")
        if model.job_id:
            st.page_link(
                page("train"), label="Its training", icon=":material/model_training:",
                query_params={"training": model.job_id},
            )  # fmt: skip


def _draw_figures(here: Visit, model: ModelRecord) -> None:
    with card("figures"):
        draw_figures(model.metrics)
        for limit in model.card.get("limits", ()):
            st.caption(f":material/info: {wording.plain(str(limit))}")
    draw_measured(here, model)


def _draw_card(model: ModelRecord) -> None:
    given = model.card
    with card("card"):
        facts = [
            ("Licence", given.get("licence", "")),
            ("Source", given.get("source", "")),
            ("Split", given.get("split", "")),
        ]
        facts += [
            (
                f"Data: {one['name']}",
                f"{one['images']:,} pictures of {one['groups']:,} groups; {one['licence']}; "
                f"{one['source']}",
            )
            for one in given.get("data", ())
        ]
        rows = "".join(
            f"<div><dt>{escape(str(n))}</dt><dd>{escape(str(v))}</dd></div>" for n, v in facts
        )
        st.html(f'<dl class="lb-facts lb-reasons">{rows}</dl>')
    plan = model.hyperparameters
    if plan.get("reasons"):
        with card("plan"):
            st.markdown("**How it was trained**")
            rows = "".join(
                f"<div><dt>{escape(one['about'])}</dt><dd><b>{escape(one['chosen'])}</b> – "
                f"{escape(one['because'])}</dd></div>"
                for one in plan["reasons"]
            )
            st.html(f'<dl class="lb-facts lb-reasons">{rows}</dl>')
    with st.expander("The whole card"):
        st.json(dict(given), expanded=False)


def _draw_story(here: Visit, model: ModelRecord) -> None:
    with card("story"):
        story = model.card.get("story", ())
        for line in reversed(story):
            label = STAGES[line["stage"]][0]
            who = wording.plain(name_of(here, str(line["by"])))
            st.markdown(f"**{label}**: {wording.plain(line['reason'])} – {who}, {line['at'][:16]}")
        if not story:
            st.caption("Nobody changed its use so far.")
        for one in here.workbench.models.lineage(here.actor, model.id)[1:]:
            st.page_link(
                page("models"), label=f"Came from {wording.plain(title_of(one))}",
                query_params={"model": one.id},
            )  # fmt: skip


def _draw_export(here: Visit, model: ModelRecord) -> None:
    with card("export"):
        form = st.selectbox(
            "Form", BUNDLE_FORMS, format_func=lambda key: _FORMS[key], key="model-form"
        )
        if st.button("Prepare the download", icon=":material/archive:", key="model-export"):
            here.workbench.queue.submit(
                "export_model",
                {"model": model.id, "form": form},
                actor=here.actor,
                title=f"Export {title_of(model)} ({form})"[:200],
            )
            tell("The download appears here in a moment.")
            st.rerun()
        _draw_ready(model.id)


@live("models.view", every_s=2)
def _draw_ready(here: Visit, model_id: str) -> None:
    for job in here.workbench.queue.all():
        if job.task != "export_model" or job.payload.get("model") != model_id:
            continue
        if job.state in ("pending", "processing"):
            st.caption(f":material/hourglass_top: {wording.plain(job.title)}")
        elif job.state == "failed":
            st.error(wording.plain(job.error), icon=":material/error:")
        for result in job.results:
            root = here.workbench.settings.root_path
            address = f"{root}/files/{result.ref}?name={quote(result.title)}"
            st.html(addresses.link(f"Download {result.title}", address))


def _draw_change(here: Visit, model: ModelRecord) -> None:
    with card("change"):
        reason = st.text_input(
            "Reason", key="model-reason", max_chars=500,
            placeholder="Why, for those who ask later",
        )  # fmt: skip
        with st.container(horizontal=True):
            models, actor = here.workbench.models, here.actor
            if model.stage != "active" and st.button(
                "Use this model", type="primary", icon=":material/check_circle:", key="promote"
            ):
                made = models.promote(actor, model.id, reason=reason)
                tell(f"“{wording.plain(made.name)}” is used from now on.")
                st.rerun()
            if (
                model.stage == "active"
                and not is_shipped(model.id)
                and st.button("Back to the one before", icon=":material/undo:", key="roll-back")
            ):
                made = models.roll_back(actor, model.task, reason=reason)
                tell(f"“{wording.plain(made.name)}” is used again.")
                st.rerun()
            if (
                model.stage != "retired"
                and not is_shipped(model.id)
                and st.button("Retire", icon=":material/archive:", key="retire")
            ):
                models.retire(actor, model.id, reason=reason)
                tell("It is retired; it can come back.")
                st.rerun()
            if (
                model.stage != "active"
                and not is_shipped(model.id)
                and st.button("Delete", icon=":material/delete:", key="delete")
            ):
                _ask_delete(model)
        if is_shipped(model.id):
            st.caption("This model comes with Lightbox: it can be used or not, but not changed.")


def _ask_delete(model: ModelRecord) -> None:
    model_id, title = model.id, title_of(model)

    def act(there: Visit) -> str:
        there.workbench.models.delete(there.actor, model_id)
        return f"“{title}” is deleted."

    ask(
        Question(
            title=f"Delete “{title}”?",
            text="What it said about pictures goes with it. Masks that people saved stay.",
            lost=(f"{title}: weights, card and figures",),
            button="Delete the model",
            action="models.manage",
            act=act,
        )
    )
