"""What was measured of a model, in pictures: certainty, confusion, best and worst, its curves."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import streamlit as st

from engine.store.records import ModelRecord
from ui_streamlit.studio import wording
from ui_streamlit.studio.pieces import card
from ui_streamlit.studio.training.charts import reliability_chart
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_measured"]


def draw_measured(here: Visit, model: ModelRecord) -> None:
    """Draw how far its certainty can be believed, what it confuses, and its extreme pictures."""
    measured = here.workbench.models.metrics(here.actor, model.id)
    curves = here.workbench.models.picture(here.actor, model.id, "curves.png")
    if curves is not None:
        with st.expander("How it learnt"):
            st.image(curves, width="stretch", alt="Loss and Dice of each class over the epochs")
    if not measured:
        return
    left, right = st.columns(2, gap="medium")
    with left, card("reliability"):
        _draw_reliability(model, measured)
    with right, card("confusion"):
        _draw_confusion(measured)
    _draw_gallery(here, model, measured)


def _draw_reliability(model: ModelRecord, measured: Mapping[str, Any]) -> None:
    st.markdown("**Can its certainty be believed?**")
    error = measured.get("calibration_error")
    if not measured.get("reliability") or error is None:
        st.caption("Not measured.")
        return
    words = f"Off by {100 * error:.1f} % on average; the closer to the straight line, the better."
    st.vega_lite_chart(
        reliability_chart(measured["reliability"]), theme="streamlit", key="reliability",
        alt=f"Reliability diagram. {words}",
    )  # fmt: skip
    temperature = model.card.get("calibration", {}).get("temperature")
    st.caption(f"{words} Temperature {temperature:.2f}." if temperature else words)


def _draw_confusion(measured: Mapping[str, Any]) -> None:
    st.markdown("**What is taken for what**")
    table = measured.get("confusion", {})
    names, pixels = table.get("classes", []), table.get("pixels", [])
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in names)
    rows = ""
    for name, row in zip(names, pixels, strict=True):
        total = max(1, sum(row))
        cells = "".join(f"<td>{100 * value / total:.1f} %</td>" for value in row)
        rows += f"<tr><th scope='row'>{escape(name)}</th>{cells}</tr>"
    st.html(
        "<div class='lb-scroll'><table class='lb-figures'><thead><tr><th>is ↓ said →</th>"
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
    st.caption("Parts of the annotated pixels of each class.")


def _draw_gallery(here: Visit, model: ModelRecord, measured: Mapping[str, Any]) -> None:
    for kind, title in (("worst", "Its worst pictures"), ("best", "Its best pictures")):
        own = [one for one in measured.get("gallery", ()) if one["kind"] == kind]
        if not own:
            continue
        with card(kind):
            st.markdown(f"**{title}**")
            st.caption("Left the mask that people drew, right the answer.")
            columns = st.columns(2)
            for place, one in enumerate(own):
                png = here.workbench.models.picture(here.actor, model.id, str(one.get("file", "")))
                if png is not None:
                    columns[place % 2].image(
                        png,
                        caption=f"{wording.plain(one['name'])}: Dice {one['mean_dice']:.3f}",
                        width="stretch",
                        alt=f"{one['name']}: left the mask, right the answer",
                    )
