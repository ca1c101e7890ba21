"""How good a model is, in a table with intervals and in words."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, Final

import streamlit as st

from ui_streamlit.studio import wording

__all__ = ["between", "draw_figures", "headline"]

_MEASURES: Final = {
    "dice": ("Dice", "overlap of areas: 0 none, 1 perfect"),
    "iou": ("IoU", "shared area of all area"),
    "precision": ("Precision", "how much of what it marked is right"),
    "recall": ("Recall", "how much of what is there it marked"),
    "object_f1": ("Object F1", "objects found, at half their area"),
    "hausdorff_95_px": ("95 % Hausdorff, px", "how far borders lie apart"),
}
_PARTS: Final = {
    "test": "held-back pictures, which it never saw",
    "validation": "validation pictures, which steered its training",
}
_SHORT: Final = {"test": "held-back", "validation": "validation"}


def headline(metrics: Mapping[str, Any]) -> str:
    """Return the mean Dice with its interval and what it rests on, or that nothing is known."""
    mean = metrics.get("mean_dice") or {}
    part = _SHORT.get(str(metrics.get("part")))
    if mean.get("value") is None or part is None:
        return "Not measured."
    return f"Mean Dice {between(mean)} on {wording.count(mean['pictures'], f'{part} picture')}"


def between(figure: Mapping[str, Any]) -> str:
    """Write a figure with its 95 % interval.

    >>> between({"value": 0.9, "low": 0.85, "high": 0.93})
    '0.900 (0.850–0.930)'
    """
    value, low, high = (figure.get(name) for name in ("value", "low", "high"))
    if value is None:
        return "–"
    digits = 3 if abs(value) < 10 else 1
    text = f"{value:.{digits}f}"
    return text if low is None or high is None else f"{text} ({low:.{digits}f}–{high:.{digits}f})"


def draw_figures(metrics: Mapping[str, Any]) -> None:
    """Draw the table of all measures by class."""
    part = _PARTS.get(str(metrics.get("part")))
    if part is None:
        st.caption("No picture was held back, so nothing is known about new pictures.")
        return
    names = list(metrics.get("dice", {}))
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in names)
    rows = "".join(
        f"<tr><th scope='row'>{escape(title)}<small>{escape(meaning)}</small></th>"
        + "".join(f"<td>{between(metrics[key].get(name, {}))}</td>" for name in names)
        + "</tr>"
        for key, (title, meaning) in _MEASURES.items()
        if key in metrics
    )
    st.html(
        "<div class='lb-scroll'><table class='lb-figures'><thead><tr><th></th>"
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
    pictures, groups = metrics.get("pictures", 0), metrics.get("groups", 0)
    st.caption(
        f"On {wording.count(pictures, 'picture')} of {wording.count(groups, 'group')}: {part}. "
        "Means over pictures; 95 % intervals, drawn again by group."
    )
