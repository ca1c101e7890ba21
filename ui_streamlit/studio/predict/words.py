"""How models and what they measured are put into words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from engine.store.records import ModelRecord
from ui_streamlit.studio import wording

__all__ = ["area", "doubt", "model_name", "sum_up"]

_DOUBTS: Final = ((0.05, "very sure"), (0.15, "mostly sure"), (0.35, "unsure in places"))


def model_name(model: ModelRecord) -> str:
    """Return name, version and whether it is the one in use.

    >>> model_name(ModelRecord(name="Nuclei", version=2, stage="active"))
    'Nuclei, version 2 · in use'
    """
    use = {"active": " · in use", "candidate": " · candidate", "retired": " · retired"}
    return f"{model.name}, version {model.version}{use[model.stage]}"


def doubt(value: float) -> str:
    """Return mean uncertainty in 0..1 as a word and a number.

    >>> doubt(0.02), doubt(0.2), doubt(0.5)
    ('very sure (doubt 2 %)', 'unsure in places (doubt 20 %)', 'unsure (doubt 50 %)')
    """
    word = next((word for limit, word in _DOUBTS if value < limit), "unsure")
    return f"{word} (doubt {wording.percent(value)})"


def area(row: Mapping[str, Any]) -> str:
    """Return the area of a class with its unit: mm² or µm² where a pixel's size is known.

    >>> area({"area_px": 800, "area_mm2": None}), area({"area_px": 4, "area_mm2": 0.25})
    ('800 px', '0.25 mm²')
    >>> area({"area_px": 800, "area_mm2": 0.0002})
    '200 µm²'
    """
    size = row["area_mm2"]
    if size is None:
        return f"{row['area_px']:,} px"
    if 0 < size < 0.01:
        return f"{size * 1e6:,.3g} µm²" if size * 1e6 < 1000 else f"{size * 1e6:,.0f} µm²"
    return f"{size:,.3g} mm²"


def sum_up(measures: Mapping[str, Any]) -> str:
    """Return the classes that were found in one line, the background left out.

    >>> row = {"name": "nucleus", "area_px": 5, "share": 0.1, "area_mm2": None, "objects": 2}
    >>> sum_up({"classes": [{**row, "name": "background"}, row]})
    '2 × nucleus, 10 % of the picture'
    """
    parts = [
        f"{row['objects']:,} × {row['name']}, {wording.percent(row['share'])} of the picture"
        for row in measures.get("classes", ())[1:]
        if row["area_px"]
    ]
    return "; ".join(parts) or "Nothing but background"
