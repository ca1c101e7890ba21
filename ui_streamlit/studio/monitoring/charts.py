"""Charts of the last hour: processor, memory with its floor, processes, queue, GPU.

Plain Vega-Lite documents: building one takes less than a millisecond, so that a page which
refreshes itself costs next to nothing. Series differ by dashes as well as by colour, and each
chart says in words what it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, final

import streamlit as st

from engine.monitoring import Figures
from engine.monitoring.thinning import thinned
from ui_streamlit.studio import wording
from ui_streamlit.studio.pieces import empty
from ui_streamlit.studio.visits import Visit, live

__all__ = ["Line", "chart", "draw_charts", "points"]

_MOST_POINTS: Final = 240
_GAP_S: Final = 45.0
_HEIGHT_PX: Final = 190
# First line, second line, alarm, words; all with at least 4.5 : 1 on the card.
_INK: Final = {
    "light": ("#0b5f7c", "#b3570a", "#98281b", "#4b616c"),
    "dark": ("#6cc3df", "#f0c27b", "#f3a79b", "#a3b6bf"),
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One series of a chart: ``of`` reads its value from a sample, None where there is none."""

    name: str
    of: Callable[[Figures], float | None]


@live("monitoring.view", every_s=5)
def draw_charts(here: Visit) -> None:
    """Draw the last hour, or say why there is nothing to draw yet."""
    monitor = here.workbench.monitor
    history = monitor.history()
    if len(history) < 2:
        empty(
            "The charts begin in a moment",
            "A sample is taken every five seconds while the server runs (lightbox serve); "
            "the last hour is kept, over restarts too.",
            icon=":material/monitoring:",
        )
        return
    samples, now = thinned(history, most=_MOST_POINTS), history[-1]
    left, right = st.columns(2, gap="medium")
    with left:
        _draw_cpu(samples)
    with right:
        _draw_memory(samples, now)
    left, right = st.columns(2, gap="medium")
    with left:
        _draw_queue(samples)
    with right:
        _draw_processes(samples)
    if now.gpus:
        _draw_gpus(samples, now)


def _draw_cpu(samples: Sequence[Figures]) -> None:
    values = [one.cpu_percent for one in samples]
    _draw(
        "Processor",
        f"Busy {values[-1]:.0f} % now; from {min(values):.0f} % to {max(values):.0f} % "
        "in the last hour.",
        chart(
            samples,
            [Line(name="Busy", of=lambda one: one.cpu_percent)],
            unit="%",
            top=100.0,
        ),
        "cpu",
    )


def _draw_memory(samples: Sequence[Figures], now: Figures) -> None:
    least = min(one.memory_free_mb for one in samples)
    floor = now.memory_floor_mb
    verdict = "below the floor" if least < floor else "above the floor"
    _draw(
        "Free memory",
        f"{_mb(now.memory_free_mb)} free now, at least {_mb(least)} in the last hour: {verdict} "
        f"of {floor:,.0f} MB, below which long steps pause and stop.",
        chart(
            samples,
            [Line(name="Free", of=lambda one: one.memory_free_mb / 1000)],
            unit="GB",
            top=now.memory_total_mb / 1000,
            floor=(floor / 1000, f"floor {floor:,.0f} MB"),
        ),
        "memory",
    )


def _draw_queue(samples: Sequence[Figures]) -> None:
    known = [one for one in samples if one.jobs is not None]
    most = max((one.waiting or 0 for one in known), default=0)
    _draw(
        "Queue",
        f"At most {wording.count(most, 'job')} waiting in the last hour.",
        chart(
            samples,
            [Line(name="Waiting", of=_waiting), Line(name="At work", of=_running)],
            unit="jobs",
            top=max(4.0, *(float((one.waiting or 0) + (one.running or 0)) for one in samples)),
            is_stepped=True,
        ),
        "queue",
    )


def _draw_processes(samples: Sequence[Figures]) -> None:
    most = max(one.server_mb + one.children_mb for one in samples)
    _draw(
        "Memory of our processes",
        f"This server and the processes that it started; at most {_mb(most)} in the last hour.",
        chart(
            samples,
            [
                Line(name="Server", of=lambda one: one.server_mb),
                Line(name="Below it", of=lambda one: one.children_mb),
            ],
            unit="MB",
            top=max(100.0, *(max(one.server_mb, one.children_mb) for one in samples)),
        ),
        "processes",
    )


def _draw_gpus(samples: Sequence[Figures], now: Figures) -> None:
    lines = [
        Line(name=f"{number}: {gpu.name}", of=_gpu_free_gb(number))
        for number, gpu in enumerate(now.gpus[:2])
    ]
    _draw(
        "Free GPU memory",
        "; ".join(f"{gpu.name}: {_mb(gpu.free_mb)} of {_mb(gpu.total_mb)}" for gpu in now.gpus),
        chart(samples, lines, unit="GB", top=max(gpu.total_mb for gpu in now.gpus) / 1000),
        "gpus",
    )


def _draw(title: str, words: str, document: dict[str, Any], key: str) -> None:
    with st.container(border=True, key=f"lb-card-{key}", gap="small"):
        st.markdown(f"**{title}**")
        st.vega_lite_chart(document, theme="streamlit", key=f"chart-{key}", alt=f"{title}: {words}")
        st.caption(words)


def chart(
    samples: Sequence[Figures],
    lines: Sequence[Line],
    *,
    unit: str,
    top: float,
    floor: tuple[float, str] | None = None,
    is_stepped: bool = False,
) -> dict[str, Any]:
    """Return a Vega-Lite document of one or two lines from 0 to ``top``.

    ``floor`` draws a dashed line at a value, with a text. A gap in time is a gap in the line.
    """
    first, second, alarm, words = _INK["dark" if st.context.theme.type == "dark" else "light"]
    names = [line.name for line in lines]
    by_name = {"field": "name", "type": "nominal", "title": None, "sort": names}
    legend = {"orient": "bottom", "symbolType": "stroke", "symbolSize": 600}
    mark: dict[str, Any] = {"type": "line", "strokeWidth": 2}
    if is_stepped:
        mark["interpolate"] = "step-after"
    if len(lines) == 1:
        mark = {"type": "area", "line": {"color": first}, "color": first, "fillOpacity": 0.18}
    encoding: dict[str, Any] = {
        "x": {
            "field": "at",
            "type": "temporal",
            "title": None,
            "scale": {"domain": [_moment(samples[0]), _moment(samples[-1])]},
            "axis": {"format": "%H:%M", "tickCount": 5, "labelOverlap": True, "grid": False},
        },
        "y": {
            "field": "value",
            "type": "quantitative",
            "title": unit,
            "scale": {"domain": [0, top], "nice": True},
            "axis": {"tickCount": 4},
        },
        "tooltip": [
            {"field": "at", "type": "temporal", "title": "Time", "format": "%H:%M:%S"},
            {"field": "name", "type": "nominal", "title": "What"},
            {"field": "value", "type": "quantitative", "title": unit, "format": ",.3~r"},
        ],
    }
    if len(lines) > 1:
        dashes = [[1, 0], [6, 4]][: len(lines)]
        colours = [first, second][: len(lines)]
        encoding["color"] = by_name | {"legend": legend, "scale": _scale(names, colours)}
        encoding["strokeDash"] = by_name | {"legend": legend, "scale": _scale(names, dashes)}
    layers: list[dict[str, Any]] = [{"mark": mark, "encoding": encoding}]
    if floor is not None:
        layers += _floor(*floor, colour=alarm)
    return {
        "height": _HEIGHT_PX,
        "background": "transparent",
        "config": {
            "axis": {"labelColor": words, "titleColor": words},
            "legend": {"labelColor": words},
        },
        "data": {"values": points(samples, lines)},
        "layer": layers,
    }


def points(samples: Sequence[Figures], lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Return the rows of a chart; ``at`` in ms since 1970, ``value`` None in a gap."""
    rows = []
    for line in lines:
        before: Figures | None = None
        for one in samples:
            if before is not None and one.at - before.at > _GAP_S:
                middle = (before.at + one.at) / 2
                rows.append({"at": round(middle * 1000), "name": line.name, "value": None})
            value = line.of(one)
            shown = None if value is None else round(value, 3)
            rows.append({"at": round(one.at * 1000), "name": line.name, "value": shown})
            before = one
    return rows


def _floor(value: float, text: str, *, colour: str) -> list[dict[str, Any]]:
    rule = {"type": "rule", "strokeDash": [6, 4], "strokeWidth": 2, "color": colour}
    place = {"align": "left", "baseline": "bottom", "x": 0, "dx": 4, "dy": -3}
    label = {"type": "text", "text": text, "color": colour, "fontWeight": 600, **place}
    once = {
        "data": {"values": [{"floor": value}]},
        "encoding": {"y": {"field": "floor", "type": "quantitative"}},
    }
    return [{"mark": rule, **once}, {"mark": label, **once}]


def _scale(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    return {"domain": list(names), "range": list(values)}


def _moment(one: Figures) -> str:
    """Write a time so that Vega takes it for one: a bare number it takes for a year."""
    return datetime.fromtimestamp(one.at, UTC).isoformat()


def _waiting(one: Figures) -> float | None:
    return None if one.waiting is None else float(one.waiting)


def _running(one: Figures) -> float | None:
    return None if one.running is None else float(one.running)


def _gpu_free_gb(number: int) -> Callable[[Figures], float | None]:
    return lambda one: one.gpus[number].free_mb / 1000 if number < len(one.gpus) else None


def _mb(amount_mb: float) -> str:
    return wording.megabytes(amount_mb)
