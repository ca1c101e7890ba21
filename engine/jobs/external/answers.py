"""What an external model answers, read with suspicion and made cells.

Two forms are understood: that of Hugging Face's object detection, and that of the cell-annotation
service::

    [{"label": "RBC", "score": 0.98, "box": {"xmin": 12, "ymin": 5, "xmax": 44, "ymax": 40}}]
    {"cells": [{"cell_type": "RBC", "confidence": 0.98,
                "cell_coordinates": {"x": 12, "y": 5, "width": 32, "height": 35}}]}

Boxes are in pixels of the picture that was sent, from its upper left corner.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, final

from engine.errors import RemoteError

__all__ = ["FoundCell", "cell_type_of", "cells_of"]

_MOST_CELLS: Final = 20_000
_LONGEST_LABEL: Final = 64
_SLACK_PX: Final = 2.0
_LARGEST: Final = 1e9

# Spellings of models and older services, letters and digits only, and what we call it.
_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "rbc": "RBC",
        "redbloodcell": "RBC",
        "wbc": "WBC-Others",
        "wbcs": "WBC-Others",
        "wbcother": "WBC-Others",
        "wbcothers": "WBC-Others",
        "whitebloodcell": "WBC-Others",
        "lymphocyte": "WBC-Lymphocyte",
        "wbclymphocyte": "WBC-Lymphocyte",
        "platelet": "Platelet",
        "platelets": "Platelet",
    }
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCell:
    """One cell: kind, confidence in 0..1, and its box in pixels (left, upper, width, height)."""

    cell_type: str
    confidence: float
    x: float
    y: float
    width: float
    height: float


def cells_of(answer: bytes, *, width_px: int, height_px: int) -> tuple[FoundCell, ...]:
    """Return the cells of an answer about a picture of that size; boxes are cut at its edges.

    Raises
    ------
    RemoteError
        When the answer is anything else than a list of cells in that picture.
    """
    try:
        document = json.loads(answer)
    except (ValueError, RecursionError):
        raise _nonsense(f"{len(answer)} bytes that are no JSON") from None
    rows = document.get("cells") if isinstance(document, dict) else document
    if not isinstance(rows, list):
        raise _nonsense("no list of cells")
    if len(rows) > _MOST_CELLS:
        raise _nonsense(f"{len(rows)} cells, more than the {_MOST_CELLS} that we take")
    return tuple(
        _cell(row, number, width_px=width_px, height_px=height_px)
        for number, row in enumerate(rows, start=1)
    )


def cell_type_of(label: str) -> str:
    """Return our name of a kind of cell; a label that we do not know stays as it is.

    >>> cell_type_of("wbc_lymphocyte"), cell_type_of("Eosinophil")
    ('WBC-Lymphocyte', 'Eosinophil')
    """
    letters = "".join(letter for letter in label.casefold() if letter.isalnum())
    return _NAMES.get(letters, label.strip())


def _cell(row: object, number: int, *, width_px: int, height_px: int) -> FoundCell:
    if not isinstance(row, dict):
        raise _nonsense(f"cell {number} is no object")
    label = row.get("label", row.get("cell_type"))
    if not isinstance(label, str) or not 0 < len(label.strip()) <= _LONGEST_LABEL:
        raise _nonsense(f"cell {number} has no label of at most {_LONGEST_LABEL} letters")
    if not label.isprintable():
        raise _nonsense(f"cell {number} has a label that cannot be printed")
    score = _number(row.get("score", row.get("confidence")), f"cell {number}: score")
    if not 0 <= score <= 1:
        raise _nonsense(f"cell {number} has the score {score:g}, not one in 0..1")
    left, upper, right, lower = _box(row, number)
    is_inside = left >= -_SLACK_PX and upper >= -_SLACK_PX
    is_inside &= right <= width_px + _SLACK_PX and lower <= height_px + _SLACK_PX
    if not is_inside:
        raise _nonsense(
            f"cell {number} lies at {left:g}, {upper:g} to {right:g}, {lower:g}, "
            f"outside the picture of {width_px} × {height_px} pixels"
        )
    left, right = max(left, 0.0), min(right, float(width_px))
    upper, lower = max(upper, 0.0), min(lower, float(height_px))
    if not (right > left and lower > upper):
        raise _nonsense(f"cell {number} has a box without any area")
    return FoundCell(
        cell_type=cell_type_of(label),
        confidence=score,
        x=left,
        y=upper,
        width=right - left,
        height=lower - upper,
    )


def _box(row: Mapping[str, Any], number: int) -> tuple[float, float, float, float]:
    """Return left, upper, right, lower."""
    corners, sides = row.get("box"), row.get("cell_coordinates")
    if isinstance(corners, dict):
        left, upper, right, lower = (
            _number(corners.get(name), f"cell {number}: {name}")
            for name in ("xmin", "ymin", "xmax", "ymax")
        )
        return left, upper, right, lower
    if isinstance(sides, dict):
        left, upper, width, height = (
            _number(sides.get(name), f"cell {number}: {name}")
            for name in ("x", "y", "width", "height")
        )
        return left, upper, left + width, upper + height
    raise _nonsense(f"cell {number} has neither box nor cell_coordinates")


def _number(value: object, what: str) -> float:
    # True is a whole number to Python, and one of thousands of digits is no float.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LARGEST:
        raise _nonsense(f"{what} is not a usable number")
    return float(value)


def _nonsense(what: str) -> RemoteError:
    return RemoteError(
        "Expected a list of cells with label, score and box from the external model, but got "
        f"{what}; see that LIGHTBOX_MODEL_API_URL is a model that finds objects."
    )
