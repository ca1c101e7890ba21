"""The picture of a training: left the loss, right the Dice of each class."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from PIL import Image, ImageDraw

from engine.imaging.palettes import OKABE_ITO, colour_of
from engine.training.curves.panels import Line, Panel, draw_panel

__all__ = ["draw_curves"]

_WIDTH_PX, _HEIGHT_PX = 1200, 520
_FINER: Final = 2  # drawn larger, then made smaller: soft edges
_MARKS: Final = ("round", "square", "up", "cross")
_MOST_CLASSES: Final = 6
_STATES: Final = {"unhealthy": OKABE_ITO["vermillion"], "healthy": OKABE_ITO["bluish green"]}


def draw_curves(history: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a PNG (1200 × 520) of a training's epochs, one mapping for each.

    Keys: ``epoch`` (from 1), ``train_loss``, ``validation_loss``, ``dice`` by class (without the
    background), ``mean_dice``, and optional ``best`` (a better one than all before) and
    ``elapsed_s``. Missing and non-finite values leave gaps. With more than six classes the six
    worst at the end are drawn.
    """
    epochs = tuple(float(row["epoch"]) for row in history)
    best = max(
        (row for row in history if row.get("best")), key=lambda row: row["epoch"], default=None
    )
    picture = Image.new("RGB", (_WIDTH_PX * _FINER, _HEIGHT_PX * _FINER), "white")
    draw = ImageDraw.Draw(picture)
    x_title = "epoch" + _duration(history)
    for title, y_title, box, lines, is_share in (
        ("Loss", "no unit; smaller is better", (80, 80, 570, 390), _losses(history), False),
        ("Dice on validation pictures", "0 to 1; 1 is perfect", (680, 80, 1170, 390),
         _dice(history), True),
    ):  # fmt: skip
        left, top, right, bottom = (_FINER * side for side in box)
        draw_panel(
            draw,
            Panel(
                title=title,
                y_title=y_title,
                x_title=x_title,
                box=(left, top, right, bottom),
                x=epochs,
                lines=lines,
                low=0.0 if is_share else None,
                high=1.0 if is_share else None,
                marked_x=float(best["epoch"]) if best else None,
                marked_text=f"kept: epoch {best['epoch']}" if best else "",
                scale=_FINER,
            ),
        )
    small = picture.resize((_WIDTH_PX, _HEIGHT_PX), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    small.save(written, "PNG", optimize=True)
    return written.getvalue()


def _losses(history: Sequence[Mapping[str, Any]]) -> tuple[Line, ...]:
    return (
        _line("training", "train_loss", history, "blue", "round"),
        _line("validation", "validation_loss", history, "vermillion", "square"),
    )


def _line(
    name: str, key: str, history: Sequence[Mapping[str, Any]], colour: str, mark: str
) -> Line:
    values = tuple(_value(row.get(key)) for row in history)
    return Line(name=name, colour=OKABE_ITO[colour], mark=mark, values=values)


def _dice(history: Sequence[Mapping[str, Any]]) -> tuple[Line, ...]:
    """Return a line for each class, and their mean where there are several."""
    names = list(dict.fromkeys(name for row in history for name in row.get("dice", {})))
    names = [name for name in names if name != "background"]
    if len(names) > _MOST_CLASSES:
        last = history[-1].get("dice", {})
        names = sorted(names, key=lambda name: _value(last.get(name)))[:_MOST_CLASSES]
    lines = [
        Line(
            name=name,
            colour=_STATES.get(name) or colour_of(name, index=at),
            mark=_MARKS[at % len(_MARKS)],
            values=tuple(_value(row.get("dice", {}).get(name)) for row in history),
        )
        for at, name in enumerate(names)
    ]
    if len(lines) > 1:
        values = tuple(_value(row.get("mean_dice")) for row in history)
        lines.append(Line(name="mean", colour=OKABE_ITO["black"], mark="cross", values=values))
    return tuple(lines)


def _value(given: object) -> float:
    return float(given) if isinstance(given, int | float) else math.nan


def _duration(history: Sequence[Mapping[str, Any]]) -> str:
    """Return how long it took, for the axis of epochs."""
    seconds = _value(history[-1].get("elapsed_s")) if history else math.nan
    if not math.isfinite(seconds):
        return ""
    return f"  (all of it took {seconds / 60:.1f} min)" if seconds >= 90 else f"  ({seconds:.0f} s)"
