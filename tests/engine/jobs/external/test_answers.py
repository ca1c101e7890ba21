"""Answers of a model: what is believed, and what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.errors import RemoteError
from engine.jobs.external.answers import FoundCell, cell_type_of, cells_of

BOX = {"xmin": 2, "ymin": 3, "xmax": 12, "ymax": 9}


def cells(document: Any) -> tuple[FoundCell, ...]:
    return cells_of(json.dumps(document).encode(), width_px=100, height_px=50)


@pytest.mark.parametrize(
    "document",
    [
        [{"label": "RBC", "score": 0.9, "box": BOX}],
        {"cells": [{"label": "red blood cell", "score": 0.9, "box": BOX}]},
        [
            {
                "cell_type": "rbc",
                "confidence": 0.9,
                "cell_coordinates": {"x": 2, "y": 3, "width": 10, "height": 6},
            }
        ],
    ],
)
def test_both_forms_give_the_same_cell(document: Any) -> None:
    """Corners as Hugging Face writes them, or sides as the cell-annotation service does."""
    wanted = FoundCell(cell_type="RBC", confidence=0.9, x=2, y=3, width=10, height=6)
    assert cells(document) == (wanted,)


def test_no_cells_is_an_answer() -> None:
    """An empty picture is possible."""
    assert cells([]) == ()


@pytest.mark.parametrize(
    ("label", "wanted"),
    [
        *(("WBC-Lymphocyte", "WBC-Lymphocyte"), ("Lymphocyte", "WBC-Lymphocyte")),
        *(("wbc", "WBC-Others"), ("WBC-Others", "WBC-Others"), ("WBC_other", "WBC-Others")),
        *(("Platelets", "Platelet"), ("RBC", "RBC"), (" Eosinophil ", "Eosinophil")),
    ],
)
def test_kinds_have_one_name(label: str, wanted: str) -> None:
    """The names of CONTRACTS: WBC-Lymphocyte, WBC-Others, RBC; unknown ones stay."""
    assert cell_type_of(label) == wanted


def test_boxes_are_cut_at_the_edge() -> None:
    """A model may round a pixel or two beyond the picture."""
    box = {"xmin": -1.5, "ymin": 40, "xmax": 101, "ymax": 51.5}
    (found,) = cells([{"label": "RBC", "score": 1, "box": box}])
    assert (found.x, found.y, found.width, found.height) == (0, 40, 100, 10)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"error": "loading"}, "no list of cells"),
        ("text", "no list of cells"),
        ([3], "cell 1 is no object"),
        ([{"score": 0.9, "box": BOX}], "cell 1 has no label"),
        ([{"label": "x" * 65, "score": 0.9, "box": BOX}], "cell 1 has no label"),
        ([{"label": "a\nb", "score": 0.9, "box": BOX}], "cannot be printed"),
        ([{"label": "RBC", "box": BOX}], "cell 1: score is not a usable number"),
        ([{"label": "RBC", "score": True, "box": BOX}], "score is not a usable number"),
        ([{"label": "RBC", "score": "0.9", "box": BOX}], "score is not a usable number"),
        ([{"label": "RBC", "score": 95, "box": BOX}], "has the score 95, not one in 0..1"),
        ([{"label": "RBC", "score": float("nan"), "box": BOX}], "score is not a usable number"),
        ([{"label": "RBC", "score": 0.9}], "neither box nor cell_coordinates"),
        ([{"label": "RBC", "score": 0.9, "box": {}}], "cell 1: xmin is not a usable number"),
        ([{"label": "RBC", "score": 0.9, "box": {**BOX, "xmax": 1e300}}], "xmax is not a usable"),
        ([{"label": "RBC", "score": 0.9, "box": {**BOX, "xmax": 10**400}}], "xmax is not a usable"),
        ([{"label": "RBC", "score": 0.9, "box": {**BOX, "xmax": 180}}], "outside the picture of"),
        ([{"label": "RBC", "score": 0.9, "box": {**BOX, "xmax": 2}}], "without any area"),
        ([{"label": "RBC", "score": 0.9, "box": {**BOX, "xmax": 1}}], "without any area"),
        ([{"label": "RBC", "score": 0.9, "box": BOX}] * 20_001, "20001 cells, more than"),
    ],
)
def test_lies_are_refused_with_what_is_wrong(document: Any, reason: str) -> None:
    """Nothing of an answer is kept when a part of it cannot be true."""
    with pytest.raises(RemoteError, match=reason):
        cells(document)


@pytest.mark.parametrize("answer", [b"", b"<html>busy</html>", b"\xff\xfe", b"[" * 200_000, b"[{"])
def test_what_is_no_json_is_told(answer: bytes) -> None:
    """An error page of a proxy is no answer."""
    with pytest.raises(RemoteError, match="that are no JSON"):
        cells_of(answer, width_px=10, height_px=10)
