"""An answer as it is looked at: over the picture, beside it, as maps; measures and downloads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any, Final, final

import streamlit as st

from engine.catalogue.picture_views import class_colours
from engine.catalogue.predicting import FORMS, Answered, Exported, PredictionForm, Seen, views
from engine.catalogue.predicting.forms import file_name
from ui_streamlit.studio import wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.pieces import card
from ui_streamlit.studio.predict.explaining import draw_explaining
from ui_streamlit.studio.predict.slider import draw_slider
from ui_streamlit.studio.predict.words import area, doubt, sum_up
from ui_streamlit.studio.visits import Visit

__all__ = ["Shown", "draw_legend", "draw_shown"]

_WAYS: Final = ("Overlay", "Before and after", "Probability", "Uncertainty", "Explain")
_TABLE: Final = '<table class="lb-table">'
_STYLE: Final = """<style>
.lb-table { width: 100%; border-collapse: collapse; font-size: .95rem; }
.lb-table th { text-align: left; font-weight: 600; color: light-dark(#4b616c, #a3b6bf); }
.lb-table th, .lb-table td { padding: .35rem .8rem .35rem 0; border-bottom: 1px solid light-dark(#e3ebee, #24323a); }
.lb-table td.n, .lb-table th.n { text-align: right; white-space: nowrap; }
.lb-table td:first-child { white-space: nowrap; }
.lb-table tr > :last-child { padding-right: 0; }
@media (max-width: 640px) { .lb-table { font-size: .85rem; } .lb-table th, .lb-table td { padding-right: .4rem; } }
.lb-dot { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4rem; }
.lb-ramp { display: flex; align-items: center; gap: .5rem; font-size: .9rem; color: light-dark(#4b616c, #a3b6bf); }
.lb-ramp i { flex: 0 1 12rem; height: .8em; border-radius: 3px; background: linear-gradient(90deg, #440154, #3b528b, #21918c, #5ec962, #fde725); }
</style>"""  # noqa: E501 – a rule a line, as in frame.css


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shown:
    """What is drawn: a kept answer by its id in ``about``, or one that is only looked at.

    ``size`` is width and height of the picture; ``export`` makes a file of one form.
    """

    key: str
    name: str
    seen: Seen
    measures: Mapping[str, Any]
    doubt: float
    seconds: float
    model: str
    about: str | Answered
    size: tuple[int, int]
    pixel_size_um: float | None
    export: Callable[[PredictionForm], Exported]


def draw_shown(
    here: Visit, shown: Shown, *, more: Mapping[str, Callable[[], None]] | None = None
) -> None:
    """Draw the answer; ``more`` are further ways of looking, by name."""
    further = dict(more or {})
    st.html(_STYLE)
    with card(f"answer-{shown.key}"):
        st.subheader(wording.plain(shown.name), anchor=False)
        st.markdown(f"**{wording.plain(sum_up(shown.measures))}** · {doubt(shown.doubt)}")
        st.caption(
            f"{shown.size[0]:,} × {shown.size[1]:,} pixels, {wording.duration(shown.seconds)} by "
            f"{wording.plain(shown.model)}"
        )
        way = st.segmented_control(
            "What to look at",
            (*_WAYS, *further),
            default="Overlay",
            required=True,
            label_visibility="collapsed",
            key=f"predict-way-{shown.key}",
        )
        with attempt():
            if way in further:
                further[way]()
            else:
                _draw_way(here, shown, str(way))
    with card(f"measures-{shown.key}"):
        st.markdown("**Areas and objects**")
        _draw_measures(shown)
    with card(f"files-{shown.key}"):
        st.markdown("**Take it with you**")
        _draw_files(shown)


def draw_legend(classes: tuple[str, ...]) -> None:
    """Draw which colour is which class."""
    parts = "".join(
        f'<span style="margin-right:1rem;white-space:nowrap"><span class="lb-dot" '
        f'style="background:{colour}"></span>{escape(name)}</span>'
        for name, colour in class_colours(classes).items()
    )
    st.html(f'<p class="lb-line" style="justify-content:flex-start">{parts}</p>')


def _draw_way(here: Visit, shown: Shown, way: str) -> None:
    if way == "Overlay":
        _draw_overlay(shown)
    elif way == "Before and after":
        draw_slider(
            views.plain(shown.seen),
            views.over(shown.seen, opacity=0.5),
            left="The picture",
            right="With the answer",
            key=f"predict-slider-{shown.key}",
        )
        draw_legend(shown.seen.classes)
    elif way == "Probability":
        _draw_probability(shown)
    elif way == "Uncertainty":
        st.image(
            views.uncertainty(shown.seen),
            width="stretch",
            alt=f"Where the model is unsure in {shown.name}",
        )
        _draw_ramp("sure", "any class alike")
    else:
        draw_explaining(here, shown.about, shown.seen, shown.size, key=shown.key)


def _draw_overlay(shown: Shown) -> None:
    names = list(shown.seen.classes[1:])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        opacity = st.slider(
            "Opacity of the areas, %", 0, 100, 40, 5, key=f"predict-opacity-{shown.key}", width=280
        )
        contours = st.toggle("Contours", value=True, key=f"predict-contours-{shown.key}")
    chosen: list[str] = names
    if len(names) > 1:
        chosen = st.pills(
            "Classes",
            names,
            selection_mode="multi",
            default=names,
            key=f"predict-classes-{shown.key}",
        )
    st.image(
        views.over(shown.seen, opacity=opacity / 100, contours=contours, shown=chosen),
        width="stretch",
        alt=f"{shown.name} with what the model found: {sum_up(shown.measures)}",
    )
    draw_legend(shown.seen.classes)


def _draw_probability(shown: Shown) -> None:
    classes = shown.seen.classes
    if shown.seen.probabilities is None:
        st.info(
            "The probabilities of this picture were not kept, because it is large. The "
            "uncertainty shows where the model wavers.",
            icon=":material/info:",
        )
        return
    name = st.selectbox(
        "Class", classes, index=min(1, len(classes) - 1), key=f"predict-chance-{shown.key}"
    )
    number = classes.index(name)
    st.image(
        views.probability(shown.seen, number),
        width="stretch",
        alt=f"How probable {name} is everywhere in {shown.name}",
    )
    _draw_ramp("0 %", "100 %")


def _draw_ramp(low: str, high: str) -> None:
    st.html(f'<p class="lb-ramp" style="margin:0">{escape(low)}<i></i>{escape(high)}</p>')


def _draw_measures(shown: Shown) -> None:
    colours = class_colours(shown.seen.classes)
    rows = "".join(
        _row(row, colours, is_background=not number)
        for number, row in enumerate(shown.measures.get("classes", ()))
    )
    st.html(
        f'{_TABLE}<thead><tr><th>Class</th><th class="n">Area</th><th class="n">Share</th>'
        f'<th class="n">Objects</th></tr></thead><tbody>{rows}</tbody></table>'
    )
    if shown.pixel_size_um is None:
        st.caption("The size of a pixel is not known, so areas are in pixels.")
    else:
        st.caption(f"A pixel is {shown.pixel_size_um:g} µm wide.")


def _row(row: Mapping[str, Any], colours: Mapping[str, str], *, is_background: bool) -> str:
    name = str(row["name"])
    objects = "–" if is_background else f"{row['objects']:,}"
    return (
        f'<tr><td><span class="lb-dot" style="background:{colours.get(name, "#ffffff00")}"></span>'
        f'{escape(name)}</td><td class="n">{area(row)}</td>'
        f'<td class="n">{100 * row["share"]:.1f} %</td><td class="n">{objects}</td></tr>'
    )


def _draw_files(shown: Shown) -> None:
    with st.container(horizontal=True):
        for form, title in FORMS.items():
            if form == "probabilities" and shown.seen.probabilities is None:
                continue
            st.download_button(
                title,
                partial(_data, shown, form),
                file_name=file_name(shown.name, form),
                key=f"predict-file-{form}-{shown.key}",
                on_click="ignore",
                icon=":material/download:",
            )


def _data(shown: Shown, form: PredictionForm) -> bytes:
    return shown.export(form).data
