"""Models held against each other on the same held-back pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

import streamlit as st

from engine.store.records import Job
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.models.figures import between
from ui_streamlit.studio.models.words import title_of
from ui_streamlit.studio.navigation import page
from ui_streamlit.studio.pieces import card, empty
from ui_streamlit.studio.visits import Visit, live

__all__ = ["draw_comparing", "draw_comparison"]


def draw_comparing(here: Visit) -> None:
    """Draw the choice of models and dataset, and the comparisons there are."""
    models = {
        one.id: title_of(one)
        for one in here.workbench.models.list(here.actor)
        if one.status == "completed"
    }
    datasets = {
        one.dataset.id: one.dataset.name
        for one in here.workbench.datasets.list(here.actor)
        if one.dataset.status == "ready" and one.marked
    }
    if len(models) < 2 or not datasets:
        return
    with st.expander("Compare models"):
        chosen = st.multiselect(
            "Models", list(models), format_func=lambda key: models[key], max_selections=4,
            key="compare-models",
        )  # fmt: skip
        dataset = st.selectbox(
            "On the held-back pictures of", list(datasets),
            format_func=lambda key: datasets[key], key="compare-dataset",
        )  # fmt: skip
        if st.button("Compare", icon=":material/balance:", disabled=len(chosen) < 2):
            with attempt():
                here.workbench.queue.submit(
                    "compare_models", {"models": chosen, "dataset": dataset}, actor=here.actor
                )
                tell("The comparison has begun; it appears here.")
                st.rerun()
        _draw_ready()


@live("models.view", every_s=2)
def _draw_ready(here: Visit) -> None:
    for job in [one for one in here.workbench.queue.all() if one.task == "compare_models"][:6]:
        if job.state in ("pending", "processing"):
            st.caption(f":material/hourglass_top: Comparing: {wording.plain(job.message)}")
        elif job.state == "failed":
            st.error(wording.plain(job.error), icon=":material/error:")
        elif _result(job):
            st.page_link(
                page("models"),
                label=f"{wording.plain(_title(job))}, {wording.ago(job.finished_at)}",
                icon=":material/balance:",
                query_params={"comparison": job.id},
            )


def draw_comparison(here: Visit, job_id: str) -> None:
    """Draw a comparison: means, differences of pairs, and pictures where they differ."""
    job = next((one for one in here.workbench.queue.all() if one.id == job_id), None)
    if job is None or not _result(job):
        empty(
            "This comparison is not here",
            "It is not done yet, or was removed. Compare the models again.",
            icon=":material/search_off:",
        )
        return
    with attempt():
        found: dict[str, Any] = json.loads(here.workbench.files.read(_result(job)))
        _draw(here, found)


def _draw(here: Visit, found: Mapping[str, Any]) -> None:
    names = [f"{one['name']} {one['version']}" for one in found["models"]]
    with card("comparison"):
        st.subheader(f"On “{wording.plain(found['dataset'])}”", anchor=False)
        st.caption(
            f"{wording.count(found['pictures'], 'picture')}. {wording.plain(found['which'])}"
        )
        rows = "".join(
            f"<tr><th scope='row'>{escape(name)}</th><td>{between(mean)}</td></tr>"
            for name, mean in zip(names, found["means"], strict=True)
        )
        st.html(
            "<div class='lb-scroll'><table class='lb-figures'><thead><tr><th>Model</th>"
            f"<th scope='col'>Mean Dice</th></tr></thead><tbody>{rows}</tbody></table></div>"
        )
        for pair in found["pairs"]:
            st.markdown(_pair(names, pair))
        st.caption("Differences on the same pictures, with 95 % intervals, drawn again by group.")
    if not found["shown"]:
        return
    with card("differences"):
        st.markdown("**Where they differ most**")
        st.caption("In each picture: left the mask that people drew, right the answer.")
        for row in found["shown"]:
            st.markdown(f"{wording.plain(row['name'])}")
            for column, name, sha256, dice in zip(
                st.columns(len(names)), names, row["pictures"], row["dice"], strict=True
            ):
                told = "–" if dice is None else f"{dice:.3f}"
                column.image(
                    here.workbench.files.read(sha256),
                    caption=f"{wording.plain(name)}: Dice {told}",
                    width="stretch",
                    alt=f"{row['name']} by {name}: left the mask, right the answer",
                )


def _pair(names: list[str], pair: Mapping[str, Any]) -> str:
    difference = {"value": pair["difference"], "low": pair["low"], "high": pair["high"]}
    first, second = (wording.plain(names[pair[key]]) for key in ("first", "second"))
    if pair["low"] is None:
        verdict = "too few groups to tell"
    elif pair["is_clear"]:
        verdict = f"{second if pair['difference'] > 0 else first} is better"
    else:
        verdict = "no clear difference"
    return f"{second} minus {first}: {between(difference)} – **{verdict}**"


def _result(job: Job) -> str:
    return next((one.ref for one in job.results if one.kind == "comparison"), "")


def _title(job: Job) -> str:
    return next((one.title for one in job.results if one.kind == "comparison"), "")
