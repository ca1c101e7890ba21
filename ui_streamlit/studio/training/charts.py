"""Curves of a training as Vega-Lite documents: loss and Dice over epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

__all__ = ["draw_curves", "reliability_chart"]

_INK: Final = {
    "light": ("#0b5f7c", "#b3570a", "#98281b", "#5b3f8c", "#2e6b34", "#4b616c"),
    "dark": ("#6cc3df", "#f0c27b", "#f3a79b", "#c8b4f0", "#9fd8a6", "#a3b6bf"),
}
_DASHES: Final = ([1, 0], [6, 4], [2, 2], [10, 3, 2, 3], [4, 2])
_HEIGHT_PX: Final = 300


def draw_curves(epochs: Sequence[Mapping[str, Any]], *, key: str) -> None:
    """Draw two charts side by side: loss of training and validation, Dice of each class."""
    losses = [
        {"x": one["epoch"], "value": one[field], "name": name}
        for one in epochs
        for field, name in (("train_loss", "Training"), ("validation_loss", "Validation"))
    ]
    dice = [
        {"x": one["epoch"], "value": value, "name": name}
        for one in epochs
        for name, value in one["dice"].items()
    ]
    last = epochs[-1]
    left, right = st.columns(2, gap="medium")
    with left:
        loss = last["validation_loss"]
        told = f"Epoch {last['epoch']}: training {last['train_loss']:.3f}"
        told += "" if loss is None else f", validation {loss:.3f}"
        _draw("Loss", f"{told}. Smaller is better.", losses, None, f"{key}-loss")
    with right:
        told = ", ".join(
            f"{name} {'–' if value is None else format(value, '.3f')}"
            for name, value in last["dice"].items()
        )
        _draw("Dice on validation pictures", f"{told}. 1 is perfect.", dice, 1.0, f"{key}-dice")


def reliability_chart(bins: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a chart of how often answers of a stated certainty are right."""
    rows = [
        {"x": one["confidence"], "value": one["accuracy"], "name": "This model"}
        for one in bins
        if one.get("confidence") is not None and one.get("accuracy") is not None
    ]
    ideal = [{"x": at, "value": at, "name": "Ideal"} for at in (0.0, 1.0)]
    return _chart(
        [*rows, *ideal],
        y_domain=[0, 1],
        x_title="said to be sure",
        y_title="was right",
        x_domain=[0, 1],
        points=True,
    )


def _draw(title: str, words: str, rows: list[dict[str, Any]], top: float | None, key: str) -> None:
    st.markdown(f"**{title}**")
    document = _chart(rows, y_domain=_span(rows, top), x_title="epoch", y_title=None)
    st.vega_lite_chart(document, theme="streamlit", key=key, alt=f"{title}: {words}")
    st.caption(words)


def _span(rows: Sequence[Mapping[str, Any]], top: float | None) -> list[float]:
    """Return where an axis begins and ends; else it complains before its data is there."""
    if top is not None:
        return [0, top]
    values = [row["value"] for row in rows if row["value"] is not None] or [0.0]
    room = max(0.02, 0.08 * (max(values) - min(values)))
    return [round(max(0.0, min(values) - room), 4), round(max(values) + room, 4)]


def _chart(
    rows: list[dict[str, Any]],
    *,
    y_domain: list[float],
    x_title: str,
    y_title: str | None,
    x_domain: list[float] | None = None,
    points: bool = False,
) -> dict[str, Any]:
    *colours, words = _INK["dark" if st.context.theme.type == "dark" else "light"]
    names = list(dict.fromkeys(row["name"] for row in rows))
    places = [i % len(colours) for i in range(len(names))]
    legend = {"orient": "bottom", "symbolType": "stroke", "symbolSize": 600, "columns": 3}
    by_name = {"field": "name", "type": "nominal", "title": None, "sort": names}
    places_x = [row["x"] for row in rows]
    # One epoch alone stands in the middle.
    alone = 0.5 if min(places_x) == max(places_x) else 0.0
    domain_x = x_domain or [min(places_x) - alone, max(places_x) + alone]
    return {
        "height": _HEIGHT_PX,
        "background": "transparent",
        "config": {
            "axis": {"labelColor": words, "titleColor": words},
            "legend": {"labelColor": words},
        },
        "data": {"values": rows},
        "mark": {"type": "line", "strokeWidth": 2, "point": points or len(rows) < 30},
        "encoding": {
            "x": {
                "field": "x",
                "type": "quantitative",
                "title": x_title,
                "axis": {"tickMinStep": 1 if x_domain is None else 0.2, "grid": False},
                "scale": {"nice": False, "domain": domain_x},
            },
            "y": {
                "field": "value",
                "type": "quantitative",
                "title": y_title,
                "scale": {"domain": y_domain, "nice": False},
                "axis": {"tickCount": 5},
            },
            "color": by_name
            | {
                "legend": legend,
                "scale": {"domain": names, "range": [colours[i] for i in places]},
            },
            "strokeDash": by_name
            | {
                "legend": legend,
                "scale": {"domain": names, "range": [_DASHES[i] for i in places]},
            },
            "tooltip": [
                {"field": "x", "type": "quantitative", "title": x_title, "format": ".3~r"},
                {"field": "name", "type": "nominal", "title": "What"},
                {"field": "value", "type": "quantitative", "title": "Value", "format": ".3f"},
            ],
        },
    }
